"""A feature pyramid from the single map of a plain transformer.

Axes: B batch, D the backbone's width, C the pyramid's, H x W cells.
"""

import torch.nn.functional as F
from torch import Tensor, nn

LAYER_NORM_EPS = 1e-6  # detectron2 layers/batch_norm.py LayerNorm


class LayerNorm2d(nn.LayerNorm):
    """Layer norm over the channels of every cell of `[B, C, H, W]`."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=LAYER_NORM_EPS)

    def forward(self, input: Tensor) -> Tensor:
        """Return the normed map."""
        return super().forward(input.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SimplePyramid(nn.Module):
    """Maps at several scales, each made from the one map of the backbone, and a coarsest one.

    Args:
        patch_size: pixels per cell of the backbone's map.
        scales: cells per cell of that map, the finest first: 4, 2, 1 or 0.5.

    Attributes:
        strides: pixels per cell of every level, the finest first; 3.5 for patches of 14.

    Source: arXiv:2203.16527 section 3; detectron2 modeling/backbone/vit.py SimpleFeaturePyramid.
    """

    def __init__(self, in_width: int, width: int, patch_size: int, scales: tuple[float, ...]):
        super().__init__()
        strides = [patch_size / scale for scale in scales]
        self.strides = (*strides, 2 * strides[-1])
        self.levels = nn.ModuleList(_level(in_width, width, scale) for scale in scales)

    def forward(self, map_BDHW: Tensor) -> list[Tensor]:
        """Return the levels `[B, C, H, W]`, the finest first."""
        levels = [level(map_BDHW) for level in self.levels]
        return [*levels, F.max_pool2d(levels[-1], kernel_size=1, stride=2)]


def _level(in_width: int, width: int, scale: float) -> nn.Sequential:
    """Return what makes one level: to its scale, then to its width."""
    half, quarter = in_width // 2, in_width // 4
    resize: dict[float, tuple[list[nn.Module], int]] = {
        4.0: (
            [_double(in_width, half), LayerNorm2d(half), nn.GELU(), _double(half, quarter)],
            quarter,
        ),
        2.0: ([_double(in_width, half)], half),
        1.0: ([], in_width),
        0.5: ([nn.MaxPool2d(2)], in_width),
    }
    modules, resized_width = resize[scale]
    return nn.Sequential(
        *modules,
        nn.Conv2d(resized_width, width, 1, bias=False),
        LayerNorm2d(width),
        nn.Conv2d(width, width, 3, padding=1, bias=False),
        LayerNorm2d(width),
    )


def _double(in_width: int, width: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(in_width, width, kernel_size=2, stride=2)
