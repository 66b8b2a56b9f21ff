"""Settings that a recipe of answering has beyond those of every recipe."""

from dataclasses import dataclass

from evalsuite.records.recipe import Recipe

# unilm beit3/datasets.py @6996194 (after ViLT): 3,129 answers on VQAv2's files.
MIN_COUNT = 9


@dataclass(frozen=True, kw_only=True)
class AnsweringRecipe(Recipe):
    """Answers that occur `min_answer_count` times or more are the classes."""

    min_answer_count: int = MIN_COUNT
    augment: bool = True
    randaug: bool = True
