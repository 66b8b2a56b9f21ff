"""ADE20K for fine-tuning and predicting."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.segmentation.classify import PixelClassifier

from .benchmark import BENCHMARK
from .recipes import RECIPES

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    # unilm beit/semantic_segmentation/backbone/beit.py: maps are taken before any norm.
    final_norm=False,
    open=lambda data, recipe, _: PixelClassifier(data, recipe, BENCHMARK),
)
