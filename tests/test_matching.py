"""NLVR2 and retrieval, the whole way on a mini world."""

from dataclasses import replace
from pathlib import Path

import pytest

from evalsuite.catalog import benchmark_named
from evalsuite.data.text import Tokenizer
from evalsuite.kinds.retrieval.features import Features, features_of
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request

TASKS = ("nlvr2", "retrieval_coco", "retrieval_flickr30k")
SETTINGS = ("epochs=1", "batch_size=16")
BASELINES = {
    "nlvr2": {"majority_label", "text_only"},
    "retrieval_coco": {"chance/tr_at_1", "chance/mean_recall"},
    "retrieval_flickr30k": {"chance/tr_at_1", "chance/mean_recall"},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=TASKS)
    return folder


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Return a finished run of each task."""
    runs = {}
    for task in TASKS:
        folder = tmp_path_factory.mktemp(task)
        report = evaluate(Request(task=task, data=world, runs=folder, settings=SETTINGS)).report
        assert report is not None
        assert BASELINES[task] <= {score.name for score in report.baselines}
        runs[task] = Run.open(next(folder.iterdir()))
    return runs


def test_every_image_and_text_is_encoded_once(world: Path, finished: dict[str, Run]) -> None:
    predictions = finished["retrieval_coco"].journaled("test").predictions
    pool = benchmark_named("retrieval_coco").references(world, "test")
    assert list(sorted(predictions)) == sorted(pool.text_ids)
    encoded = [one for one in predictions.values() if one["image"] is not None]
    assert len(encoded) == len(pool.image_ids)
    assert isinstance(features_of(predictions, pool), Features)


def test_texts_of_like_length_are_predicted_together(finished: dict[str, Run]) -> None:
    run = finished["retrieval_coco"]
    lines = (run.folder / "predictions/test/rank-0.jsonl").read_text().splitlines()
    assert len(lines) == 45  # nine images of five texts
    samples = benchmark_named("retrieval_coco").samples
    lengths = {
        sample.id: len(Tokenizer(tokenizer_path()).encode(sample.text, 64))
        for sample in samples(Path(run.facts["splits"]["test"]["folder"]), "test")
    }
    order = [lengths[int(line.split(",")[0].split(":")[1])] for line in lines]
    assert order == sorted(order, reverse=True)


def test_a_loss_over_the_batch_refuses_a_cut_batch(world: Path, tmp_path: Path) -> None:
    settings = ("batch_size=16", "micro_batch=8")
    request = Request(task="retrieval_coco", data=world, runs=tmp_path, settings=settings)
    with pytest.raises(UserError, match="need micro_batch=16 at least; found 8"):
        evaluate(request)


def test_zero_shot_never_trains(world: Path, finished: dict[str, Run], tmp_path: Path) -> None:
    scratch = Request(
        task="retrieval_coco", data=world, runs=tmp_path, weights="scratch", zero_shot=True
    )
    with pytest.raises(UserError, match="from scratch, seed 0 holds no head for it"):
        evaluate(scratch)
    other = replace(scratch, weights=str(finished["nlvr2"].weights))
    with pytest.raises(UserError, match="holds no head for it; expected weights of this task"):
        evaluate(other)
    # Weights of one collection serve the other as they are.
    report = evaluate(replace(scratch, weights=str(finished["retrieval_flickr30k"].weights))).report
    assert report is not None
    assert not report.weights["fine_tuned_here"]


def test_an_unreadable_image_takes_its_texts_along(
    world: Path, finished: dict[str, Run], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for part in ("karpathy", "flickr30k-images"):
        target = data / part
        target.mkdir()
        for path in (world / part).iterdir():
            (target / path.name).write_bytes(path.read_bytes())
    sample = next(iter(benchmark_named("retrieval_flickr30k").samples(data, "test")))
    (data / sample.images[0]).write_bytes(b"torn")
    request = Request(
        task="retrieval_flickr30k",
        data=data,
        runs=tmp_path / "runs",
        weights=str(finished["retrieval_flickr30k"].weights),
        skip_bad=1,
    )
    report = evaluate(request).report
    assert report is not None
    assert len(report.failures) == 1
    assert {score.name: score.n for score in report.scores}["tr_at_1"] == 1
