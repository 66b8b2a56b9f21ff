"""Flickr30K retrieval for fine-tuning and predicting: see evalsuite/kinds/retrieval/embed.py."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.retrieval.embed import DualEncoder

from .benchmark import BENCHMARK
from .recipes import RECIPES

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=True,
    open=DualEncoder,
)
