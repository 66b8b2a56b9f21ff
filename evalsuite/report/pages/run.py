"""What a page shows of one run: its report, the curve of its loss, and its samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.contracts.benchmark import Benchmark, Card
from evalsuite.data.predicted import predicted
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.records.training import TrainingPoint, read_training
from evalsuite.report.pages.samples import (
    AnsweredSplit,
    Room,
    SampleTable,
    bare_table,
    sample_table,
    sample_views,
)

WHOLE_PAGE = Room()


@dataclass(frozen=True, kw_only=True)
class ShownRun:
    """One run on a page. `notice` says what is missing from its samples and why."""

    name: str
    card: Card
    report: Report
    training: Sequence[TrainingPoint]
    samples: SampleTable
    num_sessions: int
    notice: str = ""


def shown_run(
    run: Run,
    report: Report,
    benchmark: Benchmark,
    references: Any = None,
    *,
    data: Path | None = None,
    room: Room = WHOLE_PAGE,
) -> ShownRun:
    """Return what a page shows of a run; without its data folder, the bare predictions.

    Args:
        references: of the report's split where at hand; read where not.
        data: the folder of the official files where it is not the one of the report.
    """
    predictions = run.journaled(report.split).predictions
    data, notice = data or Path(report.data["folder"]), ""
    try:
        predictions = predicted(run, benchmark, data, report.split).predictions
        if references is None and report.scores:
            asked = None if _is_whole(report) else predictions.keys()
            references = benchmark.references(data, report.split, only=asked)
        answered = AnsweredSplit(benchmark, predictions, references, data, report.split)
        seen = sample_views(answered, room.rows)
        samples = sample_table(seen, len(predictions), data, room)
    except UserError as error:
        samples = bare_table(predictions, room.rows)
        notice = (
            "Samples are listed without their texts and pictures; `evalsuite report --data DIR` "
            f"takes the folder of the official files. {error}"
        )
    return ShownRun(
        name=run.folder.name,
        card=benchmark.card,
        report=report,
        training=read_training(run.training_log),
        samples=samples,
        num_sessions=len(run.facts["sessions"]),
        notice=notice,
    )


def _is_whole(report: Report) -> bool:
    return report.limit is None and not report.failures
