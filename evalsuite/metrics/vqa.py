"""VQA accuracy, equal to the official evaluator in every question.

Source: github.com/GT-Vision-Lab/VQA PythonEvaluationTools/vqaEvaluation/vqaEval.py @a013f00.
"""

from array import array
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.benchmark import SampleId
from evalsuite.data.names import other_spelling
from evalsuite.data.reading import shortened
from evalsuite.metrics.bootstrap import mean_interval, share_interval
from evalsuite.metrics.vqa_normalise import normalised, trimmed
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

NUM_HUMANS = 10
NO_ANSWER = -1
# Accuracies that differ only in the last bits are one value for the bootstrap.
RESAMPLED_DECIMALS = 9


class Annotation(NamedTuple):
    """The ground truth of one question.

    `twins` numbers the human answers: answers with equal numbers are one and the same official
    record, so that neither counts as "another human" of the other. None where all are distinct,
    as in every official file.
    """

    question_id: SampleId
    image_id: SampleId
    question_type: str
    answer_type: str
    answers: Sequence[str]
    twins: Sequence[Hashable] | None = None


class OddQuestion(NamedTuple):
    """A question that has not ten distinct human records, its answers as they are compared."""

    answers: tuple[str, ...]
    twins: tuple[Hashable, ...]
    is_unanimous: bool


@dataclass(frozen=True, kw_only=True)
class VqaReferences:
    """The ground truth of N questions, ready to be compared.

    `strings` are the distinct human answers as they are compared: trimmed where all humans of a
    question agree (`unanimous`), normalised elsewhere. `answers` (N, 10) points into them, and is
    `NO_ANSWER` in the rows of `odd`.
    """

    question_ids: Sequence[SampleId]
    image_ids: Sequence[SampleId]
    answers: NDArray[np.int32]
    unanimous: NDArray[np.bool_]
    strings: Sequence[str]
    question_type: NDArray[np.int32]
    question_types: Sequence[str]
    answer_type: NDArray[np.int32]
    answer_types: Sequence[str]
    odd: Mapping[int, OddQuestion]

    def take(self, is_kept: NDArray[np.bool_]) -> "VqaReferences":
        """Return the questions that a mask (N,) keeps."""
        rows = np.flatnonzero(is_kept)
        place = {int(row): number for number, row in enumerate(rows)}
        return replace(
            self,
            question_ids=[self.question_ids[row] for row in place],
            image_ids=[self.image_ids[row] for row in place],
            answers=self.answers[rows],
            unanimous=self.unanimous[rows],
            question_type=self.question_type[rows],
            answer_type=self.answer_type[rows],
            odd={place[row]: question for row, question in self.odd.items() if row in place},
        )


