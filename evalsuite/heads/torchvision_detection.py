"""torchvision's detection parts that are private or without types, behind ours: the only place.

Their module is the same in torchvision 0.26 and 0.29. Boxes are x0, y0, x1, y1 in pixels, float32.
"""

import torch
from torch import Tensor, nn
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler, BoxCoder, Matcher
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import batched_nms as _batched_nms
from torchvision.ops import box_iou as _box_iou
from torchvision.ops import roi_align as _roi_align

from evalsuite.heads.pyramid import LayerNorm2d

Weights = tuple[float, float, float, float]
BELOW, BETWEEN = Matcher.BELOW_LOW_THRESHOLD, Matcher.BETWEEN_THRESHOLDS


def encoded(boxes_N4: Tensor, references_N4: Tensor, weights: Weights) -> Tensor:
    """Return boxes relative to references: shifts by their sizes, logarithms of the ratios."""
    deltas_N4: Tensor = BoxCoder(weights).encode_single(boxes_N4, references_N4)
    return deltas_N4


def decoded(deltas_N4: Tensor, references_N4: Tensor, weights: Weights) -> Tensor:
    """Return the boxes that are so relative to references; no side grows beyond 62.5 times."""
    boxes_N4: Tensor = BoxCoder(weights).decode_single(deltas_N4, references_N4)
    return boxes_N4


def matched(truth_G4: Tensor, boxes_N4: Tensor, *, low: float, high: float, best: bool) -> Tensor:
    """Return for every box the true box that it overlaps most, as an index.

    It is `BELOW` where the overlap is less than `low`, `BETWEEN` from there up to `high`.

    Args:
        best: the boxes that overlap a true one most belong to it, however little that is.
    """
    if not len(truth_G4):
        return torch.full((len(boxes_N4),), BELOW, dtype=torch.int64, device=boxes_N4.device)
    places_N: Tensor = Matcher(high, low, best)(overlaps(truth_G4, boxes_N4))
    return places_N


def sampled(is_positive_N: Tensor, is_negative_N: Tensor, count: int, share: float) -> Tensor:
    """Return indices of at most `count` boxes, at most that share of them positive, at random.

    Drawn from torch's own generator; the positive ones first.
    """
    labels = torch.where(is_positive_N, 1, torch.where(is_negative_N, 0, -1))
    positive, negative = BalancedPositiveNegativeSampler(count, share)([labels])
    return torch.cat([torch.where(positive[0])[0], torch.where(negative[0])[0]])


def overlaps(first_N4: Tensor, second_M4: Tensor) -> Tensor:
    """Return intersection over union, N x M."""
    iou_NM: Tensor = _box_iou(first_N4, second_M4)
    return iou_NM


def suppressed(boxes_N4: Tensor, scores_N: Tensor, group_N: Tensor, iou: float) -> Tensor:
    """Return the boxes that stay, best first, when those of a group may overlap by `iou` only."""
    kept: Tensor = _batched_nms(boxes_N4, scores_N, group_N, iou)
    return kept


def aligned_crops(map_BCHW: Tensor, rois_N5: Tensor, size: int, stride: float) -> Tensor:
    """Return `[N, C, size, size]`, the mean of bilinear samples in each bin of a region.

    Pixel centres are at halves ("aligned"), and a bin gets as many samples as it covers cells.

    Args:
        rois_N5: place of the map in the batch, and the box.
        stride: pixels per cell of the map.
    """
    crops: Tensor = _roi_align(map_BCHW, rois_N5, size, 1 / stride, 0, aligned=True)
    return crops


def proposal_head(width: int, num_anchors: int, num_convs: int) -> nn.Module:
    """Return what maps levels to objectness and deltas: two lists, one entry a level."""
    head: nn.Module = RPNHead(width, num_anchors, conv_depth=num_convs)
    return head


def box_trunk(width: int, size: int, num_convs: int, fc_width: int) -> nn.Module:
    """Return convolutions with norms and one dense layer: crops to `[N, fc_width]`."""
    trunk: nn.Module = FastRCNNConvFCHead(
        (width, size, size), [width] * num_convs, [fc_width], norm_layer=LayerNorm2d
    )
    return trunk


def mask_trunk(width: int, num_convs: int) -> nn.Module:
    """Return convolutions with norms that keep the crops' size."""
    trunk: nn.Module = MaskRCNNHeads(width, [width] * num_convs, 1, norm_layer=LayerNorm2d)
    return trunk
