"""ImageNet beside timm: augmentation, mixing, loss; and the whole way on the mini tiny world."""

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from evalsuite.tasks.imagenet.benchmark import BENCHMARK
from evalsuite.tasks.imagenet.recipes import RECIPES
from evalsuite.tasks.imagenet.task import TASK
from PIL import Image
from timm.data import auto_augment, mixup, random_erasing
from timm.data.auto_augment import _RAND_INCREASING_TRANSFORMS
from timm.loss.cross_entropy import SoftTargetCrossEntropy
from torchvision.datasets import ImageFolder

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.data import images
from evalsuite.kinds.classification import augment, mixing
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request

# timm's calls carry no types.
AugmentOp: Any = auto_augment.AugmentOp
Mixup: Any = mixup.Mixup
RandomErasing: Any = random_erasing.RandomErasing
TimmLoss: Any = SoftTargetCrossEntropy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("imagenet",))
    return folder


def picture() -> Image.Image:
    rows = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(rows).resize((61, 47), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("name", _RAND_INCREASING_TRANSFORMS)
@pytest.mark.parametrize("magnitude", [4.3, 9.0])
def test_an_operation_gives_timms_pixels(
    monkeypatch: pytest.MonkeyPatch, name: str, magnitude: float
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.7)  # timm turns the direction round above 0.5
    hparams = {"img_mean": augment.FILL, "interpolation": Image.Resampling.BICUBIC}
    theirs = AugmentOp(name, prob=1.0, magnitude=magnitude, hparams=hparams)(picture())
    ours = augment.OPERATIONS[name](picture(), magnitude / 10, -1.0)
    assert np.array_equal(np.asarray(ours), np.asarray(theirs))


def test_the_operations_are_timms_in_its_order() -> None:
    assert list(augment.OPERATIONS) == _RAND_INCREASING_TRANSFORMS


def test_erasing_covers_as_much_as_timms() -> None:
    random.seed(0)
    generator = np.random.default_rng(0)
    theirs = RandomErasing(probability=0.25, mode="pixel", device="cpu")
    covered = [
        [float((erase(torch.zeros(3, 32, 32)) != 0).float().mean()) for _ in range(3000)]
        for erase in (theirs, lambda pixels: augment.erase(pixels, generator))
    ]
    shares = [np.mean(np.array(one) > 0) for one in covered]
    means = [np.mean([value for value in one if value > 0]) for one in covered]
    assert shares[0] == pytest.approx(shares[1], abs=0.035)  # 3 standard errors of a difference
    assert means[0] == pytest.approx(means[1], abs=0.015)


@pytest.mark.parametrize(("mixup_alpha", "cutmix_alpha"), [(0.8, 0.0), (0.0, 1.0)])
def test_a_mixture_mixes_images_and_targets_as_timm(
    monkeypatch: pytest.MonkeyPatch, mixup_alpha: float, cutmix_alpha: float
) -> None:
    image_BCHW, label_B = torch.rand(4, 3, 32, 32), torch.tensor([3, 1, 0, 3])
    mixture = mixing.draw_mixture(np.random.default_rng(5), mixup_alpha, cutmix_alpha, 32)
    timms = Mixup(mixup_alpha, cutmix_alpha, label_smoothing=0.1, num_classes=5)
    monkeypatch.setattr(timms, "_params_per_batch", lambda: (mixture.share, cutmix_alpha > 0))
    box = None if mixture.box is None else tuple(np.array(edge) for edge in mixture.box)
    monkeypatch.setattr(mixup, "cutmix_bbox_and_lam", lambda *_, **__: (box, mixture.share))
    theirs, target_BC = timms(image_BCHW.clone(), label_B)
    assert torch.allclose(mixing.mixed_images(image_BCHW, mixture), theirs)
    assert torch.allclose(mixing.soft_targets(label_B, 5, 0.1, mixture), target_BC)


def test_cutmix_boxes_are_distributed_as_timms() -> None:
    generator = np.random.default_rng(0)
    ours = [mixing.draw_mixture(generator, 0.0, 1.0, 32).share for _ in range(4000)]
    np.random.seed(0)
    timms = Mixup(0.0, 1.0, num_classes=2)
    pair, label = torch.zeros(2, 3, 32, 32), torch.tensor([0, 1])
    theirs = [float(timms(pair, label)[1][0, 0] - 0.05) / 0.9 for _ in range(4000)]
    quantiles = np.linspace(0.1, 0.9, 5)
    assert np.quantile(ours, quantiles) == pytest.approx(np.quantile(theirs, quantiles), abs=0.04)


def test_a_cutmix_box_of_an_odd_side_loses_a_pixel_as_in_timm_0_4_12() -> None:
    generator = np.random.default_rng(0)
    sides = set()
    for _ in range(300):
        box = mixing.draw_mixture(generator, 0.0, 1.0, 32).box
        assert box is not None
        if min(box) > 0 and max(box) < 32:
            sides |= {box[1] - box[0], box[3] - box[2]}
    assert set(range(0, 23, 2)) <= sides
    assert all(side % 2 == 0 for side in sides)  # its rand_bbox goes side // 2 both ways


def test_the_loss_of_soft_targets_is_timms() -> None:
    logits_BC, target_BC = torch.randn(6, 9), torch.rand(6, 9).softmax(dim=-1)
    expected = TimmLoss()(logits_BC, target_BC)
    assert mixing.soft_target_loss(logits_BC, target_BC) == pytest.approx(float(expected))


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_gray_and_cmyk_photographs_are_read(tmp_path: Path, mode: str) -> None:
    folder = tmp_path / "imagenet/train/n00000001"
    folder.mkdir(parents=True)
    picture().convert(mode).save(folder / "one.JPEG")
    task = TASK.open(tmp_path, RECIPES["beit3_tiny"], None)
    inputs = task.inputs(next(BENCHMARK.samples(tmp_path, "train")), None)
    assert inputs["image"].shape == (3, 32, 32)


def test_a_truncated_photograph_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "imagenet/train/n00000001"
    folder.mkdir(parents=True)
    picture().resize((200, 200)).save(folder / "torn.JPEG")
    whole = (folder / "torn.JPEG").read_bytes()
    (folder / "torn.JPEG").write_bytes(whole[: len(whole) // 2])
    task = TASK.open(tmp_path, RECIPES["beit3_tiny"], None)
    with pytest.raises(UserError, match=r"torn\.JPEG"):
        task.inputs(next(BENCHMARK.samples(tmp_path, "train")), np.random.default_rng(0))


def test_a_class_that_training_lacks_is_named(world: Path, tmp_path: Path) -> None:
    (tmp_path / "imagenet/train/n00000001").mkdir(parents=True)
    task = TASK.open(tmp_path, RECIPES["beit3_tiny"], None)
    with pytest.raises(UserError, match="n20000001 is none of the 1 "):
        task.inputs(next(BENCHMARK.samples(world, "val")), None)


def test_a_class_folder_without_an_image_is_refused_as_by_torchvision(tmp_path: Path) -> None:
    folder = tmp_path / "imagenet/val"
    for name in (".cache", "n00000001"):
        (folder / name).mkdir(parents=True)
    picture().save(folder / "n00000001/one.JPEG")
    with pytest.raises(FileNotFoundError, match=r"no valid file for the classes \.cache"):
        ImageFolder(str(folder))
    with pytest.raises(UserError, match=r"val/\.cache: holds no image"):
        BENCHMARK.references(tmp_path, "val")


def test_the_official_head_is_over_the_folders(world: Path) -> None:
    backbone = beit3("beit3_tiny", final_norm=False)
    task = TASK.open(world, RECIPES["beit3_tiny"], None)
    head = task.head(backbone, seed=0)
    assert {key: tuple(t.shape) for key, t in head.state_dict().items()} == {
        "fc_norm.weight": (96,),
        "fc_norm.bias": (96,),
        "head.weight": (24, 96),
        "head.bias": (24,),
    }


def test_the_whole_way_of_fine_tuning(world: Path, tmp_path: Path) -> None:
    settings = ("epochs=2", "batch_size=16", "augment=true", "mixup=0.8", "cutmix=1.0")
    report = evaluate(Request(task="imagenet", data=world, runs=tmp_path, settings=settings)).report
    assert report is not None
    assert [score.name for score in report.scores] == ["top_1", "top_5"]
    assert report.baselines[0].value == pytest.approx(100 / 24)
    predictions = Run.open(next(tmp_path.iterdir())).journaled("val").predictions
    assert all(len(set(wnids)) == 5 for wnids in predictions.values())
    assert len(predictions) == 24


def test_a_linear_probe_reads_every_image_once_and_trains_the_head_alone(
    world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []
    whole = images.read_image

    def counting(path: Path) -> Image.Image:
        read.append(path)
        return whole(path)

    monkeypatch.setattr(images, "read_image", counting)
    # Counted in this process; reading processes run ahead and may read a few images twice.
    monkeypatch.setattr("evalsuite.engine.loading.num_workers", lambda: 0)
    settings = ("epochs=3", "batch_size=16", "linear_probe=true")
    evaluate(
        Request(task="imagenet", weights="scratch", data=world, runs=tmp_path, settings=settings)
    )
    run = Run.open(next(tmp_path.iterdir()))
    assert len(read) == len(set(read)) == 48 + 24
    trained = read_checkpoint(run.weights)
    fresh = beit3("beit3_tiny", final_norm=False)
    kept = fresh.to_official(fresh.state_dict())
    assert all(torch.equal(trained["beit3." + key], tensor) for key, tensor in kept.items())
    assert not torch.equal(trained["head.bias"], torch.zeros(24))
    assert json.loads((run.folder / "run.json").read_text())["identity"]["recipe"]["linear_probe"]
