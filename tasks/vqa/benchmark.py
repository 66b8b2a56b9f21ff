"""VQAv2 for `evalsuite tasks`, `doctor` and `score`: official files in, official accuracy out.

Splits: `minival` is a fixed part of val, all questions on the images whose ids have the smallest
sha256: 1,000 of the 40,504 real val2014 images, as many as BEiT-3 held out, and the same share of
any other file. `trainval` is train and the rest of val.
"""

import hashlib
import logging
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence, Set
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.benchmark import Predictions, Sample, SampleId, Shown
from evalsuite.data.reading import shortened
from evalsuite.kinds.answering.baselines import learn_prior
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
from evalsuite.records.errors import Remark, UserError, refuse_unknown_split
from evalsuite.records.files import write_text
from evalsuite.records.score import Score

from . import official
from .card import CARD, HELD_BACK, NUM_IMAGES, PARTS, annotations_path, image_path, questions_path
from .files import read_annotations, read_majority_answers, read_questions, read_results
from .index import load_references

LOGGER = logging.getLogger(__name__)
NUM_MINIVAL_IMAGES = 1000  # unilm beit3/datasets.py @6996194, which shuffles without a seed


class Vqa:
    """VQAv2: one open question about one image, ten human answers."""

    card = CARD
    official_hint = official.HINT

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the questions of a split in the order of the official files.

        The target holds `answers` (ten human answers), `question_type`, `answer_type` and
        `multiple_choice_answer`, all empty where the ground truth is held back.

        Raises:
            UserError: there is no such split, or a file is missing or malformed.
        """
        for subset, half in PARTS[_known(split)]:
            questions = read_questions(data / questions_path(subset))
            chosen = _chosen(half, (question.image_id for question in questions))
            targets = {} if split in HELD_BACK else _targets(data, subset)
            for question in questions:
                if question.image_id not in chosen:
                    continue
                number = question.question_id
                if split not in HELD_BACK and number not in targets:
                    path = data / annotations_path(subset)
                    raise UserError(f"{path}: no annotation of question {shortened(number)}")
                yield Sample(
                    id=number,
                    images=(image_path(subset, question.image_id),),
                    text=question.question,
                    target=targets.get(number) or _target([], "", "", ""),
                )

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> VqaReferences:
        """Return the human answers of a split; `only` keeps those of some questions.

        Raises:
            UserError: a file is missing or malformed, or the split's answers are held back.
        """
        if _known(split) in HELD_BACK:
            raise UserError(
                f"the answers of VQAv2 {split} are held back: write a results file and submit it "
                f"at {CARD.splits[split].server}"
            )
        parts = PARTS[split]
        if len(parts) > 1:
            raise UserError(f"VQAv2 {split} is for training; score train, val or minival")
        references = load_references(data / annotations_path(parts[0].subset))
        if parts[0].half != "all":
            chosen = _chosen(parts[0].half, references.image_ids)
            references = references.take(_inside(references.image_ids, chosen))
        if only is not None:
            references = references.take(_inside(references.question_ids, set(only)))
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
        """Write a results file as EvalAI takes it, in the order of the predictions.

        With `data` and `split` it is checked to answer exactly the split's questions: all 447,793
        for test-std, the 107,394 of its subset for test-dev.

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
                    f"VQAv2 {split} has {len(ids)} questions and the server takes them all: "
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
    ) -> Callable[[Sample], Shown]:
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
        if _known(split) in HELD_BACK:
            return []
        for path in (annotations_path("train2014"), questions_path("train2014")):
            if not (data / path).is_file():
                warnings.warn(
                    f"{data / path}: not found; no baselines without it", Remark, stacklevel=2
                )
                return []
        prior = learn_prior(self.samples(data, CARD.train_split))
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
        if _known(split) not in ("train", "val"):
            raise UserError(f"the official evaluator scores whole files, train or val, not {split}")
        theirs = official.official_scores(predictions, data, PARTS[split][0].subset)
        if theirs is not None and fitting_rule(self.references(data, split)) == EXACT:
            raise UserError("the official evaluator needs ten human answers for each question")
        return theirs


def minival_images(image_ids: Iterable[SampleId]) -> set[SampleId]:
    """Return the images of `minival` among those of a val file (see the top of this file)."""
    images = set(image_ids)
    count = max(1, round(NUM_MINIVAL_IMAGES * len(images) / NUM_IMAGES["val2014"]))
    return set(sorted(images, key=lambda one: hashlib.sha256(str(one).encode()).digest())[:count])


def _inside(ids: Sequence[SampleId], wanted: Set[SampleId]) -> NDArray[np.bool_]:
    """Return which ids (N) are wanted."""
    return np.fromiter((one in wanted for one in ids), np.bool_, len(ids))


def _chosen(half: str, image_ids: Iterable[SampleId]) -> set[SampleId]:
    """Return the images of one half of a file."""
    images = set(image_ids)
    if half == "all":
        return images
    minival = minival_images(images)
    return minival if half == "minival" else images - minival


def _known(split: str) -> str:
    """Return the split."""
    refuse_unknown_split("VQAv2", split, PARTS)
    return split


def _targets(data: Path, subset: str) -> dict[SampleId, dict[str, Any]]:
    """Return the target of every question of a subset."""
    path = data / annotations_path(subset)
    majority = read_majority_answers(path)
    return {
        one.question_id: _target(
            list(one.answers), one.question_type, one.answer_type, majority[one.question_id]
        )
        for one in read_annotations(path)
    }


def _target(
    answers: list[str], question_type: str, answer_type: str, majority: str
) -> dict[str, Any]:
    return {
        "answers": answers,
        "question_type": question_type,
        "answer_type": answer_type,
        "multiple_choice_answer": majority,
    }


BENCHMARK = Vqa()
