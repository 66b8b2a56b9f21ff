"""Boxes and the levels of a pyramid: anchors, clipping, and crops of regions.

Boxes are x0, y0, x1, y1 in pixels, float32. Axes: B batch, N boxes, C width, H x W cells.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from evalsuite.heads.torchvision_detection import aligned_crops

RATIOS = (0.5, 1.0, 2.0)  # height over width; detectron2 configs/common/models/mask_rcnn_fpn.py
CELLS_PER_ANCHOR = 8  # side over stride; ibid.: 32 at stride 4 to 512 at stride 64
# A region of this side, as ImageNet's crops, is cut from the level of this stride.
CANONICAL_SIDE, CANONICAL_STRIDE = 224, 16  # arXiv:1612.03144 equation 1


def level_anchors(grid: tuple[int, int], stride: float, device: torch.device) -> Tensor:
    """Return `[H * W * 3, 4]`: three anchors around the top left corner of every cell, row by row.

    Source: detectron2 modeling/anchor_generator.py, offset 0; torchvision's rounds their sides.
    """
    height, width = grid
    side = CELLS_PER_ANCHOR * stride
    sizes = torch.tensor(
        [(side / math.sqrt(r), side * math.sqrt(r)) for r in RATIOS], device=device
    )
    around = torch.cat([-sizes, sizes], dim=1) / 2
    y, x = torch.meshgrid(
        torch.arange(height, device=device) * stride,
        torch.arange(width, device=device) * stride,
        indexing="ij",
    )
    centres = torch.stack([x, y, x, y], dim=-1).reshape(-1, 1, 4)
    return (centres + around).reshape(-1, 4)


def clipped(boxes_N4: Tensor, size_2: Tensor) -> Tensor:
    """Return boxes cut to an image of that height and width."""
    height, width = size_2.to(boxes_N4).unbind()
    limit = torch.stack([width, height, width, height])
    return torch.minimum(boxes_N4.clamp(min=0), limit)


def is_nonempty(boxes_N4: Tensor) -> Tensor:
    """Return which boxes have an area, and are finite at all."""
    sides = boxes_N4[:, 2:] - boxes_N4[:, :2]
    return torch.isfinite(boxes_N4).all(dim=1) & (sides > 0).all(dim=1)


def levels_of(boxes_N4: Tensor, strides: Sequence[float]) -> Tensor:
    """Return the level that each region is cut from, so that all crops cover like many cells.

    Each level is twice as coarse as the one before. Source: arXiv:1612.03144 equation 1, at the
    nearest level that there is.
    """
    sides = (boxes_N4[:, 2:] - boxes_N4[:, :2]).clamp(min=0).prod(dim=1).sqrt()
    wanted = math.log2(CANONICAL_STRIDE) + torch.floor(torch.log2(sides / CANONICAL_SIDE + 1e-8))
    levels = torch.floor(wanted - math.log2(strides[0]))
    return levels.clamp(0, len(strides) - 1).long()


def crops(
    levels: Sequence[Tensor], strides: Sequence[float], boxes: Sequence[Tensor], size: int
) -> Tensor:
    """Return `[N, C, size, size]` float32, one crop a box, image after image.

    The strides are given, never guessed from sizes: torchvision's pooler guesses them from the
    first batch, wrongly where images are padded. float32 because a bfloat16 box of 1,000 pixels
    is off by 4.

    Args:
        levels: `[B, C, H, W]`, the finest first.
        boxes: for every image `[N_b, 4]`.
    """
    owner = torch.cat(
        [boxes_N4.new_full((len(boxes_N4), 1), i) for i, boxes_N4 in enumerate(boxes)]
    )
    rois_N5 = torch.cat([owner, torch.cat(list(boxes))], dim=1).float()
    level_N = levels_of(rois_N5[:, 1:], strides)
    out = levels[0].new_zeros((len(rois_N5), levels[0].shape[1], size, size), dtype=torch.float32)
    for place, (level, stride) in enumerate(zip(levels, strides, strict=True)):
        chosen = torch.where(level_N == place)[0]
        if len(chosen):
            cut = aligned_crops(level.float(), rois_N5[chosen], size, stride)
            out = out.index_copy(0, chosen, cut.float())
    return out
