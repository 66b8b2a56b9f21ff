"""Mask2Former over a plain backbone: queries that each name a class and a mask.

Axes: B batch, N images' labelled classes, Q queries, C classes, H W sides of a map, L decoder
layers. All starting weights are set here, as in the original code: transformers 5.17 and 5.23 do
not start alike (query and level embeddings, mask layers).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import Mask2FormerConfig
from transformers.models.mask2former.modeling_mask2former import (
    Mask2FormerLoss,
    Mask2FormerMaskedAttentionDecoderLayer,
    Mask2FormerPixelDecoder,
    Mask2FormerPixelDecoderEncoderLayer,
    Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention,
    Mask2FormerTransformerModule,
)

from evalsuite.heads.scales import FourScales
from evalsuite.heads.upernet import IGNORED, resized

Config: Any = Mask2FormerConfig  # its own types do not know the settings of its base


@dataclass(frozen=True, kw_only=True)
class Mask2FormerShape:
    """Sizes of the head; the defaults are those of the paper, arXiv:2112.01527 section 4."""

    num_classes: int
    width: int = 256
    num_queries: int = 100
    encoder_layers: int = 6
    decoder_layers: int = 9
    num_points: int = 12544

    def config(self) -> Any:
        """Return the sizes as transformers takes them.

        Feature size and width are equal: where they differ, 5.17 hides parameters from training.
        """
        return Config(
            num_labels=self.num_classes,
            feature_size=self.width,
            mask_feature_size=self.width,
            hidden_dim=self.width,
            encoder_feedforward_dim=4 * self.width,
            dim_feedforward=8 * self.width,
            num_attention_heads=max(1, self.width // 32),
            num_queries=self.num_queries,
            encoder_layers=self.encoder_layers,
            decoder_layers=self.decoder_layers + 1,  # transformers counts the first prediction
            train_num_points=self.num_points,
        )


class Mask2Former(nn.Module):
    """Class and mask logits of every query from four maps of a backbone."""

    def __init__(self, backbone_width: int, shape: Mask2FormerShape, *, seed: int = 0) -> None:
        super().__init__()
        config = shape.config()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.scales = FourScales(backbone_width)
            self.pixel_decoder = Mask2FormerPixelDecoder(config, [backbone_width] * 4)
            self.transformer_module = Mask2FormerTransformerModule(shape.width, config)
            self.class_predictor = nn.Linear(shape.width, shape.num_classes + 1)
            self.pixel_decoder.apply(_initialise)
            self.transformer_module.apply(_initialise)
            nn.init.normal_(self.pixel_decoder.level_embed)
            projections: Any = self.pixel_decoder.input_projections
            for projection, _ in projections:
                nn.init.xavier_uniform_(projection.weight)
        self._loss = MaskLoss(shape)

    def forward(self, maps: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Return `classes` `[B, L, Q, C + 1]` and `masks` `[B, L, Q, H, W]`, the last layer last.

        The last class is "nothing". Outside of training only the last layer's are returned.
        """
        scales = [one.float() for one in self.scales(maps)]
        # In full precision as in the original: "deformable detr does not support half precision".
        with torch.autocast(maps[0].device.type, enabled=False):
            decoded = self.pixel_decoder(scales, return_dict=True)
        found = self.transformer_module(decoded.multi_scale_features, decoded.mask_features)
        kept = slice(None) if self.training else slice(-1, None)
        # Of each layer [Q, B, width].
        states = torch.stack(found.intermediate_hidden_states[kept]).permute(2, 0, 1, 3)
        masks = torch.stack(found.masks_queries_logits[kept], dim=1)
        return {"classes": self.class_predictor(states), "masks": masks}

    def scores(self, maps: tuple[Tensor, ...], size: tuple[int, int]) -> Tensor:
        """Return class scores `[B, C, *size]` from 0 on: masks weighted by their queries' classes.

        Masks are brought to the size first, as in the original code; transformers' own processor
        goes by way of 384 x 384.
        """
        found = self.forward(maps)
        classes = found["classes"][:, -1].float().softmax(dim=-1)[..., :-1]
        masks = resized(found["masks"][:, -1].float(), size).sigmoid()
        return torch.einsum("bqc,bqhw->bchw", classes, masks)

    def loss(self, maps: tuple[Tensor, ...], truth_BHW: Tensor) -> Tensor:
        """Return the loss of label maps, a scalar in fp32; see `MaskLoss`."""
        return self._loss(self.forward(maps), truth_BHW)

    def probabilities(self, scores_BCHW: Tensor) -> Tensor:
        """Return what is averaged over the views of an image."""
        return scores_BCHW


