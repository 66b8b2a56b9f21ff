"""Token ids as tensors."""

from collections.abc import Sequence

import torch
from torch import Tensor


def padded(texts: Sequence[Sequence[int]], pad_id: int) -> tuple[Tensor, Tensor]:
    """Return ids `[B, T]`, as long as the longest text, and where they hold no token (True)."""
    length = max(len(text) for text in texts)
    ids_BT = torch.full((len(texts), length), pad_id, dtype=torch.long)
    for row, text in enumerate(texts):
        ids_BT[row, : len(text)] = torch.tensor(text, dtype=torch.long)
    lengths_B = torch.tensor([len(text) for text in texts])
    return ids_BT, torch.arange(length)[None, :] >= lengths_B[:, None]
