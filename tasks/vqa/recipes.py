"""Recipes of VQAv2."""

from dataclasses import replace

from evalsuite.kinds.answering.recipes import AnsweringRecipe

OFFICIAL = "unilm beit3/get_started/get_started_for_vqav2.md @768a3c8"
BASE = AnsweringRecipe(
    source=f"{OFFICIAL}, base, 8 GPUs x 16",
    image_size=480,
    batch_size=128,
    epochs=10,
    warmup_epochs=1,
    lr=3e-5,
    head_lr_factor=20,
    weight_decay=0.01,
    betas=(0.9, 0.98),
    drop_path=0.1,
    micro_batch=16,
    precision="bf16",  # the official run is fp16; bf16 needs no loss scaling
)
RECIPES = {
    "beit3_base": BASE,
    "beit3_large": replace(
        BASE,
        source=f"{OFFICIAL}, large, 8 GPUs x 16",
        lr=2e-5,
        drop_path=0.15,
        activation_checkpointing=True,
    ),
    # Crops and flips would make "left" and "how many" wrong, and the drawn scenes never run out.
    "beit3_tiny": AnsweringRecipe(
        source="ours: the best of a few runs on the tiny world, two CPU cores",
        weights="beit3_tiny_itc_patch8_32.safetensors",
        image_size=32,
        batch_size=32,
        epochs=3,
        warmup_epochs=0.15,
        lr=1e-3,
        weight_decay=0.01,
        betas=(0.9, 0.98),
        clip_norm=1.0,
        max_text_tokens=32,
        augment=False,
        randaug=False,
    ),
}
