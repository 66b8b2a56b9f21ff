"""BEiT-3 base, ours and torchscale's with the same random weights, and what to feed it."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from evalsuite.backbones.beit3.config import CONFIGS
from evalsuite.backbones.beit3.model import Beit3

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from torchscale_beit3 import official_beit3

BASE = CONFIGS["beit3_base"]
SEED = 0


def ours(image_size: int) -> Beit3:
    """Return our model."""
    return Beit3(replace(BASE, image_size=image_size), seed=SEED).eval()


def official(image_size: int) -> nn.Module:
    """Return torchscale's model with the weights of ours."""
    model = ours(image_size)
    theirs = official_beit3(model.config)
    theirs.load_state_dict(model.to_official(model.state_dict()))
    return theirs


def images(count: int, image_size: int) -> Tensor:
    """Return normalised noise, `[B, 3, H, W]`."""
    generator = torch.Generator().manual_seed(SEED)
    return torch.randn(count, 3, image_size, image_size, generator=generator)


def texts(count: int, seed: int) -> list[list[int]]:
    """Return token ids `<s> ... </s>` as long as COCO's captions: 12 pieces give or take 2.4.

    COCO captions have 10.5 words on average (Chen et al. 2015, arXiv:1504.00325).
    """
    generator = np.random.default_rng(seed)
    lengths = np.clip(generator.lognormal(np.log(11.8), 0.2, count).round(), 6, 62).astype(int)
    return [[0, *generator.integers(4, 64000, length).tolist(), 2] for length in lengths]


def some(features_ND: Tensor) -> list[float]:
    """Return eight values of the features, rounded: equal where models agree to 1e-5."""
    values: list[float] = features_ND.flatten()[:: max(1, features_ND.numel() // 7)].tolist()
    return [round(value, 2) for value in values]
