"""Mean IoU, mean accuracy and pixel accuracy from exact integer confusion counts."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.bootstrap import bounds, times_drawn
from evalsuite.metrics.compiled import compiled
from evalsuite.metrics.difference import difference
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

UNLABELLED = (0, 255)  # of a truth file: ADE20K's 0, and 255, which mmseg ignores as it is
EIGHT_BYTES = np.uint64(0x0101010101010101)  # times a byte: that byte in all eight places
Counts = NDArray[np.int64] | Sequence[Sequence[int]]


class Areas(NamedTuple):
    """Pixels by image and class (each int64, images x classes), unlabelled truth left out."""

    intersect: NDArray[np.int64]
    predicted: NDArray[np.int64]
    labelled: NDArray[np.int64]


def confusion_counts(
    predicted_HW: NDArray[np.uint8], truth_HW: NDArray[np.uint8], num_classes: int
) -> NDArray[np.int64]:
    """Return rows of truth, predicted, pixels: one per pair that occurs, unlabelled truth left out.

    Both maps hold file values, classes being 1 to `num_classes`. What a truth of 0 or 255 covers
    is in no count: neither in the truth's nor in the prediction's (mmseg IoUMetric; its zero-label
    rule makes both 255).

    Raises:
        UserError: the sizes differ, or a value is out of range; all of a prediction's pixels count
            for that, under unlabelled truth too, where it may be 0 or 255 as well.
    """
    if predicted_HW.shape != truth_HW.shape:
        found, expected = predicted_HW.shape, truth_HW.shape
        raise UserError(f"a map of size {found}, its truth has {expected} (height, width)")
    pairs = np.zeros((256, 256), dtype=np.uint32)
    _count_pairs(predicted_HW.ravel(), truth_HW.ravel(), pairs)
    rows = _rows_of(pairs)
    truth, predicted, _ = rows.T
    is_unlabelled = (truth == UNLABELLED[0]) | (truth == UNLABELLED[1])
    says_nothing = (predicted == UNLABELLED[0]) | (predicted == UNLABELLED[1])
    is_wrong = (predicted < 1) | (predicted > num_classes)
    _refuse("predicted", rows, predicted, (is_wrong & ~(says_nothing & is_unlabelled), num_classes))
    _refuse("true", rows, truth, ((truth > num_classes) & ~is_unlabelled, num_classes))
    labelled: NDArray[np.int64] = rows[~is_unlabelled]
    return labelled


def areas_of(counts: Iterable[Counts], num_classes: int) -> Areas:
    """Return the areas of each image's confusion counts.

    Raises:
        UserError: a count is not [truth, predicted, pixels] with labels in range.
    """
    every = list(counts)
    areas = Areas(*np.zeros((3, len(every), num_classes), dtype=np.int64))
    for image, rows in enumerate(every):
        try:
            table = np.asarray(rows if len(rows) else np.zeros((0, 3)), dtype=np.int64)
        except (TypeError, ValueError, OverflowError):
            table = np.zeros(1, dtype=np.int64)  # refused as any other form
        if table.ndim != 2 or table.shape[1] != 3 or (table < (1, 1, 0)).any():
            raise UserError(f"image {image}: expected counts [truth, predicted, pixels] from 1 on")
        if (table[:, :2] > num_classes).any():
            raise UserError(f"image {image}: a label is above {num_classes}")
        truth, predicted, pixels = table.T
        np.add.at(areas.labelled[image], truth - 1, pixels)
        np.add.at(areas.predicted[image], predicted - 1, pixels)
        same = truth == predicted
        areas.intersect[image, truth[same] - 1] = pixels[same]
    return areas


def segmentation_scores(areas: Areas, *, interval: bool) -> list[Score]:
    """Return `miou`, `macc` and `aacc` in percent, with intervals by resampling images.

    A class that is predicted somewhere but true nowhere has IoU 0 and counts; one that is in
    neither leaves the mean (mmseg's nanmean).

    Source: mmsegmentation 1.2.2 mmseg/evaluation/metrics/iou_metric.py; equal after its rounding
    to two decimals (it adds float32 histograms, which drift above 2^24 pixels).
    """
    values = _figures(*(area.sum(0)[None] for area in areas))[0]
    num_images = len(areas.labelled)
    resampled = _resampled(areas) if interval else None
    return [
        Score(
            name=name,
            value=float(values[place]),
            unit="percent",
            n=num_images,
            interval=None if resampled is None else bounds(resampled[:, place]),
        )
        for place, name in enumerate(("miou", "macc", "aacc"))
    ]


def paired_miou(first: Areas, second: Areas) -> Score:
    """Return the mIoU of `first` minus that of `second` in points; both resampled alike."""
    values = [_figures(*(area.sum(0)[None] for area in areas))[0, 0] for areas in (first, second)]
    interval = bounds(_resampled(first)[:, 0] - _resampled(second)[:, 0])
    return difference("miou", float(values[0] - values[1]), interval, n=len(first.labelled))


def class_iou(areas: Areas, class_names: Sequence[str]) -> list[Score]:
    """Return IoU in percent of every class that is true or predicted, named `iou/<class>`."""
    intersect, predicted, labelled = (area.sum(0) for area in areas)
    union = predicted + labelled - intersect
    return [
        Score(
            name=f"iou/{class_names[place]}",
            value=float(100 * intersect[place] / union[place]),
            unit="percent",
            n=len(areas.labelled),
        )
        for place in np.flatnonzero(union).tolist()
    ]


def _resampled(areas: Areas) -> NDArray[np.float64]:
    """Return the three figures of each of a thousand resamples of the images."""
    times = np.array(list(times_drawn(len(areas.labelled))), dtype=np.float64)
    return _figures(*(times @ area for area in areas))


def _figures(
    intersect: NDArray[Any], predicted: NDArray[Any], labelled: NDArray[Any]
) -> NDArray[np.float64]:
    """Return mIoU, mAcc and aAcc in percent of each row of class areas."""
    union = predicted + labelled - intersect
    iou = _mean_of_existing(intersect, union)
    accuracy = _mean_of_existing(intersect, labelled)
    pixels = intersect.sum(1) / np.maximum(labelled.sum(1), 1)
    figures: NDArray[np.float64] = 100 * np.stack([iou, accuracy, pixels], 1)
    return figures


def _mean_of_existing(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Return the row means of part / whole where whole is not 0."""
    exists = whole > 0
    ratio = np.divide(part, whole, out=np.zeros(part.shape), where=exists)
    means: NDArray[np.float64] = ratio.sum(1) / np.maximum(exists.sum(1), 1)
    return means


def _refuse(
    what: str,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    wrong: tuple[NDArray[np.bool_], int],
) -> None:
    """Raise UserError when pixels have a label that is no class.

    Args:
        wrong: which rows are wrong, and the number of classes.
    """
    is_wrong, num_classes = wrong
    if is_wrong.any():
        label = labels[is_wrong].min()
        pixels = rows[is_wrong & (labels == label), 2].sum()
        asked = "; labels count from 1; are yours from 0?" if label == 0 else ""
        raise UserError(
            f"{what} label {label} in {pixels} pixel(s) that count; expected a class, 1 to "
            f"{num_classes}{asked}"
        )


@compiled
def _count_pairs(
    predicted: NDArray[np.uint8], truth: NDArray[np.uint8], pairs: NDArray[np.uint32]
) -> None:
    """Add each pixel's (truth, predicted) of two flat maps to `pairs`.

    Eight pixels are read as one word: labels come in runs, so most words hold one pair, which is
    added once.
    """
    num_words = truth.size // 8
    predicted_words = predicted[: 8 * num_words].view(np.uint64)
    truth_words = truth[: 8 * num_words].view(np.uint64)
    for word in range(num_words):
        label, guess = truth[8 * word], predicted[8 * word]
        if (
            truth_words[word] == np.uint64(label) * EIGHT_BYTES
            and predicted_words[word] == np.uint64(guess) * EIGHT_BYTES
        ):
            pairs[label, guess] += 8
        else:
            for place in range(8 * word, 8 * word + 8):
                pairs[truth[place], predicted[place]] += 1
    for place in range(8 * num_words, truth.size):
        pairs[truth[place], predicted[place]] += 1


@compiled
def _rows_of(pairs: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return row, column and value of every entry that is not 0."""
    in_row = np.zeros(pairs.shape[0], dtype=np.int64)
    for truth in range(pairs.shape[0]):
        for predicted in range(pairs.shape[1]):
            in_row[truth] += pairs[truth, predicted] != 0
    rows = np.empty((in_row.sum(), 3), dtype=np.int64)
    found = 0
    for truth in range(pairs.shape[0]):
        if in_row[truth] == 0:
            continue
        for predicted in range(pairs.shape[1]):
            if pairs[truth, predicted] != 0:
                rows[found, 0] = truth
                rows[found, 1] = predicted
                rows[found, 2] = pairs[truth, predicted]
                found += 1
    return rows
