"""From many overlapping boxes with scores to the ones that are reported.

Axes: N boxes, C classes; boxes are x0, y0, x1, y1 in pixels.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from evalsuite.heads.torchvision_detection import overlaps, suppressed

SOFT_FLOOR = 0.001  # Bodla's soft-NMS code (arXiv:1704.04503), and Detectron's min_score_thres


class ImageObjects(NamedTuple):
    """The objects found in one image, best first; labels count from 0."""

    boxes_N4: Tensor
    scores_N: Tensor
    labels_N: Tensor


@dataclass(frozen=True, kw_only=True)
class Selection:
    """How the reported boxes are chosen.

    Source: detectron2 configs/common/models/mask_rcnn_fpn.py and ViTDet; 100 is COCO's maximum.
    """

    min_score: float = 0.05
    iou: float = 0.5
    most: int = 100
    soft: bool = False


def select(boxes_N4: Tensor, scores_NC: Tensor, how: Selection) -> ImageObjects:
    """Return the best boxes of all classes; a box may be reported for several of them."""
    box, label = torch.where(scores_NC > how.min_score)
    boxes, scores = boxes_N4[box], scores_NC[box, label]
    if how.soft:
        kept, scores = soft_nms(boxes, scores, label, iou=how.iou, most=how.most)
        return ImageObjects(boxes[kept], scores, label[kept])
    kept = suppressed(boxes, scores, label, how.iou)[: how.most]
    return ImageObjects(boxes[kept], scores[kept], label[kept])


def soft_nms(
    boxes_N4: Tensor, scores_N: Tensor, labels_N: Tensor, *, iou: float, most: int
) -> tuple[Tensor, Tensor]:
    """Return the places of boxes, best first, and their lowered scores.

    Whenever a box is taken, the scores of its class's other boxes that overlap it by more than
    `iou` are multiplied by one minus the overlap (the linear form). It ends at `most` boxes or
    when no score reaches 0.001.

    Source: arXiv:1704.04503 section 3.
    """
    left = scores_N.clone()
    places, taken_scores = [], []
    for _ in range(min(most, len(left))):
        best = int(left.argmax())
        score = float(left[best])
        if score < SOFT_FLOOR:
            break
        places.append(best)
        taken_scores.append(score)
        overlap_N = overlaps(boxes_N4[best : best + 1], boxes_N4)[0]
        lowers = (labels_N == labels_N[best]) & (overlap_N > iou)
        left = torch.where(lowers, left * (1 - overlap_N), left)
        left[best] = -1.0  # taken
    device = boxes_N4.device
    return torch.tensor(places, dtype=torch.int64, device=device), torch.tensor(
        taken_scores, dtype=scores_N.dtype, device=device
    )
