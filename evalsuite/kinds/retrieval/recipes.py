"""Recipes of retrieval by two encoders; COCO's and Flickr30K's differ in little."""

from dataclasses import dataclass, replace

from evalsuite.records.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class RetrievalRecipe(Recipe):
    """`augment` crops and mirrors the images."""

    augment: bool = True


OFFICIAL = "unilm beit3/get_started/get_started_for_retrieval.md @768a3c8"
BASE = RetrievalRecipe(
    source=f"{OFFICIAL}, base, COCO, 16 GPUs x 192, from the itc weights",
    image_size=384,
    batch_size=3072,
    epochs=15,
    warmup_epochs=3,
    lr=2e-4,
    layer_decay=0.65,
    weight_decay=0.05,
    drop_path=0.2,
    micro_batch=192,
    precision="bf16",  # the official run is fp16; bf16 needs no loss scaling
    activation_checkpointing=True,
)
LARGE = replace(
    BASE,
    source=f"{OFFICIAL}, large, COCO, 32 GPUs x 96, from the itc weights",
    lr=5e-5,
    layer_decay=0.85,
    micro_batch=96,
)
# Mirroring would make "left" wrong.
TINY = RetrievalRecipe(
    source="ours: the best of a few runs on the tiny world, two CPU cores",
    weights="beit3_tiny_itc_patch8_32.safetensors",
    image_size=32,
    batch_size=128,
    epochs=0.4,
    warmup_epochs=0.05,
    lr=1e-3,
    weight_decay=0.01,
    betas=(0.9, 0.98),
    clip_norm=1.0,
    micro_batch=128,
    max_text_tokens=32,
    augment=False,
)
