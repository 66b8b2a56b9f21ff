"""From a model and an image to the class of every pixel: windows, scales and mirror images.

Axes: B batch, C classes, H rows, W columns.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from evalsuite.heads.upernet import resized

Scores = Callable[[Tensor], Tensor]  # images [B, 3, H, W] -> class scores [B, C, H, W]
# A view's scale against the recipe's short side, and how much it weighs.
Views = Sequence[tuple[float, float]]
# unilm beit/semantic_segmentation configs *_ms.py test 0.5, 0.75, 1.0, 1.25, 1.5 and 1.75, but
# their SETR_Resize never goes below the crop: the first three are the same view.
MULTI_SCALE: Views = ((1.0, 3.0), (1.25, 1.0), (1.5, 1.0), (1.75, 1.0))
WINDOWS_AT_ONCE = 4  # 150 classes at 640 x 640 pixels are 0.25 GB
SINGLE_SCALE: Views = ((1.0, 1.0),)


class Combines(Protocol):
    """A head that says what of its scores may be averaged over views."""

    def probabilities(self, scores_BCHW: Tensor) -> Tensor:
        """Return the scores as they are averaged."""


class Window(NamedTuple):
    """How large images are read: `side` pixels a window, a window every `stride`; 0 reads whole."""

    side: int
    stride: int


def slide(image_BCHW: Tensor, window: Window, scores: Scores) -> Tensor:
    """Return the scores of images of any size, averaged where windows overlap.

    The last window of a row or column is moved back into the image.

    Source: mmseg 1.2.2 models/segmentors/encoder_decoder.py slide_inference.
    """
    height, width = image_BCHW.shape[2:]
    if not window.stride:
        return scores(image_BCHW)
    side = window.side
    places = [
        (..., slice(top, top + side), slice(left, left + side))
        for top in starts(height, window)
        for left in starts(width, window)
    ]
    total: Tensor | None = None
    seen_HW = image_BCHW.new_zeros((height, width))
    for first in range(0, len(places), WINDOWS_AT_ONCE):
        some = places[first : first + WINDOWS_AT_ONCE]
        parts = scores(torch.cat([image_BCHW[place] for place in some])).chunk(len(some))
        for place, part_BCHW in zip(some, parts, strict=True):
            if total is None:
                total = part_BCHW.new_zeros((*part_BCHW.shape[:2], height, width))
            total[place] += part_BCHW
            seen_HW[place] += 1
    assert total is not None
    return total / seen_HW


def starts(length: int, window: Window) -> list[int]:
    """Return where the windows along a side begin."""
    count = max(length - window.side + window.stride - 1, 0) // window.stride + 1
    last = max(length - window.side, 0)
    return [min(number * window.stride, last) for number in range(count)]


def whole_patches(image_BCHW: Tensor, patch: int) -> Tensor:
    """Return images with 0 on the right and below, to a multiple of the patch size."""
    height, width = image_BCHW.shape[2:]
    return F.pad(image_BCHW, (0, -width % patch, 0, -height % patch))


class ImageView(NamedTuple):
    """One view of one image: its pixels `[3, H, W]` and its weight."""

    image_CHW: Tensor
    weight: float


class ViewReader(NamedTuple):
    """How a view is read: mirrored too or not, in which windows, by which model."""

    flip: bool
    window: Window
    scores: Scores
    combine: Combines


def labels_of(views: Sequence[ImageView], size: tuple[int, int], reading: ViewReader) -> Tensor:
    """Return the class of every pixel of one image, `[*size]`, uint8 from 0.

    A single view keeps its scores as they are; several are averaged as the head says.
    """
    total: Tensor | None = None
    for view in views:
        for mirrored in (False, True) if reading.flip else (False,):
            image_BCHW = view.image_CHW[None]
            seen = image_BCHW.flip(3) if mirrored else image_BCHW
            found = slide(seen, reading.window, reading.scores)
            found = resized(found.flip(3) if mirrored else found, size)
            if len(views) > 1 or reading.flip:
                found = reading.combine.probabilities(found) * view.weight
            total = found if total is None else total + found
    assert total is not None
    return total[0].argmax(dim=0).to(torch.uint8)
