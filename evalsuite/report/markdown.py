"""A report as Markdown, and as a table on a terminal."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from evalsuite.records.board import in_words
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.from_scratch import parted

TERMINAL_ROWS = 12  # all of COCO's box or mask figures; the breakdowns are in report.md


def markdown(report: Report) -> str:
    """Return report.md: scores, baselines, verdict, how it was obtained."""
    lines = [
        f"# {report.title}, {report.split}: {report.backbone}",
        "",
        _verdict_line(report),
        "",
        *_score_table([score for score in report.scores if "/" not in score.name]),
    ]
    blind, from_scratch = parted(report.baselines)
    if blind:
        lines += ["", "Without looking at the images:", "", *_score_table(blind)]
    if from_scratch:
        lines += ["", report.from_scratch or "", "", *_score_table(from_scratch)]
    parts = [score for score in report.scores if "/" in score.name]
    if parts:
        lines += ["", "In parts:", "", *_score_table(parts)]
    if report.submission is not None:
        lines += ["", f"The ground truth is held back; submit `{report.submission}`."]
    if report.failures:
        lines += ["", f"{len(report.failures)} samples could not be read and are in no score:", ""]
        lines += [f"- `{name}`: {reason}" for name, reason in report.failures.items()]
    lines += ["", "## How it was obtained", "", *_facts(report)]
    return "\n".join(lines) + "\n"


def overview(reports: Sequence[Report]) -> str:
    """Return the headlines of several reports as one table."""
    names = ("benchmark", "split", "backbone", "regime", "protocol")
    rows = [f"| {' | '.join(names)} | score | value | 95% interval | verdict |"]
    rows.append("|---|---|---|---|---|---|---:|---:|---|")
    for report in reports:
        cells = [report.title, report.split, report.backbone, *_answering(report)]
        if report.scores:
            score = report.scores[0]
            cells += [score.name, f"{score.value:.2f}", score.interval_text]
        else:
            cells += ["held back", "", ""]
        rows.append(f"| {' | '.join([*cells, report.verdict.get('status', '')])} |")
    return "\n".join(rows)


def terminal_overview(reports: Sequence[Report]) -> Table:
    """Return the headlines of several reports as a table for a terminal."""
    columns = ("regime", "protocol", "score", "value", "95% interval", "verdict")
    table = Table("benchmark", "split", *columns)
    for report in reports:
        status = report.verdict.get("status", "")
        row = ["held back", "", ""]
        if report.scores:
            score = report.scores[0]
            row = [score.name, f"{score.value:.2f}", score.interval_text]
        table.add_row(report.title, report.split, *_answering(report), *row, status)
    return table


def terminal_table(report: Report) -> Table:
    """Return the first scores and, dimmed, the baselines as a table for a terminal."""
    title = f"{report.title}, {report.split}: {report.backbone}"
    table = score_table(title, report.scores[:TERMINAL_ROWS], report.baselines)
    left = len(report.scores) - TERMINAL_ROWS
    notes = [f"{left} more in report.md"] if left > 0 else []
    notes += [f"from_scratch: {report.from_scratch}"] if report.from_scratch else []
    table.caption = "\n".join(notes) or None
    return table


def score_table(title: str, scores: Sequence[Score], dimmed: Sequence[Score] = ()) -> Table:
    """Return scores as a table for a terminal."""
    table = Table(title=title)
    for column in ("score", "value", "95% interval", "n"):
        table.add_column(column, justify="left" if column == "score" else "right")
    for style, listed in ((None, scores), ("dim", dimmed)):
        for score in listed:
            row = (score.name, f"{score.value:.2f}", score.interval_text, f"{score.n:,}")
            table.add_row(*row, style=style)
    return table


def _score_table(scores: Sequence[Score]) -> list[str]:
    rows = ["| score | value | 95% interval | n | unit |", "|---|---:|---:|---:|---|"]
    for score in scores:
        value = f"{score.value:.2f} | {score.interval_text} | {score.n:,} | {score.unit}"
        rows.append(f"| {score.name} | {value} |")
    return rows


def _answering(report: Report) -> tuple[str, str]:
    return report.regime or "not known", report.protocol or "not known"


def _verdict_line(report: Report) -> str:
    expected = report.expected
    published = ""
    if expected is not None:
        published = f" Published: {expected['value']} ({expected['model']}, {expected['source']})."
    verdict = report.verdict
    if not verdict:
        return ""
    compared = f"\n\nCompared: {verdict['compared']}." if verdict.get("compared") else ""
    return f"**Verdict: {verdict['status']}.** {verdict['reason']}{published}{compared}"


def _facts(report: Report) -> list[str]:
    environment = dict(report.environment)
    weights = report.weights
    facts: dict[str, Any] = {
        "command": f"`{environment.pop('command', '')}`",
        "regime": in_words("regimes", report.regime),
        "protocol": in_words("protocols", report.protocol),
        "weights": f"{weights['origin']} (sha256 {str(weights['sha256'])[:16]})",
        "recipe": report.recipe.get("source"),
        "seed": report.seed,
        "data": f"{report.data['folder']}, {report.data['num_samples']:,} samples "
        f"(fingerprint {report.data['fingerprint'][:16]})",
        "limit": "none" if report.limit is None else f"first {report.limit} samples",
    }
    if report.near_ties is not None:
        facts["near-ties"] = report.near_ties
    for phase, figures in report.phases.items():
        facts[phase] = ", ".join(f"{name} {value:,.1f}" for name, value in figures.items())
    facts |= environment
    return [f"- {name}: {value}" for name, value in facts.items()]
