"""What benchmarks of questions and human answers share: each brings its card and its readers."""

import logging
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.benchmark import Card, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.data.reading import shortened
from evalsuite.kinds.answering.baselines import learn_prior
from evalsuite.kinds.answering.files import read_results
from evalsuite.kinds.answering.shown import showing
from evalsuite.metrics.difference import mean_difference
from evalsuite.metrics.vqa.accuracy import mean_accuracy, mean_scores
from evalsuite.metrics.vqa.exact import (
    EXACT,
    fitting_rule,
    fitting_values,
    questions_not_of_ten,
)
from evalsuite.metrics.vqa.references import VqaReferences
from evalsuite.records.errors import Remark, UserError
from evalsuite.records.files import write_text
from evalsuite.records.score import Score

LOGGER = logging.getLogger(__name__)


@dataclass(kw_only=True)
class AnsweringBenchmark:
    """One open question about one image, and what people answered.

    `questions` yields a split's samples, `people` returns what it is scored against, `official`
    what the official evaluator says of a result file, None where it is not to be had.
    """

    card: Card
    questions: Callable[[Path, str], Iterator[Sample]]
    people: Callable[[Path, str], VqaReferences]
    official: Callable[[Path, Path, str], list[Score] | None]
    official_hint: str

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the questions of a split in the order of its files.

        The target holds `answers` (of people), `question_type`, `answer_type` and
        `multiple_choice_answer`, all empty where the ground truth is held back.

        Raises:
            UserError: there is no such split, or a file is missing or malformed.
        """
        self.card.split(split)
        return self.questions(data, split)

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> VqaReferences:
        """Return the human answers of a split; `only` keeps those of some questions.

        Raises:
            UserError: a file is missing or malformed, or the split's answers are held back.
        """
        server = self.card.split(split).server
        if server:
            raise UserError(
                f"the answers of {self.card.title} {split} are held back: write a results file and "
                f"submit it at {server}"
            )
        references = self.people(data, split)
        if only is not None:
            references = references.take(inside(references.question_ids, set(only)))
        return references

    def read_predictions(self, path: Path) -> Predictions:
        """Return the answers of a VQA results file.

        Raises:
            UserError: the file is missing, not JSON, not of the format, or repeats an id.
        """
        return cast(Predictions, read_results(path))

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write a results file as servers take it, in the order of the predictions.

        With `data` and `split` it is checked to answer exactly the split's questions.

        Raises:
            UserError: an id or an answer is of the wrong type, or the ids are not the split's.
        """
        for number, answer in predictions.items():
            if not isinstance(number, int | str) or not isinstance(answer, str):
                raise UserError(
                    f"VQA prediction {number!r}: {answer!r}; expected a question id and text"
                )
        if data is not None and split is not None:
            self.check_submission(cast("dict[SampleId, str]", predictions), data, split)
        results = [{"question_id": number, "answer": said} for number, said in predictions.items()]
        write_text(path, msgspec.json.encode(results).decode())

    def check_submission(self, predictions: dict[SampleId, str], data: Path, split: str) -> None:
        """Do nothing where the predictions answer exactly the questions of a split.

        Raises:
            UserError: a question lacks an answer, or an answer its question.
        """
        ids = {sample.id for sample in self.samples(data, split)}
        missing = [number for number in ids if number not in predictions]
        extra = [number for number in predictions if number not in ids]
        for numbers, found in ((missing, "without an answer"), (extra, "not of the split")):
            if numbers:
                raise UserError(
                    f"{self.card.title} {split} has {len(ids)} questions and the server takes all: "
                    f"question {shortened(numbers[0])} is {found} ({len(numbers)} such)"
                )

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return the accuracy overall, per answer type and per question type, in percent.

        Where a question has other than ten human answers it is `exact_match`, not `vqa_accuracy`.

        Raises:
            UserError: the ids of predictions and references differ.
        """
        values = fitting_values(predictions, references)
        if others := questions_not_of_ten(references):
            name, count = next(iter(others.items()))
            LOGGER.warning(
                "the official VQA rule needs ten human answers a question; %d of %d questions have "
                "others (question %s has %d): all are scored by %s, the share of answers that "
                "equal one of the humans', both officially normalised",
                len(others),
                len(values),
                shortened(name),
                count,
                EXACT,
            )
        rule = fitting_rule(references)
        return mean_scores(values, references, interval=interval, rule=rule)

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return the accuracy of `first` minus that of `second`, with its 95% interval."""
        values = [fitting_values(one, references) for one in (first, second)]
        return mean_difference(fitting_rule(references), values[0], values[1])

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], SampleDisplay]:
        """Return what shows a question on a page."""
        return showing(predictions, references)

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return what is reached without the image: `prior_per_type` and `question_only`.

        Both answer as the training questions of the same type, or of the same words, are best
        answered. There are none where the ground truth is held back or the train files are missing.

        Raises:
            UserError: a file is malformed.
        """
        if self.card.split(split).server:
            return []
        train = self.card.train_split
        for file in self.card.split(train).files:
            path = data / file.path
            if path.suffix and not path.is_file():  # images are not needed
                warnings.warn(f"{path}: not found; no baselines without it", Remark, stacklevel=2)
                return []
        prior = learn_prior(self.samples(data, train))
        references = self.references(data, split, only=only)
        per_type, question_only = {}, {}
        for sample in self.samples(data, split):
            if only is not None and sample.id not in only:
                continue
            question_type = sample.target["question_type"]
            per_type[sample.id] = prior.per_type(question_type)
            question_only[sample.id] = prior.question_only(sample.text, question_type)
        named = (("prior_per_type", per_type), ("question_only", question_only))
        is_share = fitting_rule(references) == EXACT
        return [
            mean_accuracy(name, fitting_values(said, references), interval=True, is_share=is_share)
            for name, said in named
        ]

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what the official evaluator says of a results file; None: see `official_hint`."""
        self.card.split(split)
        theirs = self.official(predictions, data, split)
        if theirs is not None and fitting_rule(self.references(data, split)) == EXACT:
            raise UserError("the official evaluator needs ten human answers for each question")
        return theirs


def inside(ids: Sequence[SampleId], wanted: Set[SampleId]) -> NDArray[np.bool_]:
    """Return which ids (N) are wanted."""
    return np.fromiter((one in wanted for one in ids), np.bool_, len(ids))
