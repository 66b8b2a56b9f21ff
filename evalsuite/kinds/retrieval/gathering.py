"""Samples of all processes side by side, for losses that compare samples with each other."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def num_processes() -> int:
    """Return how many processes work together, 1 where none were joined."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gathered(rows_ND: Tensor) -> tuple[Tensor, int]:
    """Return the rows of all processes in rank order, and the place of this process's first one.

    Gradients flow back to the process that a row came from, summed over all processes. Every
    process must call this, and go backward through it, as often as the others; they may hold
    different numbers of rows.
    """
    if num_processes() == 1:
        return rows_ND, 0
    mine = torch.tensor(len(rows_ND), device=rows_ND.device)
    counts = [torch.empty_like(mine) for _ in range(num_processes())]
    dist.all_gather(counts, mine)
    sizes = [int(count) for count in counts]
    rows: Tensor = _Gather.apply(rows_ND, sizes)
    return rows, sum(sizes[: dist.get_rank()])


class _Gather(torch.autograd.Function):
    """All-gather whose backward sums the gradients of all processes.

    The rows are filled up to the largest number that a process holds: gloo takes equal shapes only.
    """

    @staticmethod
    def forward(ctx: Any, rows_ND: Tensor, sizes: list[int]) -> Tensor:
        first = sum(sizes[: dist.get_rank()])
        ctx.own = slice(first, first + len(rows_ND))
        filled = rows_ND.new_zeros(max(sizes), *rows_ND.shape[1:])
        filled[: len(rows_ND)] = rows_ND
        parts = [torch.empty_like(filled) for _ in sizes]
        dist.all_gather(parts, filled)
        return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[ctx.own], None
