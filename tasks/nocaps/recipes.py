"""Recipes of nocaps: those of COCO captioning but for a lower rate of the base model."""

from dataclasses import replace

from evalsuite.kinds.captioning.recipes import BASE, LARGE, OFFICIAL, TINY

RECIPES = {
    "beit3_base": replace(BASE, source=f"{OFFICIAL}, NoCaps, base, 8 GPUs x 32", lr=1e-5),
    "beit3_large": replace(LARGE, source=f"{OFFICIAL}, NoCaps, large, 8 GPUs x 32"),
    "beit3_tiny": TINY,
}
