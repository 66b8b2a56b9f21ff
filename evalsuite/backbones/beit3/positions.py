"""Positions of patches: a table that was learnt on one grid, for a grid of another size."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from evalsuite.backbones.beit3.init import sine_table
from evalsuite.records.errors import UserError

# Two rows that are never read and the class token come before the patches.
NUM_FIXED_ROWS = 3
Grid = tuple[int, int]  # patches: rows, columns


def regridded(table_PD: Tensor, old: Grid, new: Grid, *, began_as_sines: bool) -> Tensor:
    """Return an image position table of a grid of patches for another one.

    A tiny model's table began as sines, which every grid has exactly: only what was learnt on
    top is interpolated. From 4 x 4 patches to 16 x 16 that is worth 5 points of tiny box AP.
    """
    resized = resampled_positions(table_PD, old, new)
    if not began_as_sines or old == new:
        return resized
    start, exact = (sine_table(grid, table_PD.shape[1]).to(table_PD) for grid in (old, new))
    return resized - resampled_positions(start, old, new) + exact


def resampled_positions(table: Tensor, grid_in: Grid, grid: Grid) -> Tensor:
    """Return an image position table of a grid of patches for another grid.

    The first three rows stay; the patch rows are a picture, resampled bicubically.

    Source: unilm beit3/utils.py load_model_and_may_interpolate @768a3c8 (bicubic, corners not
    aligned, no antialiasing).
    """
    if grid_in == grid:
        return table
    fixed, patches = table.float().tensor_split([NUM_FIXED_ROWS])
    picture = patches.reshape(1, *grid_in, -1).permute(0, 3, 1, 2)
    resized = F.interpolate(picture, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([fixed, resized.permute(0, 2, 3, 1).flatten(0, 2)]).to(table.dtype)


def side_of(num_rows: int) -> int:
    """Return the patches per side of the square that an image position table is for.

    Raises:
        UserError: it is for none.
    """
    num_patches = num_rows - NUM_FIXED_ROWS
    side = math.isqrt(max(num_patches, 0))
    if side == 0 or side * side != num_patches:
        raise UserError(
            f"image positions of {num_rows} rows: expected 3 + a square of "
            "patches; is this a BEiT-3 checkpoint?"
        )
    return side
