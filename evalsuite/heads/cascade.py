"""Cascade R-CNN: three box heads, each trained on and fed with the better boxes of the one before.

Axes: B batch, N regions of all images, K classes (and, last, the background), G true objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from evalsuite.heads import torchvision_detection as parts
from evalsuite.heads.regions import clipped, crops, is_nonempty

CROP = 7  # cells per side; detectron2 configs/common/models/mask_rcnn_fpn.py


class Truth(NamedTuple):
    """The objects of one image: boxes in pixels, labels from 0, masks as large as its padding."""

    boxes_G4: Tensor
    labels_G: Tensor
    masks_GHW: Tensor


@dataclass(frozen=True, kw_only=True)
class CascadeSettings:
    """The three stages: overlap from which a box is an object, and the scale of its deltas.

    Source: detectron2 projects/ViTDet/configs/COCO/cascade_mask_rcnn_vitdet_b_100ep.py @3ed610f and
    configs/common/models/mask_rcnn_fpn.py.
    """

    num_convs: int = 4
    fc_width: int = 1024
    samples: int = 512
    positive_share: float = 0.25
    overlaps: tuple[float, ...] = (0.5, 0.6, 0.7)
    weights: tuple[parts.Weights, ...] = (
        (10.0, 10.0, 5.0, 5.0),
        (20.0, 20.0, 10.0, 10.0),
        (30.0, 30.0, 15.0, 15.0),
    )


class Regions(NamedTuple):
    """Regions of one image for training: label of each (K: background) and its true object."""

    boxes_N4: Tensor
    labels_N: Tensor
    objects_N: Tensor


class CascadeStage(nn.Module):
    """One box head: class logits and one box for all classes."""

    def __init__(self, width: int, num_classes: int, settings: CascadeSettings) -> None:
        super().__init__()
        self.trunk = parts.box_trunk(width, CROP, settings.num_convs, settings.fc_width)
        self.classes = nn.Linear(settings.fc_width, num_classes + 1)
        self.box = nn.Linear(settings.fc_width, 4)

    def forward(self, crops_NCHW: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `[N, K + 1]` and deltas `[N, 4]`, in float32 whatever the autocast."""
        hidden = self.trunk(crops_NCHW)
        return self.classes(hidden).float(), self.box(hidden).float()


