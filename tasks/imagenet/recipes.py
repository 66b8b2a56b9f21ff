"""Recipes of ImageNet-1K."""

from dataclasses import replace

from evalsuite.kinds.classification.recipes import ClassificationRecipe

OFFICIAL = "unilm beit3/get_started/get_started_for_image_classification.md @768a3c8"
BASE = ClassificationRecipe(
    source=f"{OFFICIAL}, base, 8 GPUs x 128",
    image_size=224,
    batch_size=1024,
    epochs=50,
    warmup_epochs=5,
    lr=7e-4,
    layer_decay=0.65,
    weight_decay=0.05,
    drop_path=0.15,
    micro_batch=128,
    precision="bf16",  # the official run is fp16; bf16 needs no loss scaling
)
RECIPES = {
    "beit3_base": BASE,
    "beit3_large": replace(
        BASE,
        source=f"{OFFICIAL}, large, 8 GPUs x 128",
        lr=2e-4,
        layer_decay=0.8,
        drop_path=0.25,
        activation_checkpointing=True,
    ),
    # A class is a shape in a colour: solarised or posterised it would be another one.
    "beit3_tiny": ClassificationRecipe(
        source="ours: the best of a few runs on the tiny world, two CPU cores",
        weights="beit3_tiny_itc_patch8_32.safetensors",
        image_size=32,
        batch_size=32,
        epochs=0.25,
        warmup_epochs=0.05,
        lr=2e-3,
        clip_norm=1.0,
        augment=False,
        mixup=0.0,
        cutmix=0.0,
    ),
}
