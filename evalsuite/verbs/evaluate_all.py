"""`evalsuite eval all`: every task one after the other, then the table, the radar and the page."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from evalsuite.catalog import task_names
from evalsuite.engine.progress import say
from evalsuite.records.errors import UserError
from evalsuite.records.files import write_text
from evalsuite.records.report import Report
from evalsuite.report.radar.draw import radar
from evalsuite.report.radar.series import PREVIOUS_SOTA, Scaling, published_series, run_series
from evalsuite.report.tables.tables import table
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request
from evalsuite.verbs.report import report
from evalsuite.verbs.tracking import track_picture

TABLE = "beit3/1"  # one column a benchmark


class Everything(NamedTuple):
    """What came of all tasks: reports, the reasons of those that failed, and the page."""

    reports: list[Report]
    failed: dict[str, str]
    page: Path


def evaluate_all(request: Request, names: Sequence[str] | None = None) -> Everything:
    """Evaluate every task, each as `evaluate` does, and write what they say together.

    A task that cannot run does not keep the others from running. `request.runs`/report then holds
    the overview, the page, the radar and the paper's table with these runs.

    Args:
        names: the tasks, all by default.

    Raises:
        UserError: no task could run, or several processes were started.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "all tasks run in one process; for several, start `evalsuite eval TASK` for each and "
            "then `evalsuite report RUN...`"
        )
    reports: list[Report] = []
    failed: dict[str, str] = {}
    folders: list[Path] = []
    for name in names or task_names():
        say(f"--- {name}")
        try:
            run, reached = evaluate(replace(request, task=name))
        except UserError as error:
            failed[name] = str(error)
            say(f"{name}: {error}")
            continue
        assert reached is not None
        reports.append(reached)
        folders.append(run.folder)
    if not reports:
        raise UserError(f"no task could run; {next(iter(failed.values()))}")
    together = request.runs / "report"
    page = write_together(folders, together, reports)
    if request.track is not None:
        track_picture("radar", together / "radar.png", request.track, request.runs)
    return Everything(reports, failed, page)


def write_together(folders: Sequence[Path], out: Path, reports: Sequence[Report]) -> Path:
    """Write overview, page, radar and table of runs into a folder; return the page's path."""
    page = report(folders, out)
    mine = run_series(reports)
    scaling: Scaling = "absolute" if all(one.is_other_data for one in mine) else "paper"
    series = [published_series(PREVIOUS_SOTA), published_series("BEiT-3"), *mine[:5]]
    for suffix in (".svg", ".png"):
        radar(series, path=out / f"radar{suffix}", scaling=scaling)
    write_text(out / "table.md", table(TABLE, reports))
    return page
