"""Captioning and nocaps all the way on the mini tiny world."""

import json
from pathlib import Path

import pytest
import torch

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.backbones.loading import official_state
from evalsuite.catalog import benchmark_named
from evalsuite.heads.words import WordHead
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request, prepare

SETTINGS = ("epochs=0.5", "batch_size=16", "max_new=12")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("captioning", "nocaps"))
    return folder


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    evaluate(Request(task="captioning", data=world, runs=runs, settings=SETTINGS))
    return Run.open(next(runs.iterdir()))


def test_every_image_has_one_caption_scored_beside_shuffled_ones(
    world: Path, finished: Run
) -> None:
    predictions = finished.journaled("test").predictions
    assert set(predictions) == set(benchmark_named("captioning").references(world, "test").captions)
    assert all(isinstance(caption, str) for caption in predictions.values())
    report = json.loads((finished.folder / "report.json").read_text())
    assert report["scores"][0]["name"] == "cider"
    assert "shuffled_captions" in {score["name"] for score in report["baselines"]}


def test_captioning_weights_write_the_nocaps_submission(
    world: Path, finished: Run, tmp_path: Path
) -> None:
    request = Request(
        task="nocaps",
        data=world,
        runs=tmp_path,
        weights=str(finished.weights),
        split="test",
        settings=("max_new=12",),
    )
    report = evaluate(request).report
    assert report is not None
    assert report.submission is not None
    run = Run.open(next(tmp_path.iterdir()))
    submitted = json.loads((run.folder / report.submission).read_text())
    images = json.loads((world / "nocaps/nocaps_test_image_info.json").read_text())["images"]
    assert [set(record) for record in submitted] == [{"image_id", "caption"}] * len(images)
    assert {record["image_id"] for record in submitted} == {image["id"] for image in images}


def test_pretrained_weights_are_fine_tuned_from_their_word_head(
    world: Path, tmp_path: Path
) -> None:
    backbone = beit3("beit3_tiny", image_size=32, final_norm=True, seed=0)
    head = WordHead(backbone.width, backbone.vocab_size, seed=5)
    state = official_state(backbone, head)
    state |= {"mim_head.weight": torch.zeros(8, 96), "mim_head.bias": torch.zeros(8)}
    save_checkpoint(tmp_path / "pretrained.safetensors", state, {})
    weights = str(tmp_path / "pretrained.safetensors")
    work = prepare(
        Request(task="captioning", data=world, runs=tmp_path, weights=weights), always_trains=False
    )
    assert work.train_index is not None
    assert torch.equal(work.model.head.state_dict()["mlm_head.weight"], head.mlm_head.weight)
