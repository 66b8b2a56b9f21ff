"""Recipes of COCO captioning: those of its kind, which were tuned on it."""

from evalsuite.kinds.captioning.recipes import BASE, LARGE, TINY

RECIPES = {"beit3_base": BASE, "beit3_large": LARGE, "beit3_tiny": TINY}
