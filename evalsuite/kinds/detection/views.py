"""Finding objects in one or several views of an image: at other sizes, and mirrored.

Boxes are x0, y0, x1, y1 in pixels, float32. Axes: B batch, N objects, M cells of a small mask.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from evalsuite.contracts.backbone import Backbone
from evalsuite.heads.detector import Detector, ViewFeatures
from evalsuite.heads.regions import clipped, is_nonempty
from evalsuite.heads.suppression import ImageObjects, Selection, select


class View(NamedTuple):
    """A batch as seen once: images in frames, and height and width of what is no padding.

    `mirrored` says that the content is; it lies top left all the same.
    """

    image_BCHW: Tensor
    content_B2: Tensor
    mirrored: bool

    def to_image(self, boxes_N4: Tensor, row: int, size_2: Tensor) -> Tensor:
        """Return boxes of this view in the pixels of an image of that height and width."""
        boxes_N4 = self._turned(boxes_N4, row)
        return clipped(boxes_N4 / self._scale(row, size_2), size_2)

    def from_image(self, boxes_N4: Tensor, row: int, size_2: Tensor) -> Tensor:
        """Return boxes of the image in the pixels of this view."""
        boxes_N4 = boxes_N4 * self._scale(row, size_2)
        return clipped(self._turned(boxes_N4, row), self.content_B2[row])

    def _scale(self, row: int, size_2: Tensor) -> Tensor:
        return (self.content_B2[row].float() / size_2.float()).flip(0).repeat(2)

    def _turned(self, boxes_N4: Tensor, row: int) -> Tensor:
        if not self.mirrored:
            return boxes_N4
        x0, y0, x1, y1 = boxes_N4.unbind(1)
        width = self.content_B2[row, 1]
        return torch.stack([width - x1, y0, width - x0, y1], dim=1)


class ViewFinder(NamedTuple):
    """What looks at the views: attention windows are in patches, None for none."""

    backbone: Backbone
    detector: Detector
    window: int | None
    global_layers: tuple[int, ...]
    selection: Selection


def mirrored(view: View) -> View:
    """Return the view with every image's content mirrored, its padding where it was."""
    image_BCHW = view.image_BCHW.clone()
    for image_CHW, (height, width) in zip(image_BCHW, view.content_B2.tolist(), strict=True):
        image_CHW[:, :height, :width] = image_CHW[:, :height, :width].flip(2)
    return View(image_BCHW, view.content_B2, not view.mirrored)


def find(
    looking: ViewFinder, views: Sequence[View], sizes_B2: Tensor
) -> list[tuple[ImageObjects, Tensor]]:
    """Return every image's objects in its own pixels, with small masks `[N, M, M]`.

    The boxes of all views are chosen from together, once. Then every view draws the chosen boxes'
    masks, and their probabilities are averaged, as detectron2 modeling/test_time_augmentation.py.

    Args:
        sizes_B2: height and width of the images themselves.
    """
    seen = [_seen(looking, view) for view in views]
    found = []
    for row, size_2 in enumerate(sizes_B2):
        boxes, scores = [], []
        for view, one in zip(views, seen, strict=True):
            boxes_N4, scores_NK = one.candidates[row]
            boxes.append(view.to_image(boxes_N4, row, size_2))
            scores.append(scores_NK)
        boxes_N4, scores_NK = torch.cat(boxes), torch.cat(scores)
        good = is_nonempty(boxes_N4)
        found.append(select(boxes_N4[good], scores_NK[good], looking.selection))
    labels = [one.labels_N for one in found]
    total: list[Tensor] | None = None
    for view, one in zip(views, seen, strict=True):
        pairs = enumerate(zip(found, sizes_B2, strict=True))
        there = [view.from_image(image.boxes_N4, row, size) for row, (image, size) in pairs]
        masks = looking.detector.draw_masks(one.levels, there, labels)
        masks = [mask.flip(2) if view.mirrored else mask for mask in masks]
        total = masks if total is None else [a + b for a, b in zip(total, masks, strict=True)]
    assert total is not None
    return [(image, mask / len(views)) for image, mask in zip(found, total, strict=True)]


def _seen(looking: ViewFinder, view: View) -> ViewFeatures:
    """Return what one view shows."""
    (map_BDHW,) = looking.backbone.feature_maps(
        view.image_BCHW, window=looking.window, global_layers=looking.global_layers
    )
    return looking.detector.see(map_BDHW, view.content_B2)
