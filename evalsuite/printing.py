"""What the command line prints of reports, scores and comparisons: tables, or JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.markdown import score_table, terminal_overview, terminal_table


def print_report(report: Report, *, as_json: bool) -> None:
    """Print a report as a table or as JSON."""
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
        return
    console = Console()
    if report.scores:
        console.print(terminal_table(report))
    console.print(f"verdict: {report.verdict['status']}: {report.verdict['reason']}")
    if report.failures:
        console.print(f"{len(report.failures)} samples could not be read and are in no score")


def print_scores(
    facts: dict[str, str], ours: Sequence[Score], theirs: Sequence[Score], *, as_json: bool
) -> None:
    """Print scores as a table or as JSON; beside them the official engine's, and the difference."""
    known = {score.name: score.value for score in ours}
    beside = [
        (score.name, known[score.name], score.value, known[score.name] - score.value)
        for score in theirs
        if score.name in known
    ]
    columns = ("name", "ours", "official", "difference")
    if as_json:
        content: dict[str, Any] = {**facts, "scores": [score.to_json() for score in ours]}
        if theirs:
            content["official"] = [dict(zip(columns, row, strict=True)) for row in beside]
        print(json.dumps(content, indent=2))
        return
    Console().print(score_table(f"{facts['task']}, {facts['split']}", ours))
    if theirs:
        table = Table(*columns)
        for row in beside:
            table.add_row(*(str(value) for value in row))
        Console().print(table)


def print_reports(reports: Sequence[Report], *, as_json: bool) -> None:
    """Print the headlines of several reports as a table, or the reports as JSON."""
    if as_json:
        print(json.dumps([report.to_json() for report in reports], indent=2))
        return
    Console().print(terminal_overview(reports))


def print_difference(score: Score, *, as_json: bool) -> None:
    """Print a paired difference as a sentence or as JSON."""
    if as_json:
        print(json.dumps(score.to_json(), indent=2))
        return
    low, high = score.interval or (score.value, score.value)
    print(f"{score.value:+.2f} ({low:+.2f} to {high:+.2f}), {score.n:,} samples")


def print_reproduced(rows: Sequence[Any], *, as_json: bool) -> None:
    """Print rows of `reproducing.Reproduced` as a table or as JSON."""
    if as_json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
        return
    table = Table("", "paper", "released checkpoint", "measured", "difference", "verdict")
    for row in rows:
        measured = "" if row.measured is None else f"{row.measured.value:.2f}"
        difference = "" if row.difference is None else f"{row.difference:+.2f}"
        released = f"{row.released} ({row.weights})" if row.weights else ""
        table.add_row(row.column, row.paper, released, measured, difference, row.verdict)
    Console().print(table)
