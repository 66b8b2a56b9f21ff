"""Flickr30K retrieval for fine-tuning and predicting: see evalsuite/kinds/retrieval/embed.py."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.retrieval.embed import DualEncoder, RetrievalRecipe

from .benchmark import BENCHMARK

RECIPES = {
    "beit3_base": RetrievalRecipe(
        source="unilm beit3/get_started/get_started_for_retrieval.md @768a3c8, base, Flickr30K, "
        "16 GPUs x 192, from the itc weights",
        image_size=384,
        batch_size=3072,
        epochs=20,
        warmup_epochs=5,
        lr=1e-4,
        layer_decay=0.65,
        weight_decay=0.05,
        drop_path=0.2,
        micro_batch=192,
        precision="bf16",  # the official run is fp16; bf16 needs no loss scaling
        activation_checkpointing=True,
    ),
    "beit3_large": RetrievalRecipe(
        source="unilm beit3/get_started/get_started_for_retrieval.md @768a3c8, large, Flickr30K, "
        "32 GPUs x 96, from the itc weights",
        image_size=384,
        batch_size=3072,
        epochs=20,
        warmup_epochs=5,
        lr=5e-5,
        layer_decay=0.85,
        weight_decay=0.05,
        drop_path=0.2,
        micro_batch=96,
        precision="bf16",
        activation_checkpointing=True,
    ),
    # Mirroring would make "left" wrong.
    "beit3_tiny": RetrievalRecipe(
        source="ours: the best of a few runs on the tiny world, two CPU cores",
        weights="beit3_tiny_itc_patch8_32.safetensors",
        image_size=32,
        batch_size=128,
        epochs=0.8,
        warmup_epochs=0.1,
        lr=1e-3,
        weight_decay=0.01,
        betas=(0.9, 0.98),
        clip_norm=1.0,
        micro_batch=128,
        max_text_tokens=32,
        augment=False,
    ),
}

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=True,
    open=DualEncoder,
)
