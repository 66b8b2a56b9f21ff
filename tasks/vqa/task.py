"""VQAv2 for fine-tuning and predicting."""

from pathlib import Path

from evalsuite.contracts.task import Task
from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.kinds.answering.classify import AnswerClassifier
from evalsuite.kinds.answering.recipes import AnsweringRecipe

from .answers import answer_vocabulary
from .benchmark import BENCHMARK
from .recipes import RECIPES


def classifier(data: Path, recipe: AnsweringRecipe, tokenizer: Tokenizer) -> AnswerClassifier:
    """Return the classifier of the answers that are frequent in train and val.

    Raises:
        UserError: their files are missing or malformed, or no answer is frequent enough.
    """
    answers = answer_vocabulary(data, recipe.min_answer_count)
    return AnswerClassifier(data, recipe, tokenizer, answers)


TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=False,  # unilm beit3/modeling_finetune.py: the VQA model has none
    open=classifier,
)
