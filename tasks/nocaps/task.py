"""nocaps for fine-tuning and predicting: captions learnt from COCO, of things it does not have."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.captioning.masked_words import Captioner

from .benchmark import BENCHMARK
from .recipes import RECIPES

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=True,  # unilm beit3/modeling_finetune.py: the captioning model has one
    open=Captioner,
)
