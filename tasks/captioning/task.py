"""COCO captioning for fine-tuning and predicting."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.captioning.masked_words import Captioner, CaptioningRecipe

from .benchmark import BENCHMARK

OFFICIAL = "unilm beit3/get_started/get_started_for_captioning.md @768a3c8"
RECIPES = {
    "beit3_base": CaptioningRecipe(
        source=f"{OFFICIAL}, COCO, base, 8 GPUs x 32",
        image_size=480,
        batch_size=256,
        epochs=10,
        warmup_epochs=1,
        lr=4e-5,
        drop_path=0.1,
        micro_batch=32,
        precision="bf16",  # the official run is fp16; bf16 needs no loss scaling
        max_text_tokens=32,
    ),
    "beit3_large": CaptioningRecipe(
        source=f"{OFFICIAL}, COCO, large, 8 GPUs x 32",
        image_size=480,
        batch_size=256,
        epochs=10,
        warmup_epochs=1,
        lr=8e-6,
        drop_path=0.1,
        micro_batch=32,
        precision="bf16",
        activation_checkpointing=True,
        max_text_tokens=32,
    ),
    # Crops and flips would make "left" and what is named wrong.
    "beit3_tiny": CaptioningRecipe(
        source="ours: the best of a few runs on the tiny world, two CPU cores",
        weights="beit3_tiny_itc_patch8_32.safetensors",
        image_size=32,
        batch_size=64,
        epochs=0.4,
        warmup_epochs=0.05,
        lr=1e-3,
        clip_norm=1.0,
        max_text_tokens=32,
        max_new=32,
        augment=False,
        randaug=False,
    ),
}

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=True,  # unilm beit3/modeling_finetune.py: the captioning model has one
    open=Captioner,
)
