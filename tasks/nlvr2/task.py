"""NLVR2 for fine-tuning and predicting."""

from evalsuite.contracts.task import Task
from evalsuite.kinds.reasoning.pairs import PairJudge

from .benchmark import BENCHMARK
from .recipes import RECIPES

TASK = Task(
    benchmark=BENCHMARK,
    recipes=RECIPES,
    final_norm=True,
    open=PairJudge,
)
