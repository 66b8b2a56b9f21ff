"""What pretraining buys: every task of the tiny world from pretrained weights and from scratch.

    python benchmarks/tinyworld.py                         all cells, then the page and the radar
    python benchmarks/tinyworld.py --tune                  scratch's learning rates first, on seed 0
    python benchmarks/tinyworld.py --tasks vqa,nlvr2 --arms masked,scratch --seeds 0
    python benchmarks/tinyworld.py --arm "no images=FILE"  one more arm, or another file for one
    python benchmarks/tinyworld.py --set vqa:epochs=1      a setting of a recipe, in every arm
    python benchmarks/tinyworld.py --budget 0.5            half of the epochs, in every arm
    python benchmarks/tinyworld.py --page-only             from the log, whatever is finished

Writes docs/tinyworld.md, and what scratch reaches into the record that every report of a run with
the same recipe shows. Resumes where it stopped; several processes share the cells among themselves.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from tinyworld_cells import (
    Cell,
    append_log,
    arm_of,
    cells_of,
    completed,
    locked,
    read_log,
    run_cell,
    tuning_cells,
    world_of,
)
from tinyworld_page import write_page
from tinyworld_record import write_record
from tinyworld_rows import ALL_TASKS, ARMS, SCRATCH, SEEDS, SETTINGS, USUAL_TASKS, ZERO_SHOT

from evalsuite.catalog import task_named
from evalsuite.engine.progress import say
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.world import SIZE_NAMES
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.data_folder import TINY_WORLD

LOG = "log.jsonl"
TASKS_OF = {ZERO_SHOT: "retrieval_coco"}


def main(words: Sequence[str] | None = None) -> int:
    """Run what the arguments ask for; return the exit status."""
    options = _parser().parse_args(words)
    torch.set_num_threads(1)  # the tiny model is faster so, and others work beside it
    try:
        failed = _run(options)
    except UserError as error:
        print(f"tinyworld: {error}", file=sys.stderr)
        return 2
    for cell, reason in failed.items():
        print(f"tinyworld: {cell}: {reason}", file=sys.stderr)
    return 1 if failed else 0


def _run(options: argparse.Namespace) -> dict[str, str]:
    """Run the cells, write page and record; return why some could not run."""
    out: Path = options.out
    arms = {**ARMS, **dict(_pair(one, "=", "--arm NAME=FILE") for one in options.arm)}
    shown = list(arms)
    failed: dict[str, str] = {}
    if not options.page_only:
        names = _chosen(options.arms, arms, "arm") or list(arms)
        tasks = _chosen(options.tasks, ALL_TASKS, "task") or list(USUAL_TASKS)
        shared = {task: [*_budget(task, options.budget), *SETTINGS.get(task, ())] for task in tasks}
        for one in options.set:
            task, setting = _pair(one, ":", "--set TASK:key=value")
            _chosen(task, ALL_TASKS, "task")
            shared.setdefault(TASKS_OF.get(task, task), []).append(setting)
        if options.tune:
            cells = tuning_cells(arm_of(SCRATCH, SCRATCH), tasks, shared)
        else:
            seeds = [int(seed) for seed in options.seeds.split(",")]
            cells = cells_of([arm_of(name, arms[name]) for name in names], tasks, seeds, shared)
        usual = TINY_WORLD if options.world == "small" else Path(f"{TINY_WORLD}-{options.world}")
        data = options.data or usual
        _draw(data, options.world, tasks, out)
        failed = _run_cells(cells, data, out)
    log = [completed(one, out) for one in read_log(out / LOG)]
    write_page(log, shown, options.page)
    print(options.page)
    for note in write_record(log, options.record):
        say(note)
    print(options.record)
    return failed


def _budget(task: str, share: float) -> list[str]:
    """Return the settings that give every arm a share of the epochs of a task's recipe."""
    if share == 1 or task == ZERO_SHOT:
        return []
    recipe = task_named(task).recipe("beit3_tiny")
    epochs, warmup = recipe.epochs * share, recipe.warmup_epochs * share
    return [f"epochs={epochs:g}", f"warmup_epochs={warmup:g}"]


def _run_cells(cells: Sequence[Cell], data: Path, out: Path) -> dict[str, str]:
    """Run the cells that are neither finished nor another process' own."""
    failed: dict[str, str] = {}
    elsewhere = []
    for number, cell in enumerate(cells, 1):
        with locked(out / "locks" / cell.key) as is_mine:
            if not is_mine:
                elsewhere.append(cell.key)
                continue
            if _is_finished(cell, data, out):
                continue
            say(f"=== {number} of {len(cells)}: {cell.arm.name}, {cell.key}")
            try:
                append_log(out / LOG, run_cell(cell, data, out))
            except UserError as error:
                failed[cell.key] = str(error)
                say(f"{cell.key}: {error}")
    if elsewhere:
        say(f"{len(elsewhere)} cells are run by other processes: {', '.join(elsewhere)}")
    return failed


def _is_finished(cell: Cell, data: Path, out: Path) -> bool:
    """Return whether the log holds the cell, run on a world of this seed and size."""
    asked = (cell.arm.name, cell.arm.sha256, cell.task, cell.seed, list(cell.settings), cell.tuning)
    world = world_of(data)
    return any(
        (one.arm, one.weights, one.task, one.seed, one.settings, one.tuning) == asked
        and one.world == world
        for one in read_log(out / LOG)
    )


def _draw(data: Path, size: str, tasks: Sequence[str], out: Path) -> None:
    """Draw what the tasks need, one process at a time."""
    benchmarks = dict.fromkeys(TASKS_OF.get(task, task) for task in tasks)
    with locked(out / "locks" / "world", wait=True):
        write_world(data, size=size, benchmarks=benchmarks, say=say)


def _pair(text: str, mark: str, form: str) -> tuple[str, str]:
    """Return both sides of a mark.

    Raises:
        UserError: it is not there.
    """
    left, found, right = text.partition(mark)
    if not found or not left or not right:
        raise UserError(f"{text}: expected {form}")
    return left, right


def _chosen(text: str | None, known: Sequence[str] | dict[str, str], what: str) -> list[str]:
    """Return the names of a list separated by commas.

    Raises:
        UserError: one is unknown.
    """
    names = text.split(",") if text else []
    for name in names:
        if name not in known:
            raise UserError(f"no {what} {name!r}; there are {', '.join(known)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--arms", help=f"some of {','.join(ARMS)} and those of --arm")
    parser.add_argument("--tasks", help=f"some of {','.join(ALL_TASKS)}")
    parser.add_argument("--seeds", default=",".join(map(str, SEEDS)))
    parser.add_argument("--arm", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--set", action="append", default=[], metavar="TASK:key=value")
    parser.add_argument("--budget", type=float, default=1.0, help="share of the recipes' epochs")
    parser.add_argument("--tune", action="store_true", help="scratch's learning rates, on seed 0")
    parser.add_argument("--page-only", action="store_true", help="write the page from the log")
    parser.add_argument("--world", choices=SIZE_NAMES, default="small")
    parser.add_argument("--data", type=Path, help="folder of the world; drawn where it lacks parts")
    parser.add_argument("--out", type=Path, default=Path("runs/tinyworld-table"))
    parser.add_argument("--page", type=Path, default=Path("docs/tinyworld.md"))
    record = Path("evalsuite/report/from_scratch.json")
    parser.add_argument("--record", type=Path, default=record, help="scratch's means, for reports")
    return parser


if __name__ == "__main__":
    sys.exit(main())