class _Numbering(dict[str, int]):
    """Numbers strings in the order of their first appearance."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


def index_annotations(annotations: Iterable[Annotation]) -> VqaReferences:
    """Return the annotations as references, every distinct answer normalised once.

    Raises:
        UserError: a question has no answer.
    """
    raw, question_types, answer_types = _Numbering(), _Numbering(), _Numbering()
    question_ids: list[SampleId] = []
    image_ids: list[SampleId] = []
    question_type, answer_type, answers = array("i"), array("i"), array("i")
    odd: dict[int, OddQuestion] = {}
    for row, record in enumerate(annotations):
        question_ids.append(record.question_id)
        image_ids.append(record.image_id)
        question_type.append(question_types[record.question_type])
        answer_type.append(answer_types[record.answer_type])
        if record.twins is None and len(record.answers) == NUM_HUMANS:
            answers.extend(map(raw.__getitem__, record.answers))
        else:
            odd[row] = _odd_question(record)
            answers.extend([NO_ANSWER] * NUM_HUMANS)
    compared, unanimous, strings = _compared(
        np.array(answers, np.int32).reshape(-1, NUM_HUMANS), list(raw)
    )
    return VqaReferences(
        question_ids=question_ids,
        image_ids=image_ids,
        answers=compared,
        unanimous=unanimous,
        strings=strings,
        question_type=np.array(question_type, np.int32),
        question_types=list(question_types),
        answer_type=np.array(answer_type, np.int32),
        answer_types=list(answer_types),
        odd=odd,
    )


def question_accuracies(
    predictions: Mapping[Any, str], references: VqaReferences
) -> NDArray[np.float64]:
    """Return the accuracy of every question in the references' order, from 0 to 1.

    Raises:
        UserError: the ids differ, or a prediction is not text.
    """
    said = answers_in_order(predictions, references)
    numbers = {text: number for number, text in enumerate(references.strings)}
    plain: dict[str, int] = {}
    full: dict[str, int] = {}
    for answer in set(said):
        text = trimmed(answer)
        plain[answer] = numbers.get(text, NO_ANSWER)
        full[answer] = numbers.get(normalised(text), NO_ANSWER)
    # Where NO_ANSWER meets NO_ANSWER the row is odd, and done below.
    as_plain = np.fromiter((plain[answer] for answer in said), np.int32, len(said))
    as_full = np.fromiter((full[answer] for answer in said), np.int32, len(said))
    chosen = np.where(references.unanimous, as_plain, as_full)
    bits = (references.answers == chosen[:, None]) @ (1 << np.arange(NUM_HUMANS))
    accuracies: NDArray[np.float64] = pattern_accuracies()[bits]
    for row, question in references.odd.items():
        text = trimmed(said[row])
        compared = text if question.is_unanimous else normalised(text)
        is_match = [answer == compared for answer in question.answers]
        accuracies[row] = leave_one_out(is_match, question.twins)
    return accuracies


def vqa_scores(
    predictions: Mapping[Any, str], references: VqaReferences, *, interval: bool = True
) -> list[Score]:
    """Return the accuracy overall, per answer type and per question type, in percent.

    Intervals resample questions. Values are not rounded; the official evaluator prints two
    decimals.

    Raises:
        UserError: the ids differ, or a prediction is not text.
    """
    return mean_scores(question_accuracies(predictions, references), references, interval=interval)


def mean_scores(
    accuracies: NDArray[np.float64],
    references: VqaReferences,
    *,
    interval: bool = True,
    rule: str = "vqa_accuracy",
) -> list[Score]:
    """Return the means of every question's accuracy (0 to 1) by a rule, as `vqa_scores` does.

    By any rule but the official one a question is right or wrong.
    """
    is_share = rule != "vqa_accuracy"
    scores = [mean_accuracy(rule, accuracies, interval=interval, is_share=is_share)]
    groups = (
        ("", references.answer_types, references.answer_type),
        ("question_type/", references.question_types, references.question_type),
    )
    for prefix, names, members in groups:
        for number in sorted(set(members.tolist()), key=names.__getitem__):
            name = f"{rule}/{prefix}{names[number]}"
            own = accuracies[members == number]
            scores.append(mean_accuracy(name, own, interval=interval, is_share=is_share))
    return scores


def mean_accuracy(
    name: str, accuracies: NDArray[np.float64], *, interval: bool, is_share: bool = False
) -> Score:
    """Return the mean of accuracies (0 to 1; of a share 0 or 1) as a score in percent."""
    # sum() as in the source: numpy adds in another order, and the last digits would differ.
    value = 100 * float(sum(accuracies.tolist())) / len(accuracies)
    bounds = None
    if interval:
        interval_of = share_interval if is_share else mean_interval
        low, high = interval_of(accuracies.round(RESAMPLED_DECIMALS))
        bounds = (100 * low, 100 * high)
    return Score(name=name, value=value, unit="percent", n=len(accuracies), interval=bounds)


def paired_vqa_accuracy(
    first: Mapping[Any, str], second: Mapping[Any, str], references: VqaReferences
) -> Score:
    """Return the accuracy of `first` minus that of `second`, resampling questions for both at once.

    Raises:
        UserError: the ids differ, or a prediction is not text.
    """
    return paired_mean(
        "vqa_accuracy",
        question_accuracies(first, references),
        question_accuracies(second, references),
    )


def paired_mean(rule: str, first: NDArray[np.float64], second: NDArray[np.float64]) -> Score:
    """Return the mean of `first` minus that of `second`, both 0 to 1 by one rule."""
    gain = first - second
    low, high = mean_interval(gain.round(RESAMPLED_DECIMALS))
    return Score(
        name=f"{rule}/difference",
        value=100 * float(gain.mean()),
        unit="percentage points",
        n=len(gain),
        interval=(100 * low, 100 * high),
    )


def leave_one_out(is_match: Sequence[bool], twins: Sequence[Hashable]) -> float:
    """Return the mean over humans of min(1, matches among the others / 3).

    The sum runs as in the source, so that the last bit is the same on every Python.
    """
    accuracies = []
    for twin in twins:
        others = sum(match for match, other in zip(is_match, twins, strict=True) if other != twin)
        accuracies.append(min(1, float(others) / 3))
    return float(sum(accuracies)) / len(accuracies)


@cache
def pattern_accuracies() -> NDArray[np.float64]:
    """Return the accuracy of every pattern of matches (bit i is human i) among ten humans."""
    humans = range(NUM_HUMANS)
    patterns = ([bool(bits >> human & 1) for human in humans] for bits in range(1 << NUM_HUMANS))
    return np.array([leave_one_out(is_match, humans) for is_match in patterns])


def _odd_question(record: Annotation) -> OddQuestion:
    """Return a question as it is compared when it has not ten distinct answers."""
    if not record.answers:
        raise UserError(
            f"question {record.question_id} has no human answers; official files have ten"
        )
    answers = [trimmed(answer) for answer in record.answers]
    is_unanimous = len(set(answers)) == 1
    if not is_unanimous:
        answers = [normalised(answer) for answer in answers]
    labels = range(len(answers)) if record.twins is None else record.twins
    # Records are compared after normalisation: equal in all else, they become one with its help.
    return OddQuestion(tuple(answers), tuple(zip(labels, answers, strict=True)), is_unanimous)


def _compared(
    answers: NDArray[np.int32], raw: list[str]
) -> tuple[NDArray[np.int32], NDArray[np.bool_], list[str]]:
    """Return the answers (N, 10) as numbers of compared strings, who is unanimous, the strings."""
    strings = _Numbering()
    cut = [trimmed(text) for text in raw]
    as_plain = np.array([strings[text] for text in cut] + [NO_ANSWER], np.int32)
    as_full = np.array([strings[normalised(text)] for text in cut] + [NO_ANSWER], np.int32)
    plain = as_plain[answers]  # NO_ANSWER is -1 and reads the last entry
    unanimous = (plain == plain[:, :1]).all(axis=1)
    compared = np.where(unanimous[:, None], plain, as_full[answers])
    return compared, unanimous, list(strings)


def answers_in_order(predictions: Mapping[Any, str], references: VqaReferences) -> list[str]:
    """Return the predictions in the references' order, every one of them text."""
    ids = references.question_ids
    said: list[Any] = [predictions.get(question_id) for question_id in ids]
    missing = [number for number, answer in zip(ids, said, strict=True) if answer is None]
    if missing:
        raise UserError(
            f"no prediction for question {shortened(missing[0])}"
            f"{other_spelling(missing[0], predictions)} ({len(missing)} of {len(ids)} missing); "
            "every question of the split needs one"
        )
    if len(predictions) != len(ids):
        known = set(ids)
        extra = [number for number in predictions if number not in known]
        raise UserError(
            f"prediction for question {shortened(extra[0])}, which is not among the "
            f"{len(ids)} questions of the split ({len(extra)} such); "
            "is this the split that was predicted?"
        )
    bad = [number for number, answer in zip(ids, said, strict=True) if not isinstance(answer, str)]
    if bad:
        raise UserError(
            f"prediction for question {bad[0]} is not text but {shortened(predictions[bad[0]])} "
            f"({len(bad)} such)"
        )
    return said
