"""mIoU, mAcc and aAcc against mmsegmentation's IoUMetric, label maps in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from harness import Bench, Engine, Floor, main
from numpy.typing import NDArray

from evalsuite.metrics.miou import areas_of, confusion_counts, segmentation_scores
from evalsuite.metrics.official_miou import load_metric, zero_label_reduced

NUM_MAPS, HEIGHT, WIDTH = 2000, 512, 683  # ADE20K's validation images, 683 wide in the mean
NUM_CLASSES = 150
REGION = 32  # pixels: side of the made regions
DISTINCT = 40  # made maps; each is taken fifty times, so that both engines' inputs fit in memory


class Pair(NamedTuple):
    """A predicted and a true map of file values (uint8, or int64 as mmseg takes them)."""

    predicted_HW: NDArray[Any]
    truth_HW: NDArray[Any]


def make_inputs(folder: Path, seed: int) -> None:
    """Write maps of made regions; predictions are shifted, one region in four is wrong."""
    generator = np.random.default_rng(seed)
    pairs = [_pair(generator) for _ in range(DISTINCT)]
    np.savez(folder / "maps.npz", maps=np.stack([np.stack(pair) for pair in pairs]))


def _pair(generator: np.random.Generator) -> Pair:
    rows, columns = HEIGHT // REGION + 2, WIDTH // REGION + 2
    popular = generator.integers(1, NUM_CLASSES + 1, 12)  # an image has about a dozen classes
    truth = generator.choice([0, *popular], (rows, columns)).astype(np.uint8)
    predicted = np.where(truth == 0, popular[0], truth)
    is_wrong = generator.random(truth.shape) < 0.25
    predicted[is_wrong] = generator.integers(1, NUM_CLASSES + 1, int(is_wrong.sum()))
    grow = np.ones((REGION, REGION), dtype=np.uint8)
    shift = generator.integers(0, 4, 2)
    whole = np.roll(np.kron(predicted.astype(np.uint8), grow), shift, (0, 1))[:HEIGHT, :WIDTH]
    edge = generator.random(whole.shape) < 0.002  # lone wrong pixels
    whole[edge] = generator.integers(1, NUM_CLASSES + 1, int(edge.sum()))
    return Pair(whole, np.kron(truth, grow)[:HEIGHT, :WIDTH])


def _maps(folder: Path) -> list[Pair]:
    with np.load(folder / "maps.npz") as archive:
        return [Pair(*pair) for pair in archive["maps"]]


def _all(pairs: list[Pair]) -> Iterator[Pair]:
    for place in range(NUM_MAPS):
        yield pairs[place % DISTINCT]


def _load_official(folder: Path) -> Any:
    """Return int64 tensors, as mmseg's pipeline hands them to its metric."""
    metric, torch = load_metric(NUM_CLASSES)
    torch.set_num_threads(1)
    samples = []
    for predicted_HW, truth_HW in _maps(folder):
        predicted = torch.from_numpy(predicted_HW.astype(np.int64) - 1)
        truth = torch.from_numpy(zero_label_reduced(truth_HW))
        samples.append({"pred_sem_seg": {"data": predicted}, "gt_sem_seg": {"data": truth}})
    return metric, samples


def _official(loaded: Any) -> dict[str, Any]:
    metric, samples = loaded
    for place in range(NUM_MAPS):
        metric.process({}, [samples[place % DISTINCT]])
    found = metric.compute_metrics(metric.results)
    return {name: round(float(found[name]), 2) for name in ("mIoU", "mAcc", "aAcc")}


def _ours(pairs: list[Pair]) -> dict[str, Any]:
    counts = [confusion_counts(*pair, NUM_CLASSES) for pair in _all(pairs)]
    scores = segmentation_scores(areas_of(counts, NUM_CLASSES), interval=False)
    named = zip(("mIoU", "mAcc", "aAcc"), scores, strict=True)
    return {name: round(score.value, 2) for name, score in named}


def _ours_from_int64(pairs: list[Pair]) -> dict[str, Any]:
    """Return the same where the maps come as int64 and are made bytes first."""
    small = (Pair(*(one.astype(np.uint8) for one in pair)) for pair in _all(pairs))
    counts = [confusion_counts(*pair, NUM_CLASSES) for pair in small]
    scores = segmentation_scores(areas_of(counts, NUM_CLASSES), interval=False)
    named = zip(("mIoU", "mAcc", "aAcc"), scores, strict=True)
    return {name: round(score.value, 2) for name, score in named}


def _load_int64(folder: Path) -> list[Pair]:
    return [Pair(*(one.astype(np.int64) for one in pair)) for pair in _maps(folder)]


def _warm_ours() -> None:
    one = np.ones((8, 8), dtype=np.uint8)
    confusion_counts(one, one, NUM_CLASSES)


def _warm_official() -> None:
    load_metric(NUM_CLASSES)


BENCH = Bench(
    name="miou",
    title="mIoU, mAcc, aAcc",
    size=f"{NUM_MAPS:,} maps of {HEIGHT} x {WIDTH}, {NUM_CLASSES} classes",
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=_warm_official, load=_load_official, score=_official),
        "ours": Engine(warm=_warm_ours, load=_maps, score=_ours),
        "ours, from int64": Engine(warm=_warm_ours, load=_load_int64, score=_ours_from_int64),
    },
    floors={"ours": Floor(9, 1), "ours, from int64": Floor(9, 1)},
    in_memory=True,
)

if __name__ == "__main__":
    main(BENCH)
