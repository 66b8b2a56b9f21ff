"""NLVR2 and retrieval: the official models through torchscale; the whole way on a mini world."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchscale_beit3 import official_beit3, official_features, prefixed

from evalsuite.backbones.beit3 import Beit3
from evalsuite.backbones.beit3_config import CONFIGS
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.backbones.loading import load_weights
from evalsuite.benchmark import Sample
from evalsuite.catalog import benchmark_named, task_named
from evalsuite.data.text import Tokenizer
from evalsuite.evaluating import evaluate
from evalsuite.metrics.retrieval_results import Features, features_of, unpacked
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run
from evalsuite.setting_up import Request
from evalsuite.task import OpenTask
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world

TASKS = ("nlvr2", "retrieval_coco", "retrieval_flickr30k")
SETTINGS = ("epochs=1", "batch_size=16")
BASELINES = {
    "nlvr2": {"majority_label", "text_only"},
    "retrieval_coco": {"chance/tr_at_1", "chance/mean_recall"},
    "retrieval_flickr30k": {"chance/tr_at_1", "chance/mean_recall"},
}
PARTS = ("weight", "bias")
CONFIG = CONFIGS["beit3_tiny"]
WIDTH = CONFIG.width
TEXTS = ("There is a red ring in the left image.", "a square", "a gray cross below a big triangle")


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
        report = evaluate(Request(task=task, data=world, runs=folder, settings=SETTINGS))
        assert report is not None
        assert BASELINES[task] <= {score.name for score in report.baselines}
        runs[task] = Run.open(next(folder.iterdir()))
    return runs


def pictures(folder: Path) -> list[Tensor]:
    """Write six noise images, and return them as the official evaluation transforms them."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(6):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        found.append(torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1)
    return found


