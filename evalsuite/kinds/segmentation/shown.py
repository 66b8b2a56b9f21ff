"""A label map as a reader sees it: in colours over its image, with what was taken for what."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalsuite.contracts.benchmark import Paint, Picture, Predictions, Sample, SampleDisplay
from evalsuite.data.colours import painted_labels
from evalsuite.kinds.segmentation.files import LabelMap, read_labels
from evalsuite.metrics.miou import confusion_counts

NUM_CONFUSIONS = 3
NUM_CLASSES = 6  # the largest ones are named


def showing(
    predictions: Predictions,
    labels_of: Callable[[Any], LabelMap | None],
    data: Path,
    names: Sequence[str],
) -> Callable[[Sample], SampleDisplay]:
    """Return what shows an image.

    Args:
        labels_of: takes a prediction; None where it is confusion counts without a map.
    """

    def show(sample: Sample) -> SampleDisplay:
        path = sample.target["annotation"]
        said = labels_of(predictions[sample.id])
        pictures = [Picture(sample.images[0], "image")]
        if said is not None:
            pictures.append(Picture(sample.images[0], "predicted", _paint(said)))
        if not path:
            return SampleDisplay({"image": str(sample.id)}, pictures=tuple(pictures))
        pictures.append(Picture(sample.images[0], "truth", _paint_file(data / path)))
        counts = predictions[sample.id]
        if said is not None:
            counts = confusion_counts(said, read_labels(data / path), len(names))
        rows = np.asarray(counts, dtype=np.int64).reshape(-1, 3)
        accuracy = float(rows[rows[:, 0] == rows[:, 1], 2].sum() / max(1, rows[:, 2].sum()))
        lines = {"true classes": _classes(rows, names), "taken for another": _mixed(rows, names)}
        outcome = f"{100 * accuracy:.1f}% of the pixels right"
        return SampleDisplay(lines, accuracy, outcome, pictures=tuple(pictures))

    return show


def _paint(labels_HW: LabelMap) -> Paint:
    return lambda image, scale: painted_labels(image, labels_HW)


def _paint_file(path: Path) -> Paint:
    def paint(image: Image.Image, scale: float) -> Image.Image:
        return painted_labels(image, read_labels(path))

    return paint


def _classes(rows: NDArray[np.int64], names: Sequence[str]) -> str:
    """Return the largest true classes with their share of the pixels."""
    sizes = {label: int(rows[rows[:, 0] == label, 2].sum()) for label in set(rows[:, 0].tolist())}
    total = max(1, sum(sizes.values()))
    largest = sorted(sizes, key=lambda label: -sizes[label])[:NUM_CLASSES]
    return ", ".join(f"{names[one - 1]} {100 * sizes[one] / total:.0f}%" for one in largest)


def _mixed(rows: NDArray[np.int64], names: Sequence[str]) -> str:
    """Return the largest confusions, as "wall as door 5%"."""
    total = max(1, int(rows[:, 2].sum()))
    wrong = sorted((row for row in rows.tolist() if row[0] != row[1]), key=lambda row: -row[2])
    return ", ".join(
        f"{names[true - 1]} as {names[said - 1]} {100 * pixels / total:.1f}%"
        for true, said, pixels in wrong[:NUM_CONFUSIONS]
    )
