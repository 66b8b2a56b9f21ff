"""Region proposals: which anchors hold an object, and where it is exactly.

Axes: B batch, A anchors of all levels, G true boxes, N proposals, C width.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalsuite.heads import torchvision_detection as parts
from evalsuite.heads.regions import RATIOS, clipped, is_nonempty, level_anchors

WEIGHTS = (1.0, 1.0, 1.0, 1.0)


@dataclass(frozen=True, kw_only=True)
class ProposalSettings:
    """How proposals are trained and chosen; `pre` and `post` suppression, `pre` per level.

    Source: detectron2 configs/common/models/mask_rcnn_fpn.py, and mask_rcnn_vitdet.py for the two
    convolutions.
    """

    num_convs: int = 2
    samples: int = 256
    positive_share: float = 0.5
    low: float = 0.3
    high: float = 0.7
    pre_train: int = 2000
    pre_test: int = 1000
    post: int = 1000
    iou: float = 0.7


class AnchorScores(NamedTuple):
    """What the head says of every anchor, float32, and how many anchors each level has."""

    anchors_A4: Tensor
    objectness_BA: Tensor
    deltas_BA4: Tensor
    counts: list[int]


class Proposals(nn.Module):
    """The region proposal network over the levels of a pyramid."""

    def __init__(self, width: int, strides: Sequence[float], settings: ProposalSettings) -> None:
        super().__init__()
        self.strides, self.settings = tuple(strides), settings
        self.net = parts.proposal_head(width, len(RATIOS), settings.num_convs)

    def forward(self, levels: Sequence[Tensor]) -> AnchorScores:
        """Return objectness and deltas of every anchor, in float32 whatever the autocast."""
        objectness, deltas = self.net(list(levels))
        anchors = [
            level_anchors((level.shape[2], level.shape[3]), stride, level.device)
            for level, stride in zip(levels, self.strides, strict=True)
        ]
        return AnchorScores(
            torch.cat(anchors),
            torch.cat([one.permute(0, 2, 3, 1).flatten(1) for one in objectness], dim=1).float(),
            torch.cat([_per_anchor(one) for one in deltas], dim=1).float(),
            [len(one) for one in anchors],
        )

    @torch.no_grad()
    def boxes(self, proposed: AnchorScores, sizes_B2: Tensor) -> list[Tensor]:
        """Return for every image its best proposals `[N, 4]`, inside height and width."""
        how = self.settings
        pre = how.pre_train if self.training else how.pre_test
        chosen = []
        for row, size_2 in enumerate(sizes_B2):
            best, level_of = _best_of_levels(proposed.objectness_BA[row], proposed.counts, pre)
            deltas_N4, anchors_N4 = proposed.deltas_BA4[row, best], proposed.anchors_A4[best]
            boxes_N4 = clipped(parts.decoded(deltas_N4, anchors_N4, WEIGHTS), size_2)
            scores_N = proposed.objectness_BA[row, best]
            good = is_nonempty(boxes_N4)
            boxes_N4, scores_N, level_of = boxes_N4[good], scores_N[good], level_of[good]
            kept = parts.suppressed(boxes_N4, scores_N, level_of, how.iou)
            chosen.append(boxes_N4[kept[: how.post]])
        return chosen

    def losses(self, proposed: AnchorScores, truth: Sequence[Tensor]) -> Tensor:
        """Return `[B, 2]`: the losses of objectness and of boxes of every image.

        The box loss is L1, and both are divided by the number of anchors that are looked at.

        Args:
            truth: true boxes `[G, 4]` of every image, none at all included.
        """
        how, anchors_A4 = self.settings, proposed.anchors_A4
        losses = []
        for row, boxes_G4 in enumerate(truth):
            place_A = parts.matched(boxes_G4, anchors_A4, low=how.low, high=how.high, best=True)
            is_object_A, is_nothing_A = place_A >= 0, place_A == parts.BELOW
            look = parts.sampled(is_object_A, is_nothing_A, how.samples, how.positive_share)
            objects = look[is_object_A[look]]
            objectness = F.binary_cross_entropy_with_logits(
                proposed.objectness_BA[row, look], is_object_A[look].float(), reduction="sum"
            )
            wanted = parts.encoded(boxes_G4[place_A[objects]], anchors_A4[objects], WEIGHTS)
            box = (proposed.deltas_BA4[row, objects] - wanted).abs().sum()
            losses.append(torch.stack([objectness, box]) / max(1, len(look)))
        return torch.stack(losses)


def _per_anchor(deltas_BKHW: Tensor) -> Tensor:
    """Return `[B, H * W * 3, 4]` of a map that holds four deltas for each of three anchors."""
    cells = deltas_BKHW.permute(0, 2, 3, 1)
    return cells.reshape(len(deltas_BKHW), -1, 4)


def _best_of_levels(scores_A: Tensor, counts: list[int], most: int) -> tuple[Tensor, Tensor]:
    """Return the places of each level's best anchors, and the level of each."""
    places, levels = [], []
    start = 0
    for level, count in enumerate(counts):
        best = scores_A[start : start + count].topk(min(most, count)).indices
        places.append(best + start)
        levels.append(torch.full_like(best, level))
        start += count
    return torch.cat(places), torch.cat(levels)
