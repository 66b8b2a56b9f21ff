"""Class tokens trained by masked prediction: BEiT v2's patch aggregation, for words as well.

Axes: B samples, L tokens (of an image, a text or both), D width.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from evalsuite.backbones.beit3.model import Beit3
from evalsuite.contracts.backbone import Backbone, Features
from evalsuite.pretraining.layers import PlainLayer

LAYER_NORM_EPS = 1e-5


class Aggregator(nn.Module):
    """Predicts what is hidden from final class tokens and an early layer's other tokens.

    The early tokens know little of what is hidden, so the class tokens have to hold it. A text's
    first token is a class token as well. Thrown away after pretraining.

    Source: arXiv:2208.06366 section 3.3.
    """

    def __init__(self, width: int, num_layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PlainLayer(width) for _ in range(num_layers))
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)

    def forward(self, final: Features, early_BLD: Tensor) -> Features:
        """Return features in the order of `final`."""
        num_image, length = final.num_image_tokens, early_BLD.shape[1]
        is_class_L = torch.zeros(length, dtype=torch.bool, device=early_BLD.device)
        is_class_L[0] = True
        if num_image < length:
            is_class_L[num_image] = True
        tokens_BLD = torch.where(is_class_L[:, None], final.tokens_BLD, early_BLD)
        attend = None if final.padding_BL is None else ~final.padding_BL[:, None, None, :]
        for layer in self.layers:
            tokens_BLD = layer(tokens_BLD, attend)
        return final._replace(tokens_BLD=self.norm(tokens_BLD))


@contextmanager
def early_tokens(backbone: Backbone, layer: int) -> Iterator[list[Tensor]]:
    """Give a list to which each pass through the backbone adds the tokens `[B, L, D]` of a layer.

    Args:
        layer: how many layers the tokens have passed, 1 to the backbone's depth.
    """
    assert isinstance(backbone, Beit3)
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: Any, streams: dict[str, Tensor]) -> None:
        kept.append(torch.cat(list(streams.values()), dim=1))

    handle = backbone.layers[layer - 1].register_forward_hook(keep)
    try:
        yield kept
    finally:
        handle.remove()
