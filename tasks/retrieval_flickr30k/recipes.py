"""Recipes of Flickr30K retrieval: those of COCO but for longer training of fewer images."""

from dataclasses import replace

from evalsuite.kinds.retrieval.recipes import BASE, LARGE, OFFICIAL, TINY

RECIPES = {
    "beit3_base": replace(
        BASE,
        source=f"{OFFICIAL}, base, Flickr30K, 16 GPUs x 192, from the itc weights",
        epochs=20,
        warmup_epochs=5,
        lr=1e-4,
    ),
    "beit3_large": replace(
        LARGE,
        source=f"{OFFICIAL}, large, Flickr30K, 32 GPUs x 96, from the itc weights",
        epochs=20,
        warmup_epochs=5,
    ),
    "beit3_tiny": replace(TINY, epochs=0.8, warmup_epochs=0.1),
}
