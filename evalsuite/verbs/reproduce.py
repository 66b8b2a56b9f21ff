"""`evalsuite reproduce`: the runs that a paper's tables need, beside what was published."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from evalsuite.backbones.weights import released_files
from evalsuite.catalog import benchmark_named, task_names
from evalsuite.engine.progress import say
from evalsuite.records.board import Entry, metric_facts, read_board, split_of, vocabulary
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.score import Score, named
from evalsuite.report.conditions import Conditions
from evalsuite.report.tables.definition import Column, Definition, definitions
from evalsuite.report.verdict import Verdict, verdict
from evalsuite.tinyworld.marker import is_tinyworld
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request

ZERO_SHOT = "zero-shot"
MEASURED = ("", "fine-tuned", "transfer", ZERO_SHOT)  # regimes of columns; "": any


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """One number of a paper's tables, what the released weights should give, and what they gave.

    `paper` and `released` say model and value; they are empty where nothing is published.
    `measured` is None where `verdict` says why.
    """

    column: str
    paper: str
    weights: str
    released: str
    measured: Score | None
    difference: float | None
    verdict: str


@dataclass(frozen=True)
class _Target:
    """A column of a table that a task of ours can fill."""

    column: Column
    task: str
    split: str
    paper: str

    @property
    def is_zero_shot(self) -> bool:
        """Whether the column wants a backbone that never saw the benchmark."""
        return self.column.regime == ZERO_SHOT


class _Key(NamedTuple):
    """What decides a measurement: no two columns of equal keys are measured twice."""

    task: str
    split: str
    weights: str
    zero_shot: bool


def reproduce(
    paper: str, data: Path | None, weights_dir: Path | None, request: Request
) -> Iterator[Reproduction]:
    """Yield a row for every number of a paper's tables that our tasks measure.

    With data, released checkpoints are evaluated, from `weights_dir` or else downloaded. Without,
    or with a drawn tiny world, the backbone is fine-tuned there: the whole table in small. What
    is published zero-shot is measured without training; where the weights cannot, the row says so.

    Args:
        paper: as beit3, or one of its tables, as beit3/4.

    Raises:
        UserError: there is no such paper, or no task of ours measures what it prints, or several
            processes were started.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError(
            "reproduce runs in one process; for several, start `evalsuite eval TASK --weights "
            f"FILE` with torchrun for each, then `evalsuite table {paper} RUN...`"
        )
    targets = _targets(paper)
    if not targets:
        raise UserError(f"{paper}: no task of {', '.join(task_names())} measures what it prints")
    is_drawn = data is None or is_tinyworld(data)
    request = replace(request, data=data)
    known: dict[_Key, Report | str] = {}
    for target in targets:
        if is_drawn:
            yield _row(target, None, request, None, known)
            continue
        entries = _released(target)
        if not entries:
            yield _bare(target, None, "no checkpoint with a published value was released")
        for entry in entries:
            yield _row(target, entry, request, weights_dir, known)


def _targets(paper: str) -> list[_Target]:
    """Return what a paper's tables ask for that we can measure, each thing once."""
    tables = [
        table for name, table in definitions().items() if paper in (name, name.partition("/")[0])
    ]
    if not tables:
        papers = dict.fromkeys(name.partition("/")[0] for name in definitions())
        raise UserError(f"no paper or table {paper!r}; there are {', '.join(papers)}")
    targets: dict[tuple[str, str, str, bool], _Target] = {}
    for table in tables:
        for column in table.columns:
            task = vocabulary()["boards"][column.board].get("task")
            is_score = metric_facts(column.metric)["unit"] != "text"
            if task not in task_names() or not is_score or column.regime not in MEASURED:
                continue
            one = _Target(column, task, _own_split(task, column), _papers_own(paper, table, column))
            # A zero-shot column of the same metric is another number of the same task.
            key = (column.board, column.metric, column.split, one.is_zero_shot)
            if key not in targets or (one.paper and not targets[key].paper):
                targets[key] = one
    return list(targets.values())


