"""What scratch reaches, for the reports of runs with the same recipe."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tinyworld_cells import Finished
from tinyworld_numbers import summary_of, table_of
from tinyworld_rows import ALL_TASKS, DISTINCT, FEWEST_SEEDS, MORE_ROWS, ROWS, SCRATCH, ZERO_SHOT

from evalsuite.catalog import task_named
from evalsuite.records.files import write_json
from evalsuite.records.score import Score
from evalsuite.report.from_scratch import ScratchRecord

BACKBONE = "beit3_tiny"  # of every cell
DIGITS = 4  # of a value; reports show two


def write_record(log: Sequence[Finished], path: Path) -> list[str]:
    """Write the record of every task that has it; return what is to be said of the others."""
    table = table_of(log, [SCRATCH])
    found: list[ScratchRecord] = []
    notes = []
    for task in ALL_TASKS:
        if task == ZERO_SHOT:  # nothing is fine-tuned
            continue
        cells = table.cells.get((SCRATCH, task), [])
        reason = _unfit(cells)
        if reason:
            notes.append(f"{task}: not recorded for reports: {reason}")
            continue
        one = recorded_of(cells)
        found.append(one)
        if not one.has_recipe(task_named(task).recipe(BACKBONE).to_json()):
            notes.append(f"{task}: recorded with another recipe than today's: no report shows it")
    write_json(path, [one.to_json() for one in found])
    return notes


def recorded_of(cells: Sequence[Finished]) -> ScratchRecord:
    """Return the record of one task's cells, one a seed, alike in all else."""
    first = cells[0]
    scores = []
    for row in (*ROWS, *MORE_ROWS):
        is_plain = row.task == first.task and not row.score.startswith(DISTINCT)
        if is_plain and all(row.score in cell.scores for cell in cells):
            scores.append(_mean([cell.score(row.score) for cell in cells], row.limit))
    return ScratchRecord(
        task=first.task,
        split=first.split,
        backbone=BACKBONE,
        world=first.world,
        fingerprint=first.fingerprint,
        seeds=[cell.seed for cell in cells],
        recipe=first.recipe,
        scores=scores,
    )


def _mean(scores: Sequence[Score], limit: float) -> Score:
    """Return the mean over seeds with the interval that the table prints."""
    summary = summary_of(scores, limit)
    interval = (round(summary.low, DIGITS), round(summary.high, DIGITS))
    return replace(scores[0], value=round(summary.mean, DIGITS), interval=interval)


def _unfit(cells: Sequence[Finished]) -> str | None:
    """Return why cells make no record, None where they do."""
    if len(cells) < FEWEST_SEEDS:
        return f"{len(cells)} seeds of scratch are finished, {FEWEST_SEEDS} are needed"
    if not all(cell.recipe for cell in cells):
        return "neither the log nor the run folders tell the recipe"
    # The log tells cells apart by settings: a recipe changed in the code is the same one to it.
    kinds = {
        json.dumps([cell.recipe, cell.split, cell.world, cell.fingerprint], sort_keys=True)
        for cell in cells
    }
    if len(kinds) > 1:
        return "its seeds ran with different recipes, splits or worlds; remove the older lines"
    return None
