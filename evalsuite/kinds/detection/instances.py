"""Objects of an image as boxes and masks, moved with the image into a square frame.

An image is mirrored, resized and cut, and then lies in the top left corner of the frame; the rest
is padding. Boxes here are x0, y0, x1, y1 in pixels.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from evalsuite.data.images import HALF
from evalsuite.kinds.detection.outlines import Polygons, RunLengths, outline_of, rasterised
from evalsuite.records.errors import UserError

MIRRORED = 0.5  # detectron2 T.RandomFlip
EMPTY = 1e-5  # pixels; detectron2 Boxes.nonempty in filter_empty_instances


class Size(NamedTuple):
    """Height and width in pixels."""

    height: int
    width: int


class Framing(NamedTuple):
    """The way of an image into its frame, in this order.

    Resized to `resized`, then `content` of it kept from `top` and `left` on.
    """

    mirrored: bool
    resized: Size
    top: int
    left: int
    content: Size


class Instances(NamedTuple):
    """Objects in a frame: boxes `[N, 4]` float32, category ids, masks `[N, height, width]` 0/1."""

    boxes: NDArray[np.float32]
    categories: list[int]
    masks: NDArray[np.uint8]


def fitted(size: Size, side: int) -> Framing:
    """Return the framing that makes the longer side `side` pixels long: evaluation's.

    Source: detectron2 T.ResizeShortestEdge(side, max_size=side).
    """
    scale = side / max(size)
    resized = Size(int(size.height * scale + 0.5), int(size.width * scale + 0.5))
    resized = Size(max(1, resized.height), max(1, resized.width))
    return Framing(False, resized, 0, 0, resized)


def jittered(
    size: Size,
    side: int,
    generator: np.random.Generator,
    *,
    scales: tuple[float, float],
    mirrors: bool,
) -> Framing:
    """Return a random framing: large-scale jitter.

    The image is resized so that it just fits in a drawn share or multiple of the frame; of what is
    larger than the frame a random part stays.

    Source: detectron2 T.ResizeScale and T.FixedSizeCrop, which draws one number for both axes.
    """
    mirrored = mirrors and bool(generator.random() < MIRRORED)
    scale = side * float(generator.uniform(*scales)) / max(size)
    resized = Size(max(1, round(size.height * scale)), max(1, round(size.width * scale)))
    share = float(generator.random())
    top, left = (round(max(0, length - side) * share) for length in resized)
    content = Size(min(resized.height, side), min(resized.width, side))
    return Framing(mirrored, resized, top, left, content)


def framed_image(image: Image.Image, framing: Framing, side: int) -> Tensor:
    """Return the image in its frame, CHW float32 between -1 and 1; the padding is 0, mid-grey."""
    if framing.mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    height, width = framing.resized
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    content = framing.content
    image = image.crop(
        (framing.left, framing.top, framing.left + content.width, framing.top + content.height)
    )
    pixels_CHW = torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div_(255)
    frame_CHW = torch.zeros(3, side, side)
    frame_CHW[:, : content.height, : content.width] = (pixels_CHW - HALF[0]) / HALF[0]
    return frame_CHW


def framed_instances(target: Mapping[str, Any], framing: Framing) -> Instances:
    """Return the objects to learn, where they lie in the frame.

    As the official loaders do, crowds are left out, polygons of fewer than three points, objects
    without a polygon, and objects of which nothing is left inside the frame.

    Args:
        target: of a detection sample: `size`, and by object `boxes` (x, y, width, height),
            `categories`, `segmentations` (JSON text) and `crowds`.

    Raises:
        UserError: an object's run lengths are of another size or cannot be decoded.

    Source: detectron2 data/datasets/coco.py load_coco_json, data/dataset_mapper.py.
    """
    size = Size(*target["size"])
    boxes, categories, masks = [], [], []
    columns = (target[name] for name in ("boxes", "categories", "segmentations", "crowds"))
    for box, category, text, crowd in zip(*columns, strict=True):
        if crowd:
            continue
        x, y, width, height = box
        try:
            shape = outline_of(text, size)
        except UserError as error:
            raise UserError(f"the object with the box {box} {error}") from None
        if not shape:
            continue
        corners = _moved(np.array([[x, y], [x + width, y + height]]), size, framing)
        mask = _framed_mask(shape, size, framing)
        found = _box_in_frame(corners, mask, framing.content)
        if found is not None:
            boxes.append(found)
            categories.append(category)
            masks.append(mask)
    content = framing.content
    return Instances(
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        categories,
        np.array(masks, dtype=np.uint8).reshape(-1, content.height, content.width),
    )


def _moved(points: NDArray[np.float64], size: Size, framing: Framing) -> NDArray[np.float64]:
    """Return points (x, y) of the image where they lie in the frame."""
    x = size.width - points[:, 0] if framing.mirrored else points[:, 0]
    x = x * (framing.resized.width / size.width) - framing.left
    y = points[:, 1] * (framing.resized.height / size.height) - framing.top
    return np.stack([x, y], axis=1)


def _box_in_frame(
    corners: NDArray[np.float64], mask: NDArray[np.uint8], content: Size
) -> list[float] | None:
    """Return a box in the frame, drawn anew around the mask where the frame cut it; None: empty.

    Boxes that leave the image are cut to it, as pycocotools' annotations sometimes do.
    """
    low, high = corners.min(axis=0), corners.max(axis=0)
    limit = np.array([content.width, content.height])
    is_cut = (low < -1).any() or (high > limit + 1).any()
    if is_cut:
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not rows.size:
            return None
        low = np.array([columns[0], rows[0]], dtype=float)
        high = np.array([columns[-1] + 1, rows[-1] + 1], dtype=float)
    low, high = np.clip(low, 0, limit), np.clip(high, 0, limit)
    if (high - low <= EMPTY).any() or not mask.any():
        return None
    return [*low.tolist(), *high.tolist()]


def _framed_mask(outline: Polygons | RunLengths, size: Size, framing: Framing) -> NDArray[np.uint8]:
    """Return an object's mask in the frame: polygons move, run lengths are resampled."""
    height, width = framing.content
    if isinstance(outline, list):
        moved = [
            _moved(np.array(one, dtype=float).reshape(-1, 2), size, framing).ravel().tolist()
            for one in outline
        ]
        return rasterised(moved, framing.content)
    whole = rasterised(outline, size)
    if framing.mirrored:
        whole = whole[:, ::-1]
    x = (np.arange(width) + framing.left + 0.5) * (size.width / framing.resized.width)
    y = (np.arange(height) + framing.top + 0.5) * (size.height / framing.resized.height)
    rows, columns = (np.floor(one).astype(int) for one in (y, x))
    return np.ascontiguousarray(
        whole[rows.clip(0, size.height - 1)][:, columns.clip(0, size.width - 1)]
    )
