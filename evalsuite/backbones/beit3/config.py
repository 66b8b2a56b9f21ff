"""Shapes of the BEiT-3 models, by name."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Beit3Config:
    """The shape of a BEiT-3 and how it is trained.

    `shared_attention` and `num_fusion_layers` (top layers with a vision-language expert) describe
    the paper's giant; the released models share nothing. `final_norm` is absent from the released
    VQA and ImageNet models.
    """

    name: str
    depth: int
    width: int
    num_heads: int
    ffn_width: int
    patch_size: int
    image_size: int = 224
    vocab_size: int = 64010  # 64002 tokens; the last 8 rows are never used
    num_text_positions: int = 1024
    final_norm: bool = True
    drop_path: float = 0.0
    activation_checkpointing: bool = False
    shared_attention: bool = False
    num_fusion_layers: int = 0
    init: Literal["official", "tiny"] = "official"

    @property
    def num_patches(self) -> int:
        """Patches of one image."""
        return (self.image_size // self.patch_size) ** 2


# Base, large: unilm beit3/modeling_utils.py @768a3c8. Giant: arXiv:2208.10442 table 2, never
# released. Tiny: ours, for the tiny world.
CONFIGS = {
    config.name: config
    for config in (
        Beit3Config(
            name="beit3_tiny", depth=4, width=96, num_heads=4, ffn_width=384, patch_size=8,
            image_size=32, vocab_size=512, num_text_positions=66, init="tiny",
        ),
        Beit3Config(
            name="beit3_base", depth=12, width=768, num_heads=12, ffn_width=3072, patch_size=16
        ),
        Beit3Config(
            name="beit3_large", depth=24, width=1024, num_heads=16, ffn_width=4096, patch_size=16
        ),
        Beit3Config(
            name="beit3_giant", depth=40, width=1408, num_heads=16, ffn_width=6144, patch_size=14,
            shared_attention=True, num_fusion_layers=3,
        ),
    )
}  # fmt: skip
