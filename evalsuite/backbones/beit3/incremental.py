"""Text token by token behind an image that is encoded once.

Axes: B images, R = B x K rows (K texts an image), H heads, N image tokens, P remembered text
tokens, T new ones, D width.
"""

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from evalsuite.backbones.beit3.multiway import IMAGE, TEXT, Layer, mix, split_heads
from evalsuite.contracts.backbone import Memory


def remembered(layers: nn.ModuleList, tokens_BND: Tensor) -> Memory:
    """Return every layer's keys and values of embedded images."""
    memory = []
    for layer in cast(Iterable[Layer], layers):
        qkv_BNE = layer.attention_of(IMAGE).project(tokens_BND)
        query, key, value = split_heads(qkv_BNE, layer.num_heads)
        memory.append((key, value))
        mixed_BND = mix(query, key, value, None)
        tokens_BND = layer.after_attention({IMAGE: tokens_BND}, mixed_BND, fused=True)[IMAGE]
    keys, values = zip(*memory, strict=True)
    return Memory(keys, values)


def continued(
    layers: nn.ModuleList, tokens_RTD: Tensor, image: Memory, past: Memory | None
) -> tuple[Tensor, Memory]:
    """Return the last layer's features of embedded text tokens, and the memory with them added."""
    memory = []
    for index, layer in enumerate(cast(Iterable[Layer], layers)):
        qkv_RTE = layer.attention_of(TEXT).project(tokens_RTD)
        query, key, value = split_heads(qkv_RTE, layer.num_heads)
        if past is not None:
            key = torch.cat([past.keys[index], key], dim=2)
            value = torch.cat([past.values[index], value], dim=2)
        memory.append((key, value))
        mixed_RTD = _mix_rows(query, key, value, image.keys[index], image.values[index])
        tokens_RTD = layer.after_attention({TEXT: tokens_RTD}, mixed_RTD, fused=True)[TEXT]
    keys, values = zip(*memory, strict=True)
    return tokens_RTD, Memory(keys, values)


def _mix_rows(
    query: Tensor, key: Tensor, value: Tensor, image_key: Tensor, image_value: Tensor
) -> Tensor:
    """Return `[R, T, D]`: queries attend to their image and to their own row's earlier tokens.

    The image's keys are read in place by all rows of an image, never repeated or joined: they are
    nearly all of the memory.
    """
    rows, _, new, size = query.shape
    images = len(image_key)
    query = query * size**-0.5
    to_image = _per_row(_per_image(query, images) @ image_key.transpose(2, 3), rows)
    to_text = query @ key.transpose(2, 3)
    before = key.shape[2] - new
    visible = torch.ones(new, key.shape[2], dtype=torch.bool, device=key.device).tril(before)
    scores = torch.cat([to_image, to_text.masked_fill(~visible, -torch.inf)], dim=3)
    weights = scores.float().softmax(dim=3).to(value.dtype)
    num_image_tokens = image_key.shape[2]
    of_image = _per_image(weights[..., :num_image_tokens], images) @ image_value
    mixed: Tensor = _per_row(of_image, rows) + weights[..., num_image_tokens:] @ value
    return mixed.transpose(1, 2).flatten(2)


def _per_image(x_RHTX: Tensor, images: int) -> Tensor:
    """Return `[B, H, K x T, X]`: the texts of an image as one set of queries."""
    rows, heads, new, last = x_RHTX.shape
    grouped = x_RHTX.reshape(images, rows // images, heads, new, last)
    return grouped.transpose(1, 2).flatten(2, 3)


def _per_row(x_BHQX: Tensor, rows: int) -> Tensor:
    """Return `[R, H, T, X]`: what `_per_image` joined, apart again."""
    images, heads, queries, last = x_BHQX.shape
    texts = rows // images
    apart = x_BHQX.view(images, heads, texts, queries // texts, last)
    return apart.transpose(1, 2).flatten(0, 1)
