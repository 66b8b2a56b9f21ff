"""ImageNet-1K for fine-tuning and predicting."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.classification.classify import ImageClassifier

from .benchmark import BENCHMARK
from .recipes import RECIPES

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=False,  # unilm beit3/modeling_finetune.py: the ImageNet model has none
    open=lambda data, recipe, _: ImageClassifier(data, recipe, BENCHMARK),
)
