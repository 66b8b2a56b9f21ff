"""ADE20K beside mmseg: transforms and windows; bad files; the whole way on the mini tiny world."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from evalsuite.tasks.segmentation.benchmark import BENCHMARK
from evalsuite.tasks.segmentation.recipes import RECIPES
from evalsuite.tasks.segmentation.task import TASK
from mmseg_oracle import Mmseg, mmseg
from PIL import Image
from torch import Tensor

from evalsuite.backbones.beit3.model import beit3
from evalsuite.engine.plan import Plan
from evalsuite.kinds.segmentation import augment, inference
from evalsuite.metrics.official_miou import zero_label_reduced
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request

TINY = RECIPES["beit3_tiny"]
SETTINGS = ("epochs=1", "batch_size=8")


@pytest.fixture(scope="module")
def theirs() -> Mmseg:
    return mmseg()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("segmentation",))
    return folder


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    assert evaluate(Request(task="segmentation", data=world, runs=runs, settings=SETTINGS)).report
    return Run.open(next(runs.iterdir()))


def photograph() -> Image.Image:
    rows = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(rows).resize((70, 50), Image.Resampling.BICUBIC)


@pytest.mark.parametrize(
    ("backbone", "steps"),
    [("beit3_base", 160_000), ("beit3_large", 160_000), ("beit3_giant", 80_000)],
)
def test_a_recipe_takes_the_steps_of_its_source_on_all_of_ade20k(backbone: str, steps: int) -> None:
    plan = Plan.of(RECIPES[backbone], 20_210, seed=0)
    assert (plan.num_steps, plan.warmup_steps) == (steps, 1_500)


def test_labels_follow_mmsegs_zero_label_rule() -> None:
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = torch.from_numpy(zero_label_reduced(labels))
    assert torch.equal(augment.without_zero(labels).long(), expected)


@pytest.mark.parametrize("size", [(25, 35), (83, 116), (50, 70)])
def test_images_and_labels_are_resized_as_mmcv_does(theirs: Mmseg, size: tuple[int, int]) -> None:
    pixels = np.asarray(photograph())
    expected = theirs.imaging.imresize(pixels, size[::-1]).astype(np.int64)
    ours = augment.resized_image(augment.pixels_of(photograph()), size).permute(1, 2, 0).numpy()
    assert np.abs(ours - expected).max() <= 1  # OpenCV computes in 11 bits
    labels = pixels[..., 0]
    nearest = theirs.imaging.imresize(labels, size[::-1], interpolation="nearest")
    assert np.array_equal(augment.resized_labels(torch.tensor(labels), size).numpy(), nearest)


@pytest.mark.parametrize("shape", [(50, 70), (480, 641), (3000, 512)])
def test_images_are_scaled_to_mmcvs_size(theirs: Mmseg, shape: tuple[int, int]) -> None:
    width, height = theirs.imaging.rescale_size(shape[::-1], (2560, 640))
    assert augment.fitting(*shape, 640, 2560) == (height, width)


def drawn(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> None:
    """Let mmseg's distortion draw these, one after the other."""
    source = iter(values)

    def draw(*_: Any) -> Any:
        return next(source)

    stand_in = SimpleNamespace(randint=draw, uniform=draw)
    monkeypatch.setattr("mmseg.datasets.transforms.transforms.random", stand_in)


@pytest.mark.parametrize(
    ("draws", "change"),
    [
        ((1, 20.5, 0, 0, 0, 0), lambda pixels: augment.linear(pixels, 1.0, 20.5)),
        ((0, 1, 1, 1.3, 0, 0), lambda pixels: augment.linear(pixels, 1.3, 0.0)),
        ((0, 0, 1, 0.6, 0, 0), lambda pixels: augment.saturated(pixels, 0.6)),
        ((0, 0, 0, 1, 12, 0), lambda pixels: augment.hued(pixels, 24)),
    ],
)
def test_colours_change_as_mmsegs(
    theirs: Mmseg, monkeypatch: pytest.MonkeyPatch, draws: tuple[float, ...], change: Any
) -> None:
    pixels = np.asarray(photograph())
    drawn(monkeypatch, list(draws))
    distortion = theirs.transforms.PhotoMetricDistortion()
    expected = distortion.transform({"img": pixels[..., ::-1].copy()})["img"][..., ::-1]
    difference = np.abs(change(pixels).astype(int) - expected)
    # PIL's hue has 256 steps, OpenCV's 180; a step is up to 8 levels of a bright colour.
    assert difference.mean() < 2 and np.quantile(difference, 0.99) <= 8


