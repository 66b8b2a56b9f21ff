"""COCO detection for fine-tuning and predicting."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.detection.detect import ObjectDetector

from .benchmark import BENCHMARK
from .recipes import RECIPES

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=False,  # detectron2 modeling/backbone/vit.py: the plain backbone has none
    open=lambda data, recipe, _: ObjectDetector(data, recipe, BENCHMARK),
)
