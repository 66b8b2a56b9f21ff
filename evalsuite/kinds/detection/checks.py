"""What rules out a COCO split for fine-tuning, and an image for predicting."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from evalsuite.contracts.benchmark import Sample
from evalsuite.data.decode import UPRIGHT, orientation_of
from evalsuite.data.reading import shortened
from evalsuite.kinds.detection.files import read_instances
from evalsuite.metrics.coco.file import Object
from evalsuite.records.errors import UserError

EMPTY = (b"[]", b"null", b"{}", b'""')  # no outline


class SizeCheck:
    """Holds images against the sizes that the annotations give."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def __call__(self, sample: Sample, sizes: Sequence[tuple[int, int]]) -> None:
        """Raise a UserError where the sample's image has another size than its annotation."""
        refuse_other_size(self._data / sample.images[0], sizes[0], sample.target["size"])

    def conclude(self) -> Sequence[str]:
        """Return nothing: images say nothing together."""
        return ()


def refuse_other_size(path: Path, size: tuple[int, int], height_width: Sequence[int]) -> None:
    """Do nothing where an image has the annotation's size.

    Args:
        size: the image's width and height in pixels.

    Raises:
        UserError: it has another.
    """
    height, width = height_width
    if size == (width, height):
        return
    found = f"{path}: {size[0]} x {size[1]} pixels, its annotation says {width} x {height}"
    tag = orientation_of(path)
    if size == (height, width) and tag != UPRIGHT:
        raise UserError(
            f"{found}: the photo is stored rotated, with the orientation tag {tag}; "
            "rotate its pixels (`exiftran -ai FILE`) as they were when it was annotated"
        )
    raise UserError(f"{found}; use the image that was annotated, at its size")


def refuse_useless_training(truth: Path, training: Path, source: str) -> None:
    """Do nothing where a model of boxes and masks can be trained for an evaluation file.

    Raises:
        UserError: the training objects have boxes alone, or one file has a class that the other
            has not, or has under another name.
    """
    learnt = read_instances(training, source)
    things = learnt.file.annotations or []
    if things and not any(map(_has_outline, things)):
        raise UserError(
            f"{training}: no object has a segmentation, and the detector learns boxes and masks "
            "together; boxes of any model are scored by `evalsuite score detection --predictions`"
        )
    here = {one.id: one.name for one in read_instances(truth, source).categories}
    there = {one.id: one.name for one in learnt.categories}
    for path, known, other, lacks in (
        (truth, here, training, there),
        (training, there, truth, here),
    ):
        strange = [id for id in known if known[id] != lacks.get(id)]
        if strange:
            raise UserError(
                f"{other}: lacks category {shortened(strange[0])} "
                f"({shortened(known[strange[0]])!r}) of {path.name} ({len(strange)} such); "
                "give both files the same categories, ids and names"
            )


def _has_outline(one: Object) -> bool:
    outline = one.segmentation
    return bytes(outline) not in EMPTY if isinstance(outline, msgspec.Raw) else bool(outline)
