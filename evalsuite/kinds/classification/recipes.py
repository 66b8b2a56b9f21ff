"""Settings that a recipe of classification has beyond those of every recipe."""

from dataclasses import dataclass

from evalsuite.records.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ClassificationRecipe(Recipe):
    """Images of a micro-batch are mixed with each other; the official code mixes 128 of one GPU.

    `mixup` and `cutmix` are the alphas of their Beta distributions, 0 for none. `linear_probe`
    freezes the backbone and trains the head on features that are computed once, from images that
    are neither augmented nor mixed.
    """

    augment: bool = True
    mixup: float = 0.8
    cutmix: float = 1.0
    label_smoothing: float = 0.1
    linear_probe: bool = False
