"""Mixup and CutMix with soft targets, as the official ImageNet recipe has them.

Source: timm 0.4.12 data/mixup.py, mode "batch": one mixture for all images of a batch.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

SWITCH = 0.5  # unilm beit3/run_beit3_finetuning.py --mixup_switch_prob @768a3c8


class Mixture(NamedTuple):
    """How images are mixed with those of the batch in reverse.

    `share` is what each image keeps. `box` (top, bottom, left, right in pixels) is the part that
    CutMix replaces; None blends the whole image.
    """

    share: float
    box: tuple[int, int, int, int] | None


def draw_mixture(generator: np.random.Generator, mixup: float, cutmix: float, size: int) -> Mixture:
    """Return a mixture for square images of `size` pixels; alpha 0 switches a kind off."""
    if mixup <= 0 and cutmix <= 0:
        return Mixture(1.0, None)
    cuts = cutmix > 0 and (mixup <= 0 or generator.random() < SWITCH)
    if not cuts:
        return Mixture(float(generator.beta(mixup, mixup)), None)
    side = int(size * np.sqrt(1 - generator.beta(cutmix, cutmix)))
    y, x = (int(place) for place in generator.integers(0, size, 2))
    half = side // 2  # an odd side loses a pixel, as in 0.4.12; later timm keeps it
    edges = (y - half, y + half, x - half, x + half)
    top, bottom, left, right = (min(max(edge, 0), size) for edge in edges)
    # The border may cut the box: the share is that of the pixels that are left.
    return Mixture(1 - (bottom - top) * (right - left) / size**2, (top, bottom, left, right))


def mixed_images(image_BCHW: Tensor, mixture: Mixture) -> Tensor:
    """Return every image mixed with its opposite in the batch."""
    if mixture.share == 1.0:
        return image_BCHW
    opposite_BCHW = image_BCHW.flip(0)
    if mixture.box is None:
        return image_BCHW * mixture.share + opposite_BCHW * (1 - mixture.share)
    top, bottom, left, right = mixture.box
    mixed_BCHW = image_BCHW.clone()
    mixed_BCHW[..., top:bottom, left:right] = opposite_BCHW[..., top:bottom, left:right]
    return mixed_BCHW


def soft_targets(
    label_B: Tensor, num_classes: int, smoothing: float, mixture: Mixture | None = None
) -> Tensor:
    """Return smoothed targets `[B, C]`, mixed as the images are."""
    rest = smoothing / num_classes
    target_BC = torch.full((len(label_B), num_classes), rest)
    target_BC.scatter_(1, label_B[:, None], 1 - smoothing + rest)
    if mixture is None:
        return target_BC
    return target_BC * mixture.share + target_BC.flip(0) * (1 - mixture.share)


def soft_target_loss(logits_BC: Tensor, target_BC: Tensor) -> Tensor:
    """Return the cross-entropy of soft targets, averaged over images."""
    return -(target_BC * logits_BC.float().log_softmax(dim=-1)).sum(dim=-1).mean()