class Cascade(nn.Module):
    """The box heads over the levels of a pyramid (its coarsest one aside)."""

    def __init__(
        self, width: int, num_classes: int, strides: Sequence[float], settings: CascadeSettings
    ) -> None:
        super().__init__()
        self.strides, self.settings, self.num_classes = tuple(strides), settings, num_classes
        self.stages = nn.ModuleList(
            CascadeStage(width, num_classes, settings) for _ in settings.overlaps
        )

    def draw(self, boxes_N4: Tensor, truth: Truth) -> Regions:
        """Return the regions of an image to train on, drawn among proposals and true boxes."""
        how = self.settings
        candidates = torch.cat([boxes_N4, truth.boxes_G4])
        regions = self._labelled(candidates, truth, how.overlaps[0])
        is_object = regions.labels_N < self.num_classes
        look = parts.sampled(is_object, ~is_object, how.samples, how.positive_share)
        return Regions(*(column[look] for column in regions))

    def losses(
        self,
        levels: Sequence[Tensor],
        regions: Sequence[Regions],
        truths: Sequence[Truth],
        sizes_B2: Tensor,
    ) -> Tensor:
        """Return `[B, 2 * stages]`: every stage's losses of classes and boxes of every image.

        The box loss is L1 over the objects; both are divided by the image's number of regions.
        """
        losses = []
        for number, weights in enumerate(self.settings.weights):
            logits_NK, deltas_N4 = self._stage(number, levels, [one.boxes_N4 for one in regions])
            losses += self._stage_losses(logits_NK, deltas_N4, regions, truths, weights)
            if number + 1 < len(self.stages):
                better = self._better(deltas_N4, regions, sizes_B2, weights)
                overlap = self.settings.overlaps[number + 1]
                pairs = zip(better, truths, strict=True)
                regions = [self._labelled(one[is_nonempty(one)], to, overlap) for one, to in pairs]
        return torch.stack(losses, dim=1)

    @torch.no_grad()
    def forward(
        self, levels: Sequence[Tensor], boxes: Sequence[Tensor], sizes_B2: Tensor
    ) -> list[tuple[Tensor, Tensor]]:
        """Return for every image the last stage's boxes and the mean scores `[N, K]` of all."""
        scores_NK = torch.zeros((), device=sizes_B2.device)
        counts = [len(one) for one in boxes]
        for number, weights in enumerate(self.settings.weights):
            logits_NK, deltas_N4 = self._stage(number, levels, boxes)
            scores_NK = scores_NK + logits_NK.softmax(dim=1) / len(self.stages)
            better = parts.decoded(deltas_N4, torch.cat(list(boxes)), weights)
            pairs = zip(torch.split(better, counts), sizes_B2, strict=True)
            boxes = [clipped(one, size) for one, size in pairs]
        return list(zip(boxes, torch.split(scores_NK[:, :-1], counts), strict=True))

    def _stage(
        self, number: int, levels: Sequence[Tensor], boxes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return a stage's logits and deltas."""
        crops_NCHW = crops(levels, self.strides, boxes, CROP)
        if crops_NCHW.requires_grad:
            # The stages share the pyramid: without this it learns three times as fast.
            # detectron2 modeling/roi_heads/cascade_rcnn.py _ScaleGradient.
            share = 1 / len(self.stages)
            crops_NCHW = crops_NCHW * share + crops_NCHW.detach() * (1 - share)
        result: tuple[Tensor, Tensor] = self.stages[number](crops_NCHW)
        return result

    def _stage_losses(
        self,
        logits_NK: Tensor,
        deltas_N4: Tensor,
        regions: Sequence[Regions],
        truths: Sequence[Truth],
        weights: parts.Weights,
    ) -> list[Tensor]:
        """Return the two losses of a stage, each `[B]`."""
        counts = [len(one.labels_N) for one in regions]
        labels_N = torch.cat([one.labels_N for one in regions])
        classes_N = F.cross_entropy(logits_NK, labels_N, reduction="none")
        boxes = []
        for region, truth, deltas in zip(
            regions, truths, torch.split(deltas_N4, counts), strict=True
        ):
            hit = region.labels_N < self.num_classes
            objects = truth.boxes_G4[region.objects_N[hit]]
            wanted = parts.encoded(objects, region.boxes_N4[hit], weights)
            boxes.append((deltas[hit] - wanted).abs().sum() / max(1, len(hit)))
        per_image = [one.sum() / max(1, len(one)) for one in torch.split(classes_N, counts)]
        return [torch.stack(per_image), torch.stack(boxes)]

    @torch.no_grad()
    def _better(
        self,
        deltas_N4: Tensor,
        regions: Sequence[Regions],
        sizes_B2: Tensor,
        weights: parts.Weights,
    ) -> list[Tensor]:
        """Return every image's regions moved to where the stage says, inside the image."""
        boxes = torch.cat([one.boxes_N4 for one in regions])
        moved = parts.decoded(deltas_N4, boxes, weights)
        counts = [len(one.boxes_N4) for one in regions]
        pairs = zip(torch.split(moved, counts), sizes_B2, strict=True)
        return [clipped(one, size) for one, size in pairs]

    @torch.no_grad()
    def _labelled(self, boxes_N4: Tensor, truth: Truth, overlap: float) -> Regions:
        """Return boxes with the label of the object that they overlap enough, or background."""
        place_N = parts.matched(truth.boxes_G4, boxes_N4, low=overlap, high=overlap, best=False)
        labels_N = torch.full_like(place_N, self.num_classes)
        hit = place_N >= 0
        labels_N[hit] = truth.labels_G[place_N[hit]]
        return Regions(boxes_N4, labels_N, place_N.clamp(min=0))
