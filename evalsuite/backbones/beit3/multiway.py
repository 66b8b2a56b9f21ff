"""Parts of a multiway transformer: one attention over image and text, experts per modality.

Axes: B batch, L tokens, D width, H heads, E = 3D. Experts are named as in the released files:
"A" image, "B" text, "AB" both.
"""

from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

IMAGE, TEXT, SHARED = "A", "B", "AB"
LAYER_NORM_EPS = 1e-5  # torchscale EncoderConfig.layernorm_eps @4d1e0e8

Streams = Mapping[str, Tensor]


class Attention(nn.Module):
    """The weights of self-attention of one modality: what happens before and after the mixing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        # One product instead of three: measured faster; the released files hold q, k and v apart.
        self.qkv = nn.Linear(width, 3 * width)
        self.inner_norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.out = nn.Linear(width, width)

    def project(self, tokens_BLD: Tensor) -> Tensor:
        """Return queries, keys and values side by side, `[B, L, 3D]`."""
        projected: Tensor = self.qkv(self.norm(tokens_BLD))
        return projected

    def finish(self, mixed_BLD: Tensor) -> Tensor:
        """Return the residual of mixed values, with Magneto's norm before the output product."""
        residual: Tensor = self.out(self.inner_norm(mixed_BLD))
        return residual


class FeedForward(nn.Module):
    """Pre-norm feed-forward expert with Magneto's second norm after the activation."""

    def __init__(self, width: int, ffn_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.fc1 = nn.Linear(width, ffn_width)
        self.inner_norm = nn.LayerNorm(ffn_width, eps=LAYER_NORM_EPS)
        self.fc2 = nn.Linear(ffn_width, width)

    def forward(self, tokens_BLD: Tensor) -> Tensor:
        """Return the residual of the tokens."""
        residual: Tensor = self.fc2(self.inner_norm(F.gelu(self.fc1(self.norm(tokens_BLD)))))
        return residual


class Layer(nn.Module):
    """One layer over the concatenation of the streams that are present.

    Args:
        shared_attention: one set of attention weights for both modalities (the paper's layers);
            the released models have one per modality.
        fusion_expert: a third feed-forward that takes all tokens when both modalities are there.
        drop_path: chance that a sample skips a residual of this layer while training.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        ffn_width: int,
        *,
        shared_attention: bool = False,
        fusion_expert: bool = False,
        drop_path: float = 0.0,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.drop_path = drop_path
        attentions = (SHARED,) if shared_attention else (IMAGE, TEXT)
        self.attention = nn.ModuleDict({name: Attention(width) for name in attentions})
        experts = (IMAGE, TEXT, SHARED) if fusion_expert else (IMAGE, TEXT)
        self.ffn = nn.ModuleDict({name: FeedForward(width, ffn_width) for name in experts})

    def forward(self, streams: Streams, attend_mask: Tensor | None) -> dict[str, Tensor]:
        """Return the streams after this layer.

        Args:
            streams: `[B, L_m, D]` per modality; all tokens attend to each other in this order.
            attend_mask: bool, broadcast to `[B, H, L, L]`; True where a query may see a key.
        """
        qkv_BLE = torch.cat([self.attention_of(m).project(x) for m, x in streams.items()], dim=1)
        query, key, value = split_heads(qkv_BLE, self.num_heads)
        mixed_BLD = mix(query, key, value, attend_mask)
        return self.after_attention(streams, mixed_BLD, fused=len(streams) > 1)

    def after_attention(
        self, streams: Streams, mixed_BLD: Tensor, *, fused: bool
    ) -> dict[str, Tensor]:
        """Return the streams after both residuals, given the mixed values of all their tokens.

        `fused` says that both modalities are at work, even if only one is in the streams.
        """
        mixed = torch.split(mixed_BLD, [x.shape[1] for x in streams.values()], dim=1)
        # The official model joins image and text before it drops: a sample loses both or neither.
        keep = self._keep(mixed_BLD)
        attended = {
            m: x + _scaled(self.attention_of(m).finish(part), keep)
            for (m, x), part in zip(streams.items(), mixed, strict=True)
        }
        keep = self._keep(mixed_BLD)
        return {m: x + _scaled(self.ffn_of(m, fused)(x), keep) for m, x in attended.items()}

    def attention_of(self, modality: str) -> Attention:
        """Return the attention weights for tokens of a modality."""
        shared = SHARED in self.attention
        module = self.attention[SHARED if shared else modality]
        assert isinstance(module, Attention)
        return module

    def ffn_of(self, modality: str, fused: bool) -> nn.Module:
        """Return the feed-forward expert for tokens of a modality."""
        return self.ffn[SHARED if fused and SHARED in self.ffn else modality]

    def _keep(self, like_BLD: Tensor) -> Tensor | None:
        """Return per sample 0 or 1/(1 - drop_path), as timm's drop_path; None keeps all."""
        if self.drop_path == 0.0 or not self.training:
            return None
        kept = 1.0 - self.drop_path
        return like_BLD.new_empty((like_BLD.shape[0], 1, 1)).bernoulli_(kept).div_(kept)


def through_layers(
    layers: Iterable[nn.Module],
    streams: dict[str, Tensor],
    attend_mask: Tensor | None,
    *,
    saving: bool,
) -> dict[str, Tensor]:
    """Return the streams after all layers; `saving` keeps only their inputs for backward."""
    for layer in layers:
        if saving:
            streams = checkpoint(layer, streams, attend_mask, use_reentrant=False)
        else:
            streams = layer(streams, attend_mask)
    return streams


def _scaled(residual: Tensor, keep: Tensor | None) -> Tensor:
    """Return the residual times the factor of its sample."""
    return residual if keep is None else residual * keep


def split_heads(qkv_BLE: Tensor, num_heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value, each `[B, H, L, D/H]`."""
    batch, length, _ = qkv_BLE.shape
    parts = qkv_BLE.view(batch, length, 3, num_heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = parts.unbind(0)
    return query, key, value


def mix(query: Tensor, key: Tensor, value: Tensor, attend_mask: Tensor | None) -> Tensor:
    """Return softmax(q k^T / sqrt(D/H)) v, heads side by side: `[B, L, D]`."""
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attend_mask)
    return mixed.transpose(1, 2).flatten(2)


def prefix_mask(num_image_tokens: int, num_text_tokens: int, device: torch.device) -> Tensor:
    """Return `[L, L]` bool, True where a query (row) sees a key: text never leaks backwards.

    The image sees only itself, so its features do not depend on the text.
    """
    visible = torch.ones(2 * (num_image_tokens + num_text_tokens,), dtype=torch.bool, device=device)
    visible.tril_()
    visible[:num_image_tokens, :num_image_tokens] = True
    return visible
