"""True label maps as they must be to learn from and to be scored against."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from evalsuite.contracts.benchmark import Sample
from evalsuite.data.decode import UPRIGHT, orientation_of
from evalsuite.kinds.segmentation.files import IGNORED, LabelMap, read_labels
from evalsuite.records.errors import UserError


def true_labels(
    data: Path, sample: Sample, size: tuple[int, int], num_classes: int
) -> LabelMap | None:
    """Return a sample's label map, None where it is held back.

    Args:
        size: width and height of the image in pixels.

    Raises:
        UserError: it cannot be read, differs from the image in size, or a label is no class.
    """
    name = sample.target["annotation"]
    if not name:
        return None
    labels_HW = read_labels(data / name)
    height, width = labels_HW.shape
    if (width, height) != size:
        raise UserError(
            f"{data / name}: {width} x {height} labels for {size[0]} x {size[1]} pixels of "
            f"{sample.images[0]}{_reason(data / sample.images[0], size == (height, width))}"
        )
    wrong = labels_HW[(labels_HW > num_classes) & (labels_HW != IGNORED)]
    if wrong.size:
        raise UserError(
            f"{data / name}: label {wrong.min()} in {wrong.size} pixel(s); expected 0 (unlabelled) "
            f"to {num_classes}, the number of classes; give the classes the labels 1, 2, 3, ..."
        )
    return labels_HW


class LabelCheck:
    """Opens the label maps of a split, and remembers which labels occur."""

    def __init__(self, data: Path, num_classes: int) -> None:
        self._data, self._num_classes = data, num_classes
        self._seen: set[int] = set()

    def __call__(self, sample: Sample, sizes: Sequence[tuple[int, int]]) -> None:
        """Raise a UserError where the sample's label map is none to score against."""
        labels_HW = true_labels(self._data, sample, sizes[0], self._num_classes)
        if labels_HW is not None:
            self._seen.update(np.flatnonzero(np.bincount(labels_HW.ravel())).tolist())

    def conclude(self) -> Sequence[str]:
        """Return the question that labels from 0 raise.

        Raises:
            UserError: no pixel of all maps has a class.
        """
        labels = self._seen - {IGNORED}
        if self._seen and not labels - {0}:
            found = " and ".join(map(str, sorted(self._seen)))
            raise UserError(
                f"{self._data}: all label maps hold only {found}, no class; expected labels from 1 "
                f"to {self._num_classes}, with 0 for unlabelled pixels"
            )
        if 0 in labels and max(labels) == self._num_classes - 1:
            return [
                f"{self._data}: labels count from 1; are yours from 0? The maps hold 0, which "
                f"counts as unlabelled, and no {self._num_classes}, the last class: if 0 is a "
                "class, add 1 to every label"
            ]
        return ()


def _reason(image: Path, is_turned: bool) -> str:
    """Return why a map may have another size than its image, and what to do."""
    tag = orientation_of(image) if is_turned else UPRIGHT
    if tag != UPRIGHT:
        return (
            f": the photo is stored rotated, with the orientation tag {tag}; rotate its pixels "
            "(`exiftran -ai FILE`)"
        )
    return "; they must have the same size"
