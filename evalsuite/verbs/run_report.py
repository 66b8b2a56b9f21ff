"""What a run reached: its journal scored, judged and written as its reports."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from evalsuite.catalog import benchmark_named
from evalsuite.contracts.benchmark import (
    Benchmark,
    CountsNearTies,
    NamesResults,
    ScoresClasses,
)
from evalsuite.data.predicted import predicted
from evalsuite.records.errors import UserError, refuse_unknown_split
from evalsuite.records.files import read_json, write_json, write_text
from evalsuite.records.journal import Journaled
from evalsuite.records.near_ties import TOLERANCES, NearTies
from evalsuite.records.report import Report, report_misfit
from evalsuite.records.run import Run
from evalsuite.records.score import Score
from evalsuite.report.conditions import Conditions
from evalsuite.report.from_scratch import with_from_scratch
from evalsuite.report.markdown import markdown
from evalsuite.report.pages.page import page
from evalsuite.report.pages.run import shown_run
from evalsuite.report.verdict import verdict
from evalsuite.verbs.regimes import answering_of


def split_of(benchmark: Benchmark, split: str | None) -> str:
    """Return the split that is meant, the benchmark's usual one where none is named.

    Raises:
        UserError: the benchmark has no such split.
    """
    if split is None:
        return benchmark.card.eval_split
    refuse_unknown_split(benchmark.card.name, split, benchmark.card.splits)
    return split


def report_of(run: Run, split: str | None = None, *, interval: bool = True) -> Report:
    """Score what a run has journaled, write its reports, and return the record.

    Raises:
        UserError: the run has not predicted the split, or its data has moved.
    """
    identity = run.facts["identity"]
    benchmark = benchmark_named(identity["task"])
    chosen = split_of(benchmark, split or run.facts.get("split"))
    if not run.journaled(chosen).predictions:
        raise UserError(
            f"{run.folder}: holds no predictions of {chosen}; run `evalsuite eval` first"
        )
    source = dict(run.facts["splits"][chosen])
    data = Path(source["folder"])
    journaled = predicted(run, benchmark, data, chosen)
    # Of an older run the limit is that of training, too.
    limit = source.pop("limit", identity["limit"])
    is_whole = limit is None and not journaled.failures
    is_held_back = benchmark.card.splits[chosen].server is not None
    submission = None
    references = None
    scores: list[Score] = []
    baselines: Sequence[Score] = ()
    names = benchmark if isinstance(benchmark, NamesResults) else None
    if is_held_back or (names is not None and names.keeps_results(journaled.predictions)):
        path = run.folder / "submission" / result_name(benchmark, chosen, identity["backbone"])
        path.parent.mkdir(exist_ok=True)
        known = data if is_whole else None
        benchmark.write_predictions(journaled.predictions, path, data=known, split=chosen)
        submission = str(path.relative_to(run.folder)) if is_held_back else None
    if not is_held_back:
        asked = journaled.predictions.keys()
        references = benchmark.references(data, chosen, only=None if is_whole else asked)
        scores = benchmark.score(journaled.predictions, references, interval=interval)
        if isinstance(benchmark, ScoresClasses):
            scores += benchmark.class_scores(journaled.predictions, references)
        baselines = benchmark.baselines(data, chosen, only=None if is_whole else asked)
    answering = answering_of(run)
    tolerance = TOLERANCES[run.facts["sessions"][-1]["precision"]]
    report = Report(
        task=identity["task"],
        title=benchmark.card.title,
        split=chosen,
        backbone=identity["backbone"],
        weights=run.facts["weights"],
        recipe=identity["recipe"],
        seed=identity["seed"],
        data=source,
        limit=limit,
        scores=scores,
        regime=answering.regime,
        protocol=answering.protocol,
        changed=run.facts.get("changed", {}),
        baselines=baselines,
        near_ties=_near_ties(benchmark, journaled, references, tolerance),
        failures={str(name): reason for name, reason in journaled.failures.items()},
        submission=submission,
        phases=run.facts["phases"],
        environment=run.facts["sessions"][-1],
    )
    report = with_from_scratch(judged(report))
    write_json(run.folder / "report.json", report.to_json())
    write_text(run.folder / "report.md", markdown(report))
    write_text(run.folder / "report.html", page([shown_run(run, report, benchmark, references)]))
    return report


def read_report(folder: Path) -> Report:
    """Return a run's report; an older one is told its regime and protocol.

    Raises:
        UserError: the folder holds no report, or a damaged one.
    """
    path = folder / "report.json"
    if not path.is_file():
        raise UserError(f"{path}: no such file; `evalsuite report {folder}` writes it")
    content = read_json(path)
    problem = report_misfit(content)
    if problem:
        raise UserError(
            f"{path}: not as evalsuite wrote it: {problem}; remove it, and `evalsuite report "
            f"{folder}` writes it anew"
        )
    report = Report.from_json(content)
    if "regime" in content or not (folder / "run.json").is_file():
        return report
    return replace(report, **answering_of(Run.open(folder))._asdict())


def _near_ties(
    benchmark: Benchmark, journaled: Journaled, references: Any, tolerance: float
) -> NearTies | None:
    """Return how many decisions are near-ties; None where nobody counts them."""
    if isinstance(benchmark, CountsNearTies) and references is not None:
        return benchmark.near_ties(journaled.predictions, references, tolerance)
    if not journaled.near_ties:
        return None
    counted = journaled.near_ties.values()
    return NearTies(count=sum(counted), of=len(counted), tolerance=tolerance)


def result_name(benchmark: Benchmark, split: str, backbone: str) -> str:
    """Return the name of a split's result file or folder, the server's own where it asks for one.

    Such a name separates its parts by "_", so that a backbone's own are written as "-".
    """
    asked = benchmark.card.splits[split].result_name
    if asked is not None:
        return asked.format(model=backbone.replace("_", "-"))
    suffix = benchmark.result_suffix if isinstance(benchmark, NamesResults) else ".json"
    return f"{benchmark.card.name}_{split}{suffix}"


def judged(report: Report) -> Report:
    """Return a report with `expected` and `verdict`: how its headline stands."""
    if not report.scores:
        reason = f"the ground truth of {report.split} is held back: submit {report.submission}"
        return replace(report, verdict={"status": "not comparable", "reason": reason})
    result = verdict(report.scores[0], Conditions.of(report))
    return replace(report, expected=result.expected_json(), verdict=result.to_json())
