"""What the command line prints of reports, scores and comparisons: tables, or JSON."""

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from evalsuite.catalog import backbone_names, benchmark_named, benchmark_names, task_names
from evalsuite.data.doctor import Finding
from evalsuite.records.board import in_words
from evalsuite.records.difference import Difference
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.markdown import score_table, terminal_overview, terminal_table

SECONDS_BETWEEN_LINES = 10.0


class OpeningProgress:
    """Says on standard error from time to time how many samples of a split have been opened."""

    def __init__(self) -> None:
        self._printed = time.monotonic()

    def __call__(self, split: str, total: int, done: int) -> None:
        """Print a line where the last one is some seconds ago."""
        if time.monotonic() - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = time.monotonic()
            print(f"{split}: {done:,} of {total:,} samples opened", file=sys.stderr, flush=True)


def print_benchmarks(data: Path | None, *, as_json: bool) -> None:
    """Print what there is, and with a data folder which official files are in it."""
    rows = [_card_row(name, data) for name in benchmark_names()]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    table = Table("task", "benchmark", "headline", "needs", "fine-tunes", "splits (official size)")
    if data is not None:
        table.add_column("data")
    for row in rows:
        splits = ", ".join(
            f"{name} {size:,}" if size else name for name, size in row["splits"].items()
        )
        cells = [row["task"], row["title"], row["headline"], ", ".join(row["needs"])]
        cells += ["yes" if row["fine_tunes"] else "no", splits]
        table.add_row(*cells, *([row["data"]] if data is not None else []))
    Console().print(table)
    Console().print(f"backbones: {', '.join(backbone_names())}")


def print_findings(findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print what `doctor` found."""
    if as_json:
        print(json.dumps([asdict(finding) for finding in findings], indent=2))
        return
    for finding in findings:  # lines, not a table: paths and addresses are to be copied
        where = f"{finding.level:7} {finding.split or 'all':9} {finding.path}"
        print(f"{where}: {finding.text} {finding.sha256 or ''}".rstrip())


def print_report(report: Report, *, as_json: bool) -> None:
    """Print a report as a table or as JSON."""
    if as_json:
        print(json.dumps(report.to_json(), indent=2))
        return
    console = Console()
    if report.scores:
        console.print(terminal_table(report))
    console.print(f"regime: {in_words('regimes', report.regime)}")
    console.print(f"protocol: {in_words('protocols', report.protocol)}")
    console.print(f"verdict: {report.verdict['status']}: {report.verdict['reason']}")
    if report.failures:
        console.print(f"{len(report.failures)} samples could not be read and are in no score")


def print_scores(
    facts: dict[str, str | None], ours: Sequence[Score], theirs: Sequence[Score], *, as_json: bool
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


def print_difference(
    difference: Difference, *, as_json: bool, facts: dict[str, str | None] | None = None
) -> None:
    """Print a paired difference with its direction and what follows, or as JSON.

    With `facts` JSON has the form that scores have, the comparison's own fields under `paired`.
    """
    if as_json:
        score, compared = difference.score.to_json(), difference.to_json()
        flat = {**score, **compared}
        content = {**facts, "scores": [score], "paired": compared} if facts else flat
        print(json.dumps(content, indent=2))
        return
    for letter, name in zip("AB", difference.names, strict=True):
        print(f"{letter}: {name}")
    print(f"{difference.score.name.removesuffix('/difference')}, {difference.sentence}")


def print_reproduced(rows: Sequence[Any], *, as_json: bool) -> None:
    """Print rows of `reproduce.Reproduction` as a table or as JSON."""
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


def _card_row(name: str, data: Path | None) -> dict[str, Any]:
    """Return what the list says of a benchmark."""
    card = benchmark_named(name).card
    row: dict[str, Any] = {
        "task": name,
        "title": card.title,
        "headline": card.headline,
        "needs": card.needs,
        "fine_tunes": name in task_names(),
        "splits": {split: facts.num_samples for split, facts in card.splits.items()},
    }
    if data is not None:
        files = {file.path for split in card.splits.values() for file in split.files}
        missing = sorted(path for path in files if not (data / path).exists())
        row["data"] = f"missing {', '.join(missing)}" if missing else "found"
    return row
