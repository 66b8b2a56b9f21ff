"""The official BEiT-3 encoder (torchscale from PyPI) as an oracle, with random weights.

torchscale imports fairscale at the top but uses nothing of it here, so two empty functions stand
in for it.
"""

import sys
import warnings
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from evalsuite.backbones.beit3.config import Beit3Config


def official_beit3(config: Beit3Config, seed: int = 0) -> nn.Module:
    """Return torchscale's BEiT3 of the same shape, all weights random (norms too)."""
    encoder_config, beit3_class = _torchscale()
    arguments = encoder_config(
        img_size=config.image_size,
        patch_size=config.patch_size,
        vocab_size=config.vocab_size,
        multiway=True,
        layernorm_embedding=False,
        normalize_output=config.final_norm,
        no_output_layer=True,
        drop_path_rate=config.drop_path,
        encoder_embed_dim=config.width,
        encoder_attention_heads=config.num_heads,
        encoder_ffn_embed_dim=config.ffn_width,
        encoder_layers=config.depth,
        max_source_positions=config.num_text_positions,
        checkpoint_activations=False,
    )
    model: nn.Module = beit3_class(arguments)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = 0.06 * torch.randn(parameter.shape, generator=generator)
            is_scale = parameter.ndim == 1 and name.endswith("weight")
            parameter.copy_(1 + 5 * noise if is_scale else noise)
    return model.eval()


def official_features(model: nn.Module, **inputs: Tensor | None) -> Tensor:
    """Return the encoder output `[B, L, D]`."""
    with torch.no_grad():
        features: Tensor = model(**inputs)["encoder_out"]
    return features


def prefixed(model: nn.Module) -> dict[str, Tensor]:
    """Return the model's weights as a fine-tuned file holds them."""
    return {f"beit3.{key}": tensor for key, tensor in model.state_dict().items()}


def _torchscale() -> tuple[Any, Any]:
    """Return torchscale's EncoderConfig and BEiT3 classes."""
    if "fairscale" not in sys.modules:
        fairscale, fairscale_nn = ModuleType("fairscale"), ModuleType("fairscale.nn")
        for name in ("checkpoint_wrapper", "wrap"):
            setattr(fairscale_nn, name, lambda module, *_, **__: module)
        sys.modules.update({"fairscale": fairscale, "fairscale.nn": fairscale_nn})
    # Imported late: the stand-in must be there first.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # it imports timm's former module names
        from torchscale.architecture.config import EncoderConfig
        from torchscale.model.BEiT3 import BEiT3

    return EncoderConfig, BEiT3
