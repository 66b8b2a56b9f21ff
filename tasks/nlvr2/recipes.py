"""Recipes of NLVR2."""

from dataclasses import replace

from evalsuite.kinds.reasoning.recipes import ReasoningRecipe

OFFICIAL = "unilm beit3/get_started/get_started_for_nlvr2.md @768a3c8"
BASE = ReasoningRecipe(
    source=f"{OFFICIAL}, base, 8 GPUs x 32; from the indomain weights lr is 5e-4",
    image_size=224,
    batch_size=256,
    epochs=20,
    warmup_epochs=5,
    lr=7e-4,
    layer_decay=0.65,
    weight_decay=0.2,
    drop_path=0.2,
    micro_batch=32,
    precision="bf16",  # the official run is fp16; bf16 needs no loss scaling
)
RECIPES = {
    "beit3_base": BASE,
    "beit3_large": replace(
        BASE,
        source=f"{OFFICIAL}, large, 8 GPUs x 32; from the indomain weights lr is 1e-4",
        lr=3e-4,
        layer_decay=0.85,
        activation_checkpointing=True,
    ),
    # Mirroring would make "left" wrong.
    "beit3_tiny": ReasoningRecipe(
        source="ours: the best of a few runs on the tiny world, two CPU cores",
        weights="beit3_tiny_itc_patch8_32.safetensors",
        image_size=32,
        batch_size=48,
        epochs=1,
        warmup_epochs=0.1,
        lr=1e-3,
        weight_decay=0.01,
        betas=(0.9, 0.98),
        clip_norm=1.0,
        max_text_tokens=32,
        augment=False,
    ),
}
