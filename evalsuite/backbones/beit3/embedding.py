"""Tokens of images and texts with their positions: what goes into the first layer.

Axes: B batch, N patches and the class token, T text tokens, D width, P positions of a table.
"""

import torch
from torch import Tensor, nn

# Fairseq numbers positions from 2; rows 0 and 1 of both tables are never read.
FIRST_POSITION = 2


class VisionEmbedding(nn.Module):
    """Patches of an image as tokens behind a class token."""

    def __init__(self, width: int, patch_size: int) -> None:
        super().__init__()
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.proj = nn.Conv2d(3, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, image_BCHW: Tensor, masked_BN: Tensor | None = None) -> Tensor:
        """Return `[B, 1 + patches, D]`; patches where `masked_BN` holds become the mask token."""
        patches_BND = self.proj(image_BCHW).flatten(2).transpose(1, 2)
        if masked_BN is not None:
            patches_BND = torch.where(masked_BN[..., None], self.mask_token, patches_BND)
        return torch.cat([self.cls_token.expand(len(patches_BND), -1, -1), patches_BND], dim=1)


def image_tokens(
    embed: VisionEmbedding,
    positions_PD: Tensor,
    image_BCHW: Tensor,
    *,
    masked_BN: Tensor | None = None,
) -> Tensor:
    """Return image tokens with their positions, `[B, N, D]`."""
    tokens_BND = embed.forward(image_BCHW, masked_BN)
    return tokens_BND + positions_PD[FIRST_POSITION:]


def text_tokens(
    embed: nn.Embedding,
    positions_PD: Tensor,
    text_BT: Tensor,
    padding_BT: Tensor | None,
    first: int,
) -> Tensor:
    """Return text tokens with their positions, `[B, T, D]`, zero where padded.

    Args:
        first: how many tokens of the text came before these.

    Raises:
        ValueError: the text is longer than the position table.
    """
    start = FIRST_POSITION + first
    stop = start + text_BT.shape[1]
    if stop > len(positions_PD):
        raise ValueError(
            f"text of {first + text_BT.shape[1]} tokens: the backbone takes at most "
            f"{len(positions_PD) - FIRST_POSITION}"
        )
    tokens_BTD: Tensor = embed(text_BT) + positions_PD[start:stop]
    if padding_BT is None:
        return tokens_BTD
    return tokens_BTD.masked_fill(padding_BT.bool()[..., None], 0.0)
