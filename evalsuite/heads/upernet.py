"""UPerNet over a plain backbone, as BEiT's segmentation models have it, under mmseg's keys.

Axes: B batch, D width of the backbone, H W sides of a map, C classes.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import UperNetConfig
from transformers.models.upernet import modeling_upernet

from evalsuite.heads.scales import FourScales

# transformers' own types do not cover these.
Config: Any = UperNetConfig
UperNetHead: Any = modeling_upernet.UperNetHead
UperNetFCNHead: Any = modeling_upernet.UperNetFCNHead

DROPOUT = 0.1  # mmseg decode_head.py dropout_ratio; transformers' head has none
AUXILIARY_WIDTH = 256  # unilm beit/semantic_segmentation configs/_base_/models/upernet_beit.py
AUXILIARY_MAP = 2
AUXILIARY_WEIGHT = 0.4
CLASSIFIER_STD = 0.01  # mmseg decode_head.py init_cfg
IGNORED = 255
ONE_IMAGE = (
    "a micro-batch of one image: UPerNet's norm of the whole image's mean keeps its running "
    "statistics; a batch_size of whole micro-batches of 2 or more images trains it as published"
)
OURS_TO_MMSEG = {".batch_norm.": ".bn.", ".classifier.": ".conv_seg."}


@dataclass(frozen=True, kw_only=True)
class UperNetShape:
    """Sizes of the head: channels of the decoder and of the auxiliary head."""

    num_classes: int
    width: int
    auxiliary_width: int = AUXILIARY_WIDTH


class UperNet(nn.Module):
    """Class logits of every pixel from four maps of a backbone, at the scale of the finest.

    Its keys are mmseg's: `decode_head.conv_seg.weight` and so on; the four scales' are BEiT's.
    """

    def __init__(self, backbone_width: int, shape: UperNetShape, *, seed: int = 0) -> None:
        super().__init__()
        config = Config(
            num_labels=shape.num_classes,
            hidden_size=shape.width,
            auxiliary_channels=shape.auxiliary_width,
            auxiliary_in_channels=backbone_width,
        )
        widths = [backbone_width] * 4
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.scales = FourScales(backbone_width)
            self.decode_head = UperNetHead(config, widths)
            self.auxiliary_head = UperNetFCNHead(config, widths, in_index=AUXILIARY_MAP)
            self.decode_head.apply(initialise_mmseg)
            self.auxiliary_head.apply(initialise_mmseg)
            for head in (self.decode_head, self.auxiliary_head):
                nn.init.normal_(head.classifier.weight, std=CLASSIFIER_STD)
                nn.init.zeros_(head.classifier.bias)
                head.classifier.register_forward_pre_hook(_drop)
        self.register_state_dict_post_hook(_to_mmseg)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_from_mmseg)  # type: ignore[no-untyped-call]

    def forward(self, maps: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `logits` `[B, C, H, W]`, and in training the `auxiliary` head's.

        Of one image the map pooled to a single cell has no spread to be normalised by: there torch
        and mmseg raise, and here that one norm keeps its running statistics, with a warning.
        """
        if self.training:
            pooled = self.decode_head.psp_modules.blocks[0].get_submodule("1.batch_norm")
            pooled.train(len(maps[0]) > 1 or _is_synchronised(pooled))
            if not pooled.training:
                warnings.warn(ONE_IMAGE, stacklevel=2)
        scales = self.scales(maps)
        found: dict[str, Tensor] = {"logits": self.decode_head(scales)}
        if self.training:
            found["auxiliary"] = self.auxiliary_head(scales)
        return found

    def scores(self, maps: tuple[Tensor, ...], size: tuple[int, int]) -> Tensor:
        """Return class logits `[B, C, *size]` in fp32."""
        return resized(self.forward(maps)["logits"].float(), size)

    def loss(self, maps: tuple[Tensor, ...], truth_BHW: Tensor) -> Tensor:
        """Return the loss of label maps, a scalar in fp32; see `upernet_loss`."""
        return upernet_loss(self.forward(maps), truth_BHW)

    def probabilities(self, scores_BCHW: Tensor) -> Tensor:
        """Return what is averaged over the views of an image."""
        return scores_BCHW.softmax(dim=1)


def upernet_loss(outputs: Mapping[str, Tensor], truth_BHW: Tensor) -> Tensor:
    """Return the cross-entropy of both heads' pixels; 255 in the truth is left out.

    The sum is divided by all pixels, those left out too, so that a batch without labels gives 0.

    Source: mmseg 1.2.2 losses/cross_entropy_loss.py with avg_non_ignore False.
    """
    loss = pixel_loss(outputs["logits"], truth_BHW)
    if "auxiliary" in outputs:
        loss = loss + AUXILIARY_WEIGHT * pixel_loss(outputs["auxiliary"], truth_BHW)
    return loss


def pixel_loss(logits_BCHW: Tensor, truth_BHW: Tensor) -> Tensor:
    """Return the cross-entropy of logits that are brought to the size of the truth."""
    height, width = truth_BHW.shape[1:]
    logits = resized(logits_BCHW.float(), (height, width))
    truth = truth_BHW.long()
    return F.cross_entropy(logits, truth, ignore_index=IGNORED, reduction="sum") / truth.numel()


def resized(maps_BCHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Return maps of another size, bilinear, corners not aligned."""
    if tuple(maps_BCHW.shape[2:]) == size:
        return maps_BCHW
    return F.interpolate(maps_BCHW, size=size, mode="bilinear", align_corners=False)


def initialise_mmseg(module: nn.Module) -> None:
    """Fill a convolution as mmcv's ConvModule does; norms keep 1 and 0."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _is_synchronised(norm: nn.Module) -> bool:
    """Return whether a norm sees the images of other processes too."""
    return isinstance(norm, nn.SyncBatchNorm) and torch.distributed.get_world_size() > 1


def _drop(classifier: nn.Module, inputs: tuple[Tensor]) -> Tensor:
    """Drop whole channels of what enters a classifier while it trains."""
    return F.dropout2d(inputs[0], DROPOUT, training=classifier.training)


def _to_mmseg(module: nn.Module, state: dict[str, Tensor], prefix: str, _: Any) -> None:
    """Give the keys of a saved head mmseg's names."""
    for key in [key for key in state if key.startswith(prefix)]:
        name = key.removeprefix(prefix).removeprefix("scales.")
        for ours, mmseg in OURS_TO_MMSEG.items():
            name = name.replace(ours, mmseg)
        state[prefix + name] = state.pop(key)


def _from_mmseg(module: nn.Module, state: dict[str, Tensor], prefix: str, *unused: Any) -> None:
    """Give the keys of a head to load our modules' names."""
    for key in [key for key in state if key.startswith(prefix)]:
        name = key.removeprefix(prefix)
        for ours, mmseg in OURS_TO_MMSEG.items():
            name = name.replace(mmseg, ours)
        if name.startswith("fpn"):
            name = f"scales.{name}"
        state[prefix + name] = state.pop(key)
