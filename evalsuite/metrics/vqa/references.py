"""The human answers of VQA, ready to be compared: every distinct one normalised once.

Source: github.com/GT-Vision-Lab/VQA PythonEvaluationTools/vqaEvaluation/vqaEval.py @a013f00.
"""

from array import array
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.benchmark import SampleId
from evalsuite.metrics.vqa.normalise import normalised, trimmed
from evalsuite.records.errors import UserError

NUM_HUMANS = 10
NO_ANSWER = -1


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
