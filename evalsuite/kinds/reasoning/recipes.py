"""Settings that a recipe of reasoning has beyond those of every recipe."""

from dataclasses import dataclass

from evalsuite.records.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class ReasoningRecipe(Recipe):
    """`augment` crops and mirrors the two images, each on its own."""

    augment: bool = True