def _own_split(task: str, column: Column) -> str:
    """Return the task's name of a column's split, or the column's where the task has none."""
    splits = benchmark_named(task).card.splits
    same = [split for split in splits if split_of(column.board, split) == column.split]
    return same[0] if same else column.split


def _papers_own(paper: str, table: Definition, column: Column) -> str:
    """Return the best value that a paper prints for its own model in a column."""
    name = _plain(paper.partition("/")[0])
    # The rows of an overview table are picked by their role, and only labelled with the model.
    own = [row for row in table.rows if _plain(row.model or row.label).startswith(name)]
    found = [
        entry
        for entry in read_board(column.board)
        if (entry.metric, entry.split) == (column.metric, column.split)
        and any(row.model in ("", entry.model) and row.role == entry.role for row in own)
        and entry.value is not None
        and (not table.source or entry.source == table.source)
        and (not column.regime or entry.regime == column.regime)
    ]
    best = max(found, key=lambda entry: entry.value or 0.0, default=None)
    return "" if best is None else f"{best.printed} ({best.model})"


def _plain(text: str) -> str:
    return "".join(letter for letter in text.lower() if letter.isalnum())


def _released(target: _Target) -> list[Entry]:
    """Return the published results of the released checkpoints that can be run here."""
    known = released_files()
    return [
        entry
        for entry in read_board(target.column.board)
        if entry.weights in known
        and entry.metric == target.column.metric
        and entry.split == target.column.split
        and (entry.regime == ZERO_SHOT) == target.is_zero_shot
        and entry.regime in MEASURED
    ]


def _row(
    target: _Target,
    entry: Entry | None,
    request: Request,
    weights_dir: Path | None,
    known: dict[_Key, Report | str],
) -> Reproduction:
    """Return one row, evaluated unless an earlier one did."""
    split = target.split if entry else benchmark_named(target.task).card.eval_split
    key = _Key(target.task, split, entry.weights if entry else "", target.is_zero_shot)
    if key not in known:
        known[key] = _evaluated(key, request, weights_dir)
    report = known[key]
    if isinstance(report, str):
        return _bare(target, entry, report)
    if not report.scores:
        return _bare(target, entry, f"held back: submit {report.submission}")
    try:
        score = named(report.scores, target.column.metric)
    except KeyError:
        return _bare(target, entry, "not measured here: the log of the run says why")
    result = verdict(score, Conditions.of(report))
    difference = None
    if result.status != "not comparable" and entry and entry.value is not None:
        difference = score.value - entry.value
    row = _bare(target, entry, _said(result))
    return replace(row, measured=score, difference=difference)


def _bare(target: _Target, entry: Entry | None, said: str) -> Reproduction:
    """Return a row without a measurement."""
    column = target.column
    return Reproduction(
        column=f"{target.task}: {metric_facts(column.metric)['title']}, {column.split}"
        + (", zero-shot" if target.is_zero_shot else ""),
        paper=target.paper,
        weights=entry.weights if entry else "",
        released=entry.printed if entry else "",
        measured=None,
        difference=None,
        verdict=said,
    )


def _evaluated(key: _Key, request: Request, weights_dir: Path | None) -> Report | str:
    """Return the report of a task with released weights, or why there is none."""
    task, split, weights, zero_shot = key
    path = weights or request.weights
    if weights and weights_dir is not None:
        if not (weights_dir / weights).is_file():
            return f"not in {weights_dir}"
        path = str(weights_dir / weights)
    say(f"--- {task}, {split}{', ' + weights if weights else ''}")
    never_trains = zero_shot or bool(weights)
    asked = replace(request, task=task, split=split, weights=path, zero_shot=never_trains)
    try:
        report = evaluate(asked).report
    except UserError as error:
        return str(error)
    assert report is not None
    return report


def _said(result: Verdict) -> str:
    """Return a verdict in a few words: its status, with the first reason why there is none."""
    if result.status != "not comparable":
        return result.status
    return f"{result.status}: {result.reason.partition(';')[0]}"
