"""The commands that read what models predicted: score, report, table, radar.

Drawing takes a second to import: what needs it is imported when it is called.
"""

from pathlib import Path
from typing import Annotated

import typer

import evalsuite.cli.options as options
from evalsuite.cli.faults import say
from evalsuite.cli.printing import print_difference, print_scores
from evalsuite.records.errors import UserError
from evalsuite.report.radar.series import PREVIOUS_SOTA, Scaling, published_series, run_series
from evalsuite.report.tables.definition import table_names
from evalsuite.report.tables.tables import Format
from evalsuite.report.tables.tables import table as paper_table
from evalsuite.verbs.run_report import read_report
from evalsuite.verbs.score import (
    ScoreRequest,
    official_scores,
    paired_difference,
    scorable,
    score_predictions,
)


def score(
    target: Annotated[
        str, typer.Argument(metavar="RUN|TASK", help="A run folder, or a task with --predictions.")
    ],
    other: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="With --paired: the other run.")
    ] = None,
    predictions: options.ResultFiles = None,
    data: options.Data = None,
    split: options.Split = None,
    official: options.Official = False,
    paired: options.Paired = False,
    no_interval: options.NoInterval = False,
    as_json: options.AsJson = False,
) -> None:
    """Score saved predictions of a run or any model's result file, without weights or torch."""
    request = ScoreRequest(
        target=target,
        other=other,
        predictions=tuple(predictions or ()),
        data=data,
        split=split,
        paired=paired,
    )
    found = scorable(request)
    facts = {"task": found.benchmark.card.name, "split": found.split, **found.answering._asdict()}
    if paired:
        if official:
            raise UserError("--official scores one set of predictions: leave out --paired")
        difference = paired_difference(found, request.names)
        print_difference(difference, as_json=as_json, facts=facts)
        return
    scores = score_predictions(found, not no_interval)
    try:
        theirs = official_scores(found, request) if official else None
    except UserError as reason:
        print_scores(facts, scores, (), as_json=as_json)  # ours are not lost with theirs
        raise UserError(f"--official: {reason}") from reason
    print_scores(facts, scores, theirs or (), as_json=as_json)
    if official and theirs is None:
        raise UserError(f"--official: {found.benchmark.official_hint}")


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folders.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Where to write (default: the run's own folder; report/ for several).",
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare two runs by their paired difference.")
    ] = False,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Write runs as Markdown, JSON, one HTML page and a model card, or compare two of them."""
    from evalsuite.verbs.report import compare as compare_runs
    from evalsuite.verbs.report import report as report_runs

    if not compare:
        print(report_runs(runs, out, data=data))
        return
    if len(runs) != 2:
        raise UserError(f"--compare takes two run folders; found {len(runs)}")
    difference = compare_runs(runs[0], runs[1], out, data=data)
    print_difference(difference, as_json=as_json)
    say(str((out or Path("report")) / "comparison.html"))


def table(
    name: Annotated[
        str | None, typer.Argument(metavar="TABLE", help="Such as beit3/4 (default: list all).")
    ] = None,
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Run folders.")] = None,
    table_format: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help="md, csv or latex.")
    ] = "md",
) -> None:
    """Print a paper's table: published rows beside yours."""
    if name is None:
        print("\n".join(table_names()))
        return
    print(paper_table(name, [read_report(run) for run in runs or ()], table_format))


def radar(
    runs: Annotated[list[Path] | None, typer.Argument(metavar="RUN", help="Run folders.")] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="A .svg, .png or .pdf file.")
    ] = Path("radar.svg"),
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL", help="Published model to draw; may be repeated."),
    ] = None,
    scaling: Annotated[
        Scaling,
        typer.Option(metavar="SCALING", help="paper, absolute or gap: what the rings mean."),
    ] = "paper",
) -> None:
    """Draw runs against published systems, every axis with its own ticks."""
    from evalsuite.report.radar.draw import radar as draw

    models = [PREVIOUS_SOTA, "BEiT-3"] if against is None else against
    reports = [read_report(folder) for folder in runs or ()]
    series = [*(published_series(model) for model in models), *run_series(reports)]
    draw(series, path=out, scaling=scaling)
    print(out)
