"""Cascade Mask R-CNN on the map of a plain transformer: pyramid, proposals, boxes and masks.

Axes: B batch, D the backbone's width, N objects, K classes, M cells per side of a small mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from evalsuite.heads.cascade import Cascade, CascadeSettings, CascadeStage, Truth
from evalsuite.heads.instance_masks import MaskHead, MaskSettings
from evalsuite.heads.proposals import Proposals, ProposalSettings
from evalsuite.heads.pyramid import SimplePyramid

LOSSES = (
    "objectness",
    "proposal_boxes",
    *(f"{what}_{stage}" for stage in (1, 2, 3) for what in ("classes", "boxes")),
    "masks",
)


@dataclass(frozen=True, kw_only=True)
class DetectorSettings:
    """The shape of the head; `scales` are those of the pyramid's levels, the finest first."""

    width: int = 256
    scales: tuple[float, ...] = (4.0, 2.0, 1.0, 0.5)
    proposals: ProposalSettings = field(default_factory=ProposalSettings)
    cascade: CascadeSettings = field(default_factory=CascadeSettings)
    masks: MaskSettings = field(default_factory=MaskSettings)


class ViewFeatures(NamedTuple):
    """One view of a batch: its pyramid, and every image's candidate boxes with scores `[N, K]`."""

    levels: list[Tensor]
    candidates: list[tuple[Tensor, Tensor]]


class Detector(nn.Module):
    """ViTDet's detector, Cascade Mask R-CNN with layer norms, over a backbone's last map.

    Args:
        in_width: D.
        patch_size: pixels per cell of the map.
        seed: of the starting weights.

    Source: arXiv:2203.16527; detectron2 projects/ViTDet/configs.
    """

    def __init__(
        self,
        in_width: int,
        patch_size: int,
        num_classes: int,
        settings: DetectorSettings,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        width = settings.width
        # Not the caller's random numbers: the parts draw their start from torch's own generator.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.pyramid = SimplePyramid(in_width, width, patch_size, settings.scales)
            strides = self.pyramid.strides
            self.proposals = Proposals(width, strides, settings.proposals)
            self.boxes = Cascade(width, num_classes, strides[:-1], settings.cascade)
            self.masks = MaskHead(width, num_classes, strides[:-1], settings.masks)
            self._initialise()

    def losses(self, map_BDHW: Tensor, sizes_B2: Tensor, truths: Sequence[Truth]) -> Tensor:
        """Return `[B, 9]`: the losses of `LOSSES` of every image, to be added up.

        Every image counts alike, as in ViTDet's runs of one image a device.

        Args:
            sizes_B2: height and width in pixels of what is no padding; it lies top left.
        """
        levels = self.pyramid(map_BDHW)
        proposed = self.proposals(levels)
        found = self.proposals.losses(proposed, [one.boxes_G4 for one in truths])
        boxes = self.proposals.boxes(proposed, sizes_B2)
        regions = [self.boxes.draw(*pair) for pair in zip(boxes, truths, strict=True)]
        located = self.boxes.losses(levels[:-1], regions, truths, sizes_B2)
        drawn = self.masks.losses(levels[:-1], regions, truths)
        return torch.cat([found, located, drawn[:, None]], dim=1)

    def see(self, map_BDHW: Tensor, sizes_B2: Tensor) -> ViewFeatures:
        """Return what a view shows: boxes inside the image, nothing chosen yet."""
        levels = self.pyramid(map_BDHW)
        boxes = self.proposals.boxes(self.proposals(levels), sizes_B2)
        return ViewFeatures(levels, self.boxes(levels[:-1], boxes, sizes_B2))

    def draw_masks(
        self, levels: Sequence[Tensor], boxes: Sequence[Tensor], labels: Sequence[Tensor]
    ) -> list[Tensor]:
        """Return every image's small masks `[N, M, M]`, probabilities."""
        logits_NMM: Tensor = self.masks(levels[:-1], boxes, labels)
        return list(torch.split(logits_NMM.sigmoid(), [len(one) for one in boxes]))

    def _initialise(self) -> None:
        """Fill what detectron2 fills otherwise than torch and torchvision do.

        Source: detectron2 modeling/roi_heads/box_head.py, fast_rcnn.py and mask_head.py.
        """
        for stage in self.boxes.stages:
            assert isinstance(stage, CascadeStage)
            for module in stage.trunk.modules():
                if isinstance(module, nn.Linear):
                    nn.init.kaiming_uniform_(module.weight, a=1)
                    nn.init.zeros_(module.bias)
            for predictor, std in ((stage.classes, 0.01), (stage.box, 0.001)):
                nn.init.normal_(predictor.weight, std=std)
                nn.init.zeros_(predictor.bias)
        nn.init.kaiming_normal_(self.masks.upsample.weight, mode="fan_out", nonlinearity="relu")
        nn.init.normal_(self.masks.classes.weight, std=0.001)
        for module in (self.masks.upsample, self.masks.classes):
            assert module.bias is not None
            nn.init.zeros_(module.bias)