def random_head(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {key: 0.2 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def opened(task: str, folder: Path, state: dict[str, Tensor]) -> tuple[OpenTask, Beit3, Any]:
    """Return the task at work with weights that went through a file of the official form."""
    torch.save({"model": state}, folder / "official.pth")
    recipe = task_named(task).recipe("beit3_tiny").with_settings(("image_size=32",))
    opened = task_named(task).open(folder, recipe, Tokenizer(tokenizer_path()))
    backbone = Beit3(CONFIG, seed=None)
    head = opened.head(backbone, seed=0)
    load_weights(backbone, head, read_checkpoint(folder / "official.pth"))
    return opened, backbone.eval(), head


def official_text(text: str) -> dict[str, Tensor]:
    """Return a text as the official loader does: padded to 64 tokens."""
    ids = torch.tensor(Tokenizer(tokenizer_path()).encode(text, 64))
    padding = (torch.arange(64) >= len(ids)).long()
    filled = F.pad(ids, (0, 64 - len(ids)), value=1)
    return {"textual_tokens": filled[None], "text_padding_position": padding[None]}


@torch.no_grad()
def test_nlvr2_logits_equal_the_official_model(tmp_path: Path) -> None:
    images = pictures(tmp_path)
    official = official_beit3(CONFIG)
    keys = {"norm1": (4 * WIDTH,), "norm2": (2 * WIDTH,)}
    shapes: dict[str, tuple[int, ...]] = {
        f"head.{key}.{part}": shape for key, shape in keys.items() for part in PARTS
    }
    for key, rows, columns in (("dense1", 2 * WIDTH, 4 * WIDTH), ("dense2", 2, 2 * WIDTH)):
        shapes |= {f"head.{key}.weight": (rows, columns), f"head.{key}.bias": (rows,)}
    state = random_head(shapes)
    expected = []
    for number, text in enumerate(TEXTS):
        halves = []
        for image in images[2 * number : 2 * number + 2]:
            words = official_text(text)
            features = official_features(official, visual_tokens=image[None], **words)
            halves.append(torch.cat([features[:, 0], features[:, 17]], dim=1))
        vector = torch.cat(halves, dim=1)
        for key, size in (("1", 4 * WIDTH), ("2", 2 * WIDTH)):
            norm = (state[f"head.norm{key}.weight"], state[f"head.norm{key}.bias"])
            normed = F.layer_norm(vector, (size,), *norm)
            active = F.gelu(normed) if key == "2" else normed
            vector = F.linear(
                active, state[f"head.dense{key}.weight"], state[f"head.dense{key}.bias"]
            )
        expected.append(vector)
    task, backbone, head = opened("nlvr2", tmp_path, {**prefixed(official), **state})
    samples = [
        Sample(str(n), (f"{2 * n}.png", f"{2 * n + 1}.png"), text, {"label": "True"})
        for n, text in enumerate(TEXTS)
    ]
    batch = task.collate([task.inputs(sample, None) for sample in samples])
    logits = task.forward(backbone, head, batch)
    assert float((logits - torch.cat(expected)).abs().max()) <= 1e-5


@torch.no_grad()
@pytest.mark.parametrize("name", TASKS[1:])
def test_similarities_equal_the_official_model(tmp_path: Path, name: str) -> None:
    images = pictures(tmp_path)
    official = official_beit3(CONFIG)
    square = (WIDTH, WIDTH)
    state = random_head({"language_head.weight": square, "vision_head.weight": square})
    state["logit_scale"] = torch.tensor(1.3)
    image_rows = [
        official_features(official, visual_tokens=image[None], textual_tokens=None)[:, 0]
        for image in images[:3]
    ]
    text_rows = [
        official_features(official, visual_tokens=None, **official_text(text))[:, 0]
        for text in TEXTS
    ]
    images_ID = F.normalize(torch.cat(image_rows) @ state["vision_head.weight"].T, dim=-1)
    texts_TD = F.normalize(torch.cat(text_rows) @ state["language_head.weight"].T, dim=-1)
    task, backbone, head = opened(name, tmp_path, {**prefixed(official), **state})
    samples = [
        Sample(n, (f"{n}.png",), text, {"image_id": n, "brings_image": True})
        for n, text in enumerate(TEXTS)
    ]
    batch = task.collate([task.inputs(sample, None) for sample in samples])
    found = task.predict(backbone, head, batch)
    ours = (
        np.stack([unpacked(one["image"]) for one in found])
        @ np.stack([unpacked(one["text"]) for one in found]).T
    )
    assert np.abs(ours - (images_ID @ texts_TD.T).numpy()).max() <= 1e-5
    scaled_B2D = task.forward(backbone, head, batch)
    similarity = scaled_B2D[:, 0] @ scaled_B2D[:, 1].T / torch.tensor(1.3).exp()
    assert float((similarity - images_ID @ texts_TD.T).abs().max()) <= 1e-5


@pytest.mark.parametrize("size", [1, 7, 64])
@pytest.mark.parametrize("task", TASKS[:2])
def test_the_batch_size_changes_no_score(
    world: Path, finished: dict[str, Run], tmp_path: Path, task: str, size: int
) -> None:
    request = Request(
        task=task,
        data=world,
        runs=tmp_path,
        weights=str(finished[task].weights),
        settings=(*SETTINGS, f"micro_batch={size}"),
        zero_shot=True,
    )
    report = evaluate(request)
    assert report is not None
    run = Run.open(next(tmp_path.iterdir()))
    before, after = (one.journaled(report.split) for one in (finished[task], run))
    benchmark = benchmark_named(task)
    references = benchmark.references(world, report.split)
    if task == "nlvr2":
        assert after == before
    else:
        # Padding differs between the batches, and with it the order of additions.
        first, second = (features_of(one.predictions, references) for one in (before, after))
        assert np.abs(first.images_ID - second.images_ID).max() <= 1e-6
        assert np.abs(first.texts_TD - second.texts_TD).max() <= 1e-6
    assert benchmark.score(after.predictions, references) == benchmark.score(
        before.predictions, references
    )


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
    scratch = Request(task="retrieval_coco", data=world, runs=tmp_path, zero_shot=True)
    with pytest.raises(UserError, match="from scratch, seed 0 holds no head for it"):
        evaluate(scratch)
    other = replace(scratch, weights=str(finished["nlvr2"].weights))
    with pytest.raises(UserError, match="holds no head for it; expected weights of this task"):
        evaluate(other)
    # Weights of one collection serve the other as they are.
    report = evaluate(replace(scratch, weights=str(finished["retrieval_flickr30k"].weights)))
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
    report = evaluate(request)
    assert report is not None
    assert len(report.failures) == 1
    assert {score.name: score.n for score in report.scores}["tr_at_1"] == 1
