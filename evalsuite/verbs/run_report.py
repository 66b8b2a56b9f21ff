"""What a run reached: its journal beside the ground truth, scored and judged; writes nothing."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.catalog import benchmark_named, split_named
from evalsuite.contracts.benchmark import (
    Benchmark,
    CountsNearTies,
    NamesResults,
    Predictions,
    SampleId,
    ScoresClasses,
)
from evalsuite.data.predicted import predicted
from evalsuite.records.errors import UserError
from evalsuite.records.files import read_json
from evalsuite.records.journal import JournalEntries
from evalsuite.records.near_ties import TOLERANCES, NearTies
from evalsuite.records.report import Report, report_misfit
from evalsuite.records.run import Run
from evalsuite.records.score import Score
from evalsuite.report.conditions import Conditions
from evalsuite.report.from_scratch import with_from_scratch
from evalsuite.report.verdict import verdict
from evalsuite.verbs.regimes import answering_of

SUBMISSION = "submission"  # the folder of a run that holds what servers take


class Answers(NamedTuple):
    """What a run has journaled of a split, and the ground truth that it answers.

    `source` is what run.json says of the split's data. `references` are None where a server holds
    them.
    """

    benchmark: Benchmark
    split: str
    source: dict[str, Any]
    limit: int | None
    journaled: JournalEntries
    references: Any = None

    @property
    def predictions(self) -> Predictions:
        """The predictions of the split, by sample."""
        return self.journaled.predictions

    @property
    def data(self) -> Path:
        """The folder of the official files."""
        return Path(self.source["folder"])

    @property
    def is_whole(self) -> bool:
        """Whether every sample of the split is answered."""
        return self.limit is None and not self.journaled.failures

    @property
    def only(self) -> Collection[SampleId] | None:
        """The samples whose ground truth counts, None where all do."""
        return None if self.is_whole else self.predictions.keys()

    @property
    def is_held_back(self) -> bool:
        """Whether a server holds the ground truth."""
        return self.benchmark.card.splits[self.split].server is not None


def answers_of(run: Run, split: str | None = None) -> Answers:
    """Return what a run has journaled of a split, the last one where none is named.

    Raises:
        UserError: the run has not predicted the split, or its data has moved.
    """
    identity = run.facts["identity"]
    benchmark = benchmark_named(identity["task"])
    chosen = split_named(benchmark, split or run.facts.get("split"))
    if not run.journaled(chosen).predictions:
        raise UserError(
            f"{run.folder}: holds no predictions of {chosen}; run `evalsuite eval` first"
        )
    source = dict(run.facts["splits"][chosen])
    # Of an older run the limit is that of training, too.
    limit = source.pop("limit", identity["limit"])
    journaled = predicted(run, benchmark, Path(source["folder"]), chosen)
    answers = Answers(benchmark, chosen, source, limit, journaled)
    if answers.is_held_back:
        return answers
    references = benchmark.references(answers.data, chosen, only=answers.only)
    return answers._replace(references=references)


def scored(run: Run, answers: Answers) -> Report:
    """Return the report of a run's answers: scores, baselines, verdict, provenance.

    Raises:
        UserError: predictions and ground truth are not of the same samples.
    """
    benchmark, split, identity = answers.benchmark, answers.split, run.facts["identity"]
    scores, baselines = _scores(answers)
    name = result_name(benchmark, split, identity["backbone"])
    session, answering = run.facts["sessions"][-1], answering_of(run)
    failures = answers.journaled.failures
    report = Report(
        task=identity["task"],
        title=benchmark.card.title,
        split=split,
        backbone=identity["backbone"],
        weights=run.facts["weights"],
        recipe=identity["recipe"],
        seed=identity["seed"],
        data=answers.source,
        limit=answers.limit,
        scores=scores,
        regime=answering.regime,
        protocol=answering.protocol,
        changed=run.facts.get("changed", {}),
        baselines=baselines,
        near_ties=_near_ties(answers, session["precision"]),
        failures={str(id): reason for id, reason in failures.items()},
        submission=f"{SUBMISSION}/{name}" if answers.is_held_back else None,
        phases=run.facts["phases"],
        environment=session,
    )
    return with_from_scratch(judged(report))


def _scores(answers: Answers) -> tuple[list[Score], Sequence[Score]]:
    """Return scores and baselines; none where the ground truth is held back."""
    benchmark, predictions, references = answers.benchmark, answers.predictions, answers.references
    if answers.is_held_back:
        return [], ()
    scores = benchmark.score(predictions, references)
    if isinstance(benchmark, ScoresClasses):
        scores += benchmark.class_scores(predictions, references)
    return scores, benchmark.baselines(answers.data, answers.split, only=answers.only)


def judged(report: Report) -> Report:
    """Return a report with `expected` and `verdict`: how its headline stands."""
    if not report.scores:
        reason = f"the ground truth of {report.split} is held back: submit {report.submission}"
        return replace(report, verdict={"status": "not comparable", "reason": reason})
    result = verdict(report.scores[0], Conditions.of(report))
    return replace(report, expected=result.expected_json(), verdict=result.to_json())


def _near_ties(answers: Answers, precision: str) -> NearTies | None:
    """Return how many decisions are near-ties; None where nobody counts them."""
    benchmark, tolerance = answers.benchmark, TOLERANCES[precision]
    if isinstance(benchmark, CountsNearTies) and answers.references is not None:
        return benchmark.near_ties(answers.predictions, answers.references, tolerance)
    if not answers.journaled.near_ties:
        return None
    counted = answers.journaled.near_ties.values()
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
