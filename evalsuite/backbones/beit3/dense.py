"""Layers over a grid of image tokens: attention inside windows, so that large images stay cheap.

Axes: B batch, L tokens (the class token, then H x W patches row by row), D width, E = 3D, N windows
of one image, S patches per side of a window.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from evalsuite.backbones.beit3.multiway import IMAGE, Layer, mix, split_heads


def grid_states(
    layers: Iterable[nn.Module],
    tokens_BLD: Tensor,
    grid: tuple[int, int],
    windows: Sequence[int | None],
    *,
    saving: bool,
) -> Iterator[Tensor]:
    """Yield image tokens after each layer; `saving` keeps only the layers' inputs for backward.

    Args:
        windows: patches per side of each layer's windows; None attends globally.
    """
    for layer, side in zip(layers, windows, strict=True):
        assert isinstance(layer, Layer)
        if saving:
            tokens_BLD = checkpoint(_after, layer, tokens_BLD, grid, side, use_reentrant=False)
        else:
            tokens_BLD = _after(layer, tokens_BLD, grid, side)
        yield tokens_BLD


def _after(layer: Layer, tokens_BLD: Tensor, grid: tuple[int, int], side: int | None) -> Tensor:
    if side is None:
        return layer.forward({IMAGE: tokens_BLD}, None)[IMAGE]
    return windowed(layer, tokens_BLD, grid, side)


def windowed(layer: Layer, tokens_BLD: Tensor, grid: tuple[int, int], side: int) -> Tensor:
    """Return image tokens after a layer whose patches attend to their own window only.

    Windows of `side` x `side` patches lie side by side from the top left; those at the right and
    the bottom may hold fewer, and nothing attends to what is not there. The class token belongs to
    every window, and its attention is the mean over them: in an image of one window this is the
    plain layer.

    Source: arXiv:2203.16527 section 3, which has no class token and lets patches attend to zeros.
    """
    qkv_BLE = layer.attention_of(IMAGE).project(tokens_BLD)
    batch, _, width = qkv_BLE.shape
    class_B1E, patches = qkv_BLE[:, :1], qkv_BLE[:, 1:].reshape(batch, *grid, width)
    windows_BNSSE = partition(patches, side)
    count = windows_BNSSE.shape[1]
    pieces = windows_BNSSE.flatten(2, 3)
    pieces = torch.cat([class_B1E[:, None].expand(-1, count, -1, -1), pieces], dim=2)
    query, key, value = split_heads(pieces.flatten(0, 1), layer.num_heads)
    mixed = mix(query, key, value, _filled(grid, side, batch, tokens_BLD.device))
    mixed_BNLD = mixed.reshape(batch, count, *mixed.shape[1:])
    class_BD = mixed_BNLD[:, :, 0].mean(dim=1)
    squares = mixed_BNLD[:, :, 1:].reshape(batch, count, side, side, -1)
    mixed_BLD = torch.cat([class_BD[:, None], join(squares, grid).flatten(1, 2)], dim=1)
    return layer.after_attention({IMAGE: tokens_BLD}, mixed_BLD, fused=False)[IMAGE]


def partition(grid_BHWC: Tensor, side: int) -> Tensor:
    """Return a grid as windows `[B, N, S, S, C]`, row by row, zeros where the grid has ended."""
    batch, height, width, channels = grid_BHWC.shape
    padded = F.pad(grid_BHWC, (0, 0, 0, -width % side, 0, -height % side))
    shape = (batch, -(-height // side), side, -(-width // side), side, channels)
    return padded.reshape(shape).transpose(2, 3).flatten(1, 2)


def join(windows_BNSSC: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return windows as the grid `[B, H, W, C]` that they came from."""
    height, width = grid
    batch, _, side, _, channels = windows_BNSSC.shape
    shape = (batch, -(-height // side), -(-width // side), side, side, channels)
    rows = windows_BNSSC.reshape(shape).transpose(2, 3)
    return rows.flatten(3, 4).flatten(1, 2)[:, :height, :width]


def _filled(grid: tuple[int, int], side: int, batch: int, device: torch.device) -> Tensor | None:
    """Return `[B N, 1, 1, 1 + S S]`, True for tokens that exist; None where windows are full."""
    height, width = grid
    if height % side == 0 and width % side == 0:
        return None
    exists = torch.ones((1, height, width, 1), dtype=torch.bool, device=device)
    exists_NL = F.pad(partition(exists, side)[0].flatten(1), (1, 0), value=True)
    return exists_NL.repeat(batch, 1)[:, None, None]
