"""The verb `score`: saved predictions in, official scores out; needs no weights and no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from evalsuite.catalog import benchmark_named, split_named
from evalsuite.contracts.benchmark import (
    Benchmark,
    JoinsFiles,
    Predictions,
)
from evalsuite.data.predicted import predicted
from evalsuite.data.reading import shortened
from evalsuite.records.difference import Difference
from evalsuite.records.errors import UserError
from evalsuite.records.run import Run
from evalsuite.records.score import Score
from evalsuite.verbs.regimes import AnswerMode, answering_of, unlike

TWO_SETS = "--paired compares two runs, or two --predictions files of one task"


@dataclass(frozen=True, kw_only=True)
class ScoreRequest:
    """What is to be scored: a run folder (`target`), or a task's result files (`predictions`).

    `other` is a second run, for a paired difference; with files the second file is. Without
    `paired` two files are one model's, where a benchmark's results come so.
    """

    target: str
    other: Path | None = None
    predictions: tuple[Path, ...] = ()
    data: Path | None = None
    split: str | None = None
    paired: bool = False

    @property
    def names(self) -> tuple[str, str]:
        """The two sets of a paired difference as they were asked for: A and B.

        Raises:
            UserError: they are not two.
        """
        runs = (self.target, *([self.other] if self.other else []))
        named = self.predictions or runs
        if len(named) != 2:
            raise UserError(TWO_SETS)
        return str(named[0]), str(named[1])


class Scorable(NamedTuple):
    """A benchmark's split with one or two sets of predictions, and the references they answer.

    `answerings` is how each of them was made, empty for result files, of which nobody knows.
    """

    benchmark: Benchmark
    split: str
    data: Path
    sets: Sequence[Predictions]
    references: Any
    answerings: Sequence[AnswerMode] = ()

    @property
    def answering(self) -> AnswerMode:
        """How the predictions were made, where that is known and the same for all of them."""
        return self.answerings[0] if len(set(self.answerings)) == 1 else AnswerMode()


def scorable(request: ScoreRequest) -> Scorable:
    """Return what a request names, read.

    Raises:
        UserError: a file or folder is missing or malformed.
    """
    if not request.predictions:
        return _runs(request)
    benchmark = benchmark_named(request.target)
    split = split_named(benchmark, request.split)
    if request.data is None:
        raise UserError("score TASK --predictions FILE needs --data DIR with the official files")
    if request.other is not None:
        raise UserError(f"{request.other}: give a second result file with --predictions")
    sets = [benchmark.read_predictions(path) for path in request.predictions]
    if len(sets) > 1 and not request.paired:
        sets = [_joined(benchmark, sets)]
    return Scorable(benchmark, split, request.data, sets, benchmark.references(request.data, split))


def _joined(benchmark: Benchmark, sets: Sequence[Predictions]) -> Predictions:
    """Return the predictions of two files as those of one model."""
    if len(sets) == 2 and isinstance(benchmark, JoinsFiles):
        return benchmark.joined(sets[0], sets[1])
    raise UserError(
        f"--predictions is given {len(sets)} times, but results of {benchmark.card.name} are "
        "scored from one; to compare two models, add --paired"
    )


def score(request: ScoreRequest) -> list[Score]:
    """Return the scores of a run's predictions or of a result file.

    Raises:
        UserError: a file is missing or malformed, or the ids do not match the split's.
    """
    return score_predictions(scorable(request))


def score_predictions(found: Scorable, interval: bool = True) -> list[Score]:
    """Return the scores of the first set of predictions.

    Raises:
        UserError: the ids do not match the split's.
    """
    return found.benchmark.score(found.sets[0], found.references, interval=interval)


def paired_difference(found: Scorable, names: tuple[str, str]) -> Difference:
    """Return the headline score of the first set minus that of the second, with its interval.

    Raises:
        UserError: there are not two sets, or they do not answer the same samples.
    """
    if len(found.sets) != 2:
        raise UserError(TWO_SETS)
    score = found.benchmark.paired(found.sets[0], found.sets[1], found.references)
    return Difference(names=names, score=score, unlike=unlike(found.answerings))


def official_scores(found: Scorable, request: ScoreRequest) -> list[Score] | None:
    """Return what the official engine says of the first set of predictions.

    None where it is not here; `official_hint` of the benchmark says what it needs.

    Raises:
        UserError: the engine does not take the files.
    """
    with TemporaryDirectory() as folder:
        if request.predictions:
            path = request.predictions[0]
        else:
            path = Path(folder) / "predictions.json"
            found.benchmark.write_predictions(found.sets[0], path)
        try:
            if len(request.predictions) > 1 and isinstance(found.benchmark, JoinsFiles):
                return found.benchmark.official_joined(found.sets[0], found.data, found.split)
            return found.benchmark.official_scores(path, found.data, found.split)
        except UserError:
            raise
        except (Exception, SystemExit) as error:  # another house's code: it may raise anything
            reason = shortened(f"{type(error).__name__}: {error}")
            raise UserError(f"the official engine does not take the files ({reason})") from error


def _runs(request: ScoreRequest) -> Scorable:
    """Return the predictions of one or two run folders."""
    if request.other is not None and not request.paired:
        raise UserError(f"{request.other}: two runs are compared with --paired; to score, name one")
    folders = [Path(request.target), *([request.other] if request.other else [])]
    runs = [Run.open(folder) for folder in folders]
    names = {run.facts["identity"]["task"] for run in runs}
    if len(names) > 1:
        raise UserError(f"the runs are of different tasks: {', '.join(sorted(names))}")
    benchmark = benchmark_named(names.pop())
    split = split_named(benchmark, request.split or runs[0].facts.get("split"))
    for run in runs:
        if split not in run.facts.get("splits", {}) or not run.journaled(split).predictions:
            raise UserError(f"{run.folder}: holds no predictions of {split}")
    data = request.data or Path(runs[0].facts["splits"][split]["folder"])
    sets = [predicted(run, benchmark, data, split).predictions for run in runs]
    references = benchmark.references(data, split, only=sets[0].keys())
    answerings = [answering_of(run) for run in runs]
    return Scorable(benchmark, split, data, sets, references, answerings)
