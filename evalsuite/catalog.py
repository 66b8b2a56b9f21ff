"""Finds benchmarks, their splits, tasks and backbones by name."""

import difflib
import pkgutil
from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, cast

from evalsuite.backbones.beit3.config import CONFIGS
from evalsuite.contracts.benchmark import Benchmark
from evalsuite.records.errors import UserError, refuse_unknown_split

TASKS = "evalsuite.tasks"


def benchmark_names() -> list[str]:
    """Return the names of all benchmarks."""
    return [module.name for module in pkgutil.iter_modules(import_module(TASKS).__path__)]


def task_names() -> list[str]:
    """Return the names of the benchmarks that can be fine-tuned and predicted, not only scored."""
    return [name for name in benchmark_names() if find_spec(f"{TASKS}.{name}.task")]


def backbone_names() -> list[str]:
    """Return the names of all backbones."""
    return list(CONFIGS)


def benchmark_named(name: str) -> Benchmark:
    """Return a benchmark; torch is not imported.

    Raises:
        UserError: there is none of that name.
    """
    check_known("task", name, benchmark_names())
    return cast(Benchmark, import_module(f"{TASKS}.{name}.benchmark").BENCHMARK)


def split_named(benchmark: Benchmark, name: str | None) -> str:
    """Return the split that is meant, the benchmark's usual one where none is named.

    Raises:
        UserError: the benchmark has no such split.
    """
    if name is None:
        return benchmark.card.eval_split
    refuse_unknown_split(benchmark.card.name, name, benchmark.card.splits)
    return name


def task_named(name: str) -> Any:
    """Return a task (`evalsuite.contracts.task.Task`); this imports torch.

    Raises:
        UserError: there is none of that name.
    """
    check_known("task", name, benchmark_names())
    if name not in task_names():
        raise UserError(
            f"{name} can be scored, but not yet fine-tuned or predicted; "
            f"there are {', '.join(task_names())}"
        )
    return import_module(f"{TASKS}.{name}.task").TASK


def check_known(kind: str, name: str, known: Iterable[str]) -> None:
    """Check that a name is one of the known ones.

    Raises:
        UserError: it is not; the nearest known name is offered.
    """
    names = list(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"no {kind} {name!r}; there are {', '.join(names)}{guess}")
