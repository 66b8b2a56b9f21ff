"""The outlines of COCO's objects, polygons or run lengths, read as the official loaders do."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from hotcoco import mask as run_lengths
from numpy.typing import NDArray

from evalsuite.records.errors import UserError

MIN_POLYGON = 6  # numbers of a polygon of three points

Polygons = list[list[float]]
RunLengths = dict[str, Any]


def outline_of(text: str, size: Sequence[int]) -> Polygons | RunLengths:
    """Return an object's polygons, maybe none, or its run lengths compressed.

    Polygons of fewer than three points or of half a point are left out, as detectron2 does; null
    is no outline.

    Args:
        text: JSON, as it stands in the annotation file.
        size: height and width of the image in pixels.

    Raises:
        UserError: run lengths are of another size or cannot be decoded, or polygons are no lists.

    Source: detectron2 data/datasets/coco.py load_coco_json.
    """
    shape = msgspec.json.decode(text)
    if shape is None:
        return []
    if isinstance(shape, list):
        if not all(isinstance(one, list) for one in shape):
            raise UserError("has an outline that is not a list of polygons")
        return [one for one in shape if len(one) >= MIN_POLYGON and len(one) % 2 == 0]
    found = shape.get("size")
    if found != list(size):
        raise UserError(f"has run lengths of size {found} in an image of {list(size)}")
    try:
        encoded = run_lengths.frPyObjects(shape, *size)
        run_lengths.decode(encoded)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"has run lengths that cannot be decoded ({error})") from None
    return dict(encoded)


def rasterised(outline: Polygons | RunLengths, size: Sequence[int]) -> NDArray[np.uint8]:
    """Return an outline as a mask of 0 and 1, height x width; polygons may leave the image."""
    if isinstance(outline, list):
        if not outline:
            return np.zeros(tuple(size), dtype=np.uint8)
        outline = run_lengths.merge(run_lengths.frPyObjects(outline, *size))
    return np.ascontiguousarray(run_lengths.decode(outline), dtype=np.uint8)