def test_a_crop_is_not_of_one_class_where_that_can_be() -> None:
    truth = torch.zeros(64, 64, dtype=torch.uint8)
    truth[40:, 40:] = 1
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(40):
        top, left = augment.crop_place(truth, 20, generator)
        part = truth[top : top + 20, left : left + 20].float()
        shares.append(max(float(part.mean()), 1 - float(part.mean())) < 0.75)
    assert np.mean(shares) > 0.6  # a single random crop does so in 13%


def test_small_images_are_padded_with_nothing_to_learn_from() -> None:
    how = augment.Augmentation(crop=96, short=48, scales=(1.0, 1.0), colours=True)
    truth = torch.zeros(50, 70, dtype=torch.uint8)
    pixels, labels = augment.augmented(photograph(), truth, how, np.random.default_rng(0))
    assert pixels.shape == (3, 96, 96) and pixels.abs().max() <= 1
    assert (labels == 255).float().mean() == pytest.approx(1 - 48 * 67 / 96**2)
    assert bool((pixels[:, 48:] == 0).all())


def painted(image_BCHW: Tensor) -> Tensor:
    """Return scores that depend on where in its window a pixel lies."""
    height, width = image_BCHW.shape[2:]
    ramp = torch.arange(height)[:, None] + 0.5 * torch.arange(width)
    return torch.cat([image_BCHW * 2 + ramp, image_BCHW.flip(3)], dim=1)


@pytest.mark.parametrize("shape", [(32, 32), (32, 75), (61, 40), (20, 32)])
def test_windows_are_mmsegs(theirs: Mmseg, shape: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *shape)
    window = inference.Window(32, 21)
    config = SimpleNamespace(stride=(21, 21), crop_size=(32, 32))
    model = SimpleNamespace(
        test_cfg=config, out_channels=6, encode_decode=lambda part, _: painted(part)
    )
    expected = theirs.segmentors.EncoderDecoder.slide_inference(model, image, [{}])
    assert torch.allclose(inference.slide(image, window, painted), expected)


def test_an_image_of_one_window_is_read_whole() -> None:
    image = torch.rand(1, 3, 32, 32)
    slid = inference.slide(image, inference.Window(32, 21), painted)
    assert torch.equal(slid, inference.slide(image, inference.Window(32, 0), painted))


def test_views_are_weighed_and_mirrored_back() -> None:
    image = torch.rand(3, 16, 24)
    head = SimpleNamespace(probabilities=lambda scores: scores.softmax(dim=1))
    views = [inference.ImageView(image, 3.0), inference.ImageView(image.flip(0), 1.0)]
    window = inference.Window(16, 0)
    reading = inference.ViewReader(True, window, lambda part: part, head)
    labels = inference.labels_of(views, (16, 24), reading)
    # A model that looks at one pixel sees the same in a mirror.
    expected = 3 * image.softmax(dim=0) + image.flip(0).softmax(dim=0)
    assert torch.equal(labels, expected.argmax(dim=0).to(torch.uint8))


def files(folder: Path, labels: np.ndarray[Any, Any], image: Image.Image) -> Any:
    """Write one training image with its labels, and return the task on it."""
    root = folder / "ADEChallengeData2016"
    for kind in ("images", "annotations"):
        (root / kind / "training").mkdir(parents=True)
    image.save(root / "images/training/one.jpg")
    Image.fromarray(labels).save(root / "annotations/training/one.png")
    rows = "\n".join(f"{label}\t0.5\t1\t1\t0\tname {label}" for label in (1, 2))
    (root / "objectInfo150.txt").write_text(f"Idx\tRatio\tTrain\tVal\tStuff\tName\n{rows}\n")
    return TASK.open(folder, TINY, None)


def inputs(task: Any, folder: Path) -> Any:
    return task.inputs(next(BENCHMARK.samples(folder, "train")), np.random.default_rng(0))


def test_a_label_out_of_range_is_named(tmp_path: Path) -> None:
    labels = np.full((50, 70), 2, dtype=np.uint8)
    labels[0, :3] = 9
    task = files(tmp_path, labels, photograph())
    with pytest.raises(UserError, match=r"one\.png: label 9 in 3 pixel\(s\); expected 0"):
        inputs(task, tmp_path)