class MaskLoss:
    """Mask2Former's loss of label maps: matched queries' classes, masks and overlaps."""

    def __init__(self, shape: Mask2FormerShape) -> None:
        config = shape.config()
        self._weights = {
            "loss_cross_entropy": config.class_weight,
            "loss_mask": config.mask_weight,
            "loss_dice": config.dice_weight,
        }
        self._criterion = Mask2FormerLoss(config, self._weights)

    def __call__(self, outputs: Mapping[str, Tensor], truth_BHW: Tensor) -> Tensor:
        """Return the weighted loss, summed over layers; unlabelled pixels belong to no mask.

        It is divided by the masks that a process has on average in its micro-batch, as in the
        original by those of a GPU.
        """
        criterion = self._criterion.to(truth_BHW.device)
        masks, labels = _masks_of(truth_BHW)
        layers = [
            {
                "class_queries_logits": outputs["classes"][:, layer].float(),
                "masks_queries_logits": outputs["masks"][:, layer].float(),
            }
            for layer in range(outputs["classes"].shape[1])
        ]
        parts: dict[str, Tensor] = criterion(
            **layers[-1],
            mask_labels=masks,
            class_labels=labels,
            auxiliary_predictions=layers[:-1],
        )
        total = truth_BHW.new_zeros((), dtype=torch.float32)
        for name, weight in self._weights.items():
            for key, value in parts.items():
                total = total + weight * value if key.startswith(name) else total
        return total


def _masks_of(truth_BHW: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Return of each image the masks `[N, H, W]` and the numbers of the classes in it."""
    masks, labels = [], []
    for truth_HW in truth_BHW.long():
        present_N = truth_HW.unique()
        present_N = present_N[present_N != IGNORED]
        masks.append((truth_HW[None] == present_N[:, None, None]).float())
        labels.append(present_N)
    return masks, labels


def _initialise(module: nn.Module) -> None:
    """Fill a part's own weights as the original does.

    Source: facebookresearch/Mask2Former @161be51 modeling/pixel_decoder/msdeformattn.py,
    ops/modules/ms_deform_attn.py, transformer_decoder/mask2former_transformer_decoder.py.
    """
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight, a=1)  # c2_xavier_fill
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight)
    elif isinstance(module, Mask2FormerPixelDecoderEncoderMultiscaleDeformableAttention):
        _initialise_deformable(module)
    elif isinstance(module, Mask2FormerPixelDecoderEncoderLayer):
        nn.init.xavier_uniform_(module.fc1.weight)
        nn.init.xavier_uniform_(module.fc2.weight)
    elif isinstance(module, Mask2FormerMaskedAttentionDecoderLayer):
        for parameter in module.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)


def _initialise_deformable(attention: Any) -> None:
    """Let every head look one way at first, its points at 1, 2, 3, ... pixels."""
    heads, levels, points = attention.n_heads, attention.n_levels, attention.n_points
    angles = torch.arange(heads).float() * (2 * math.pi / heads)
    ways = torch.stack([angles.cos(), angles.sin()], dim=-1)
    ways = ways / ways.abs().amax(dim=-1, keepdim=True)
    steps = torch.arange(1, points + 1).float()[:, None]
    offsets = (ways[:, None, None] * steps).expand(heads, levels, points, 2)
    for linear in (attention.sampling_offsets, attention.attention_weights):
        nn.init.zeros_(linear.weight)
        nn.init.zeros_(linear.bias)
    for linear in (attention.value_proj, attention.output_proj):
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
    with torch.no_grad():
        attention.sampling_offsets.bias.copy_(offsets.reshape(-1))
