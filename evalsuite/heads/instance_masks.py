"""Masks of found objects: the head that draws them small, and pasting them into the image.

Axes: N objects, K classes, C width, M cells per side of a small mask, H x W pixels.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from evalsuite.heads import torchvision_detection as parts
from evalsuite.heads.cascade import Regions, Truth
from evalsuite.heads.regions import crops

CROP, SIDE = 14, 28  # cells per side; detectron2 configs/common/models/mask_rcnn_fpn.py
INSIDE = 0.5  # ibid.: from this probability on a pixel belongs to the object


@dataclass(frozen=True, kw_only=True)
class MaskSettings:
    """The mask head. Source: detectron2 configs/common/models/mask_rcnn_fpn.py."""

    num_convs: int = 4


class MaskHead(nn.Module):
    """One mask a class for every region, 28 x 28 cells, over the levels of a pyramid."""

    def __init__(
        self, width: int, num_classes: int, strides: Sequence[float], settings: MaskSettings
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.trunk = parts.mask_trunk(width, settings.num_convs)
        self.upsample = nn.ConvTranspose2d(width, width, kernel_size=2, stride=2)
        self.classes = nn.Conv2d(width, num_classes, kernel_size=1)

    def forward(
        self, levels: Sequence[Tensor], boxes: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> Tensor:
        """Return logits `[N, M, M]` of every box's own class, image after image, in float32."""
        hidden = self.trunk(crops(levels, self.strides, boxes, CROP))
        logits_NKMM = self.classes(F.relu(self.upsample(hidden)))
        labels_N = torch.cat(list(labels))
        own: Tensor = logits_NKMM[torch.arange(len(labels_N), device=labels_N.device), labels_N]
        return own.float()

    def losses(
        self, levels: Sequence[Tensor], regions: Sequence[Regions], truths: Sequence[Truth]
    ) -> Tensor:
        """Return `[B]`: the binary cross-entropy per cell over the objects of every image."""
        num_classes = self.classes.out_channels
        hits = [one.labels_N < num_classes for one in regions]
        pairs = list(zip(regions, hits, strict=True))
        boxes = [one.boxes_N4[hit] for one, hit in pairs]
        logits_NMM = self(levels, boxes, [one.labels_N[hit] for one, hit in pairs])
        wanted_NMM = torch.cat(
            [
                mask_targets(truth.masks_GHW, one.boxes_N4[hit], one.objects_N[hit])
                for (one, hit), truth in zip(pairs, truths, strict=True)
            ]
        )
        cells = F.binary_cross_entropy_with_logits(logits_NMM, wanted_NMM, reduction="none")
        per_object = torch.split(cells.mean(dim=(1, 2)), [len(one) for one in boxes])
        return torch.stack([one.sum() / max(1, len(one)) for one in per_object])


def mask_targets(masks_GHW: Tensor, boxes_N4: Tensor, objects_N: Tensor) -> Tensor:
    """Return `[N, M, M]`, 1 where a cell of the box lies mostly inside its object, else 0.

    Source: detectron2 structures/masks.py BitMasks.crop_and_resize: aligned crops, cut at one half.
    """
    used, place_N = torch.unique(objects_N, return_inverse=True)  # few masks become float at a time
    if not len(used):
        return boxes_N4.new_zeros((0, SIDE, SIDE))
    rois_N5 = torch.cat([place_N[:, None].to(boxes_N4), boxes_N4], dim=1)
    cut = parts.aligned_crops(masks_GHW[used, None].float(), rois_N5, SIDE, 1)
    return (cut[:, 0] >= INSIDE).float()


def pasted(probability_MM: Tensor, box_4: Tensor, height: int, width: int) -> NDArray[np.uint8]:
    """Return an object's mask in its image, `[H, W]` of 0 and 1.

    Every pixel's centre is looked up in the small mask by bilinear interpolation, outside of which
    lie zeros. Only the pixels around the box are looked at.

    Source: detectron2 layers/mask_ops.py _do_paste_mask.
    """
    full = np.zeros((height, width), dtype=np.uint8)
    x0, y0, x1, y1 = box_4.tolist()
    left, right = max(0, math.floor(x0) - 1), min(width, math.ceil(x1) + 1)
    top, bottom = max(0, math.floor(y0) - 1), min(height, math.ceil(y1) + 1)
    if left >= right or top >= bottom or x1 <= x0 or y1 <= y0:
        return full
    x = (torch.arange(left, right, dtype=torch.float32) + 0.5 - x0) / (x1 - x0) * 2 - 1
    y = (torch.arange(top, bottom, dtype=torch.float32) + 0.5 - y0) / (y1 - y0) * 2 - 1
    grid_HW2 = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)
    small = probability_MM.float().cpu()[None, None]
    seen = F.grid_sample(small, grid_HW2[None], align_corners=False)[0, 0]
    full[top:bottom, left:right] = (seen >= INSIDE).numpy()
    return full