def test_a_label_map_of_another_size_is_named(tmp_path: Path) -> None:
    task = files(tmp_path, np.ones((50, 71), dtype=np.uint8), photograph())
    with pytest.raises(UserError, match=r"one\.png: 71 x 50 labels for 70 x 50 pixels"):
        inputs(task, tmp_path)


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk_photographs_are_read(tmp_path: Path, mode: str) -> None:
    labels = np.array([[0, 255], [1, 2]], dtype=np.uint8).repeat(25, 0).repeat(35, 1)
    found = inputs(files(tmp_path, labels, photograph().convert(mode)), tmp_path)
    assert found["image"].shape == (3, 64, 64)
    assert set(found["truth"].unique().tolist()) <= {0, 1, 255}


def test_a_truncated_photograph_is_named(tmp_path: Path) -> None:
    task = files(tmp_path, np.ones((500, 700), dtype=np.uint8), photograph().resize((700, 500)))
    path = tmp_path / "ADEChallengeData2016/images/training/one.jpg"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UserError, match=r"one\.jpg"):
        inputs(task, tmp_path)


@pytest.mark.parametrize("setting", [{"head": "fcn"}, {"inference": "tiles"}])
def test_an_unknown_choice_is_refused(world: Path, setting: dict[str, str]) -> None:
    with pytest.raises(UserError, match=r"expected \w+ or \w+"):
        TASK.open(world, replace(TINY, **setting), None)


def test_the_journal_holds_counts_that_give_the_scores(world: Path, finished: Run) -> None:
    journaled = finished.journaled("val").predictions
    assert all(sum(row[2] for row in rows) <= 128 * 128 for rows in journaled.values())
    report = Report.from_json(json.loads((finished.folder / "report.json").read_text()))
    references = BENCHMARK.references(world, "val")
    scores = BENCHMARK.score(journaled, references)
    assert [score.name for score in scores] == ["miou", "macc", "aacc"]
    classes = BENCHMARK.class_scores(journaled, references)
    assert classes[0].name.startswith("iou/")
    assert report.scores == [*scores, *classes]


def test_kept_maps_give_the_same_scores_whatever_the_batch_size(
    world: Path, finished: Run, tmp_path: Path
) -> None:
    settings = ("save_maps=true", "micro_batch=3")
    weights = str(finished.weights)
    evaluate(
        Request(task="segmentation", data=world, runs=tmp_path, weights=weights, settings=settings)
    )
    run = Run.open(next(tmp_path.iterdir()))
    kept = run.journaled("val").predictions
    references = BENCHMARK.references(world, "val")
    assert BENCHMARK.score(kept, references) == BENCHMARK.score(
        finished.journaled("val").predictions, references
    )
    read = BENCHMARK.read_predictions(run.folder / "submission/segmentation_val")
    assert BENCHMARK.score(read, references) == BENCHMARK.score(kept, references)
    assert {int(value) for name in read for value in np.unique(read[name])} <= set(range(1, 10))


def test_the_test_set_is_written_as_its_server_takes_it(
    world: Path, finished: Run, tmp_path: Path
) -> None:
    images = world / "ADEChallengeData2016/images/validation"
    shutil.copytree(images, world / "release_test/testing")
    request = Request(
        task="segmentation",
        data=world,
        runs=tmp_path,
        weights=str(finished.weights),
        split="test",
        settings=("multi_scale=false",),
    )
    report = evaluate(request).report
    assert report is not None and report.submission == "submission/segmentation_test"
    folder = next(tmp_path.iterdir()) / report.submission
    assert sorted(path.stem for path in folder.iterdir()) == sorted(
        p.stem for p in images.iterdir()
    )
    with Image.open(next(folder.iterdir())) as labels:
        assert labels.size == (128, 128) and labels.mode == "L"


def test_several_scales_and_whole_images_are_read(world: Path) -> None:
    recipe = replace(TINY, multi_scale=True, flip_test=True, inference="whole")
    task = TASK.open(world, recipe, None)
    backbone = beit3("beit3_tiny", image_size=64, final_norm=False).eval()
    samples = list(BENCHMARK.samples(world, "val"))[:2]
    batch = task.collate([task.inputs(sample, None) for sample in samples])
    assert batch["image_3"].shape == (2, 3, 112, 112)
    with torch.inference_mode():
        found = task.predict(backbone, task.head(backbone, seed=0).eval(), batch)
    assert all(sum(row[2] for row in rows) > 12_000 for rows in found)


@pytest.mark.slow
def test_the_whole_way_with_mask2former(world: Path, tmp_path: Path) -> None:
    settings = (*SETTINGS, "head=mask2former")
    report = evaluate(
        Request(task="segmentation", data=world, runs=tmp_path, settings=settings)
    ).report
    assert report is not None and report.scores[0].name == "miou"
