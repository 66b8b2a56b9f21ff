"""How narrowly a prediction won, for counting near-ties."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from evalsuite.contracts.task import Decision


def decided(
    predictions: Sequence[Any], scores_BC: Tensor, *, borders: Sequence[int] = (1,)
) -> list[Decision]:
    """Return predictions that are the best of C alternatives.

    Args:
        borders: how many of the best are told from the rest: (1, 5) where it matters which is the
            first and which are the first five, and not their order.
    """
    scores_BC = scores_BC.float()
    lasts = [min(border, scores_BC.shape[1]) - 1 for border in borders]
    # Behind the last alternative comes none that could pass it.
    listed_BC = F.pad(scores_BC, (0, 1), value=-math.inf)
    best_BR = listed_BC.topk(max(lasts) + 2, dim=1).values
    gap_B = (best_BR[:, :-1] - best_BR[:, 1:])[:, lasts].amin(dim=1)
    margin_B = gap_B / torch.linalg.vector_norm(scores_BC, math.inf, dim=1).clamp(min=1)
    return [Decision(*one) for one in zip(predictions, margin_B.tolist(), strict=True)]
