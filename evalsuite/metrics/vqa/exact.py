"""Scores of questions that the official rule does not fit: other than ten human answers each."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.benchmark import SampleId
from evalsuite.metrics.vqa.accuracy import answers_in_order, question_accuracies
from evalsuite.metrics.vqa.normalise import normalised, trimmed
from evalsuite.metrics.vqa.references import NO_ANSWER, NUM_HUMANS, VqaReferences

OFFICIAL, EXACT = "vqa_accuracy", "exact_match"


def questions_not_of_ten(references: VqaReferences) -> dict[SampleId, int]:
    """Return the number of human answers of each question that has other than ten."""
    return {
        references.question_ids[row]: len(question.answers)
        for row, question in references.odd.items()
        if len(question.answers) != NUM_HUMANS
    }


def fitting_rule(references: VqaReferences) -> str:
    """Return `vqa_accuracy` where every question has ten human answers, else `exact_match`.

    One question of another number makes the whole split `exact_match`: a mean over two rules
    would be neither.
    """
    return EXACT if questions_not_of_ten(references) else OFFICIAL


def fitting_values(predictions: Mapping[Any, str], references: VqaReferences) -> NDArray[Any]:
    """Return the value of every question by the fitting rule, 0 to 1, in the references' order.

    Raises:
        UserError: the ids differ, or a prediction is not text.
    """
    if fitting_rule(references) == OFFICIAL:
        return question_accuracies(predictions, references)
    return exact_matches(predictions, references)


def exact_matches(predictions: Mapping[Any, str], references: VqaReferences) -> NDArray[Any]:
    """Return 1.0 where the answer is one of the humans', both officially normalised, else 0.0.

    Raises:
        UserError: the ids differ, or a prediction is not text.
    """
    said = answers_in_order(predictions, references)
    full = [normalised(text) for text in references.strings]
    is_match = np.zeros(len(said))
    for row, answer in enumerate(said):
        compared = normalised(trimmed(answer))
        if (question := references.odd.get(row)) is not None:
            # Unanimous answers are kept as they were written; the others are normalised already.
            people = question.answers
            if question.is_unanimous:
                people = tuple(map(normalised, people))
        else:
            numbers = [number for number in references.answers[row] if number != NO_ANSWER]
            strings = full if references.unanimous[row] else references.strings
            people = tuple(strings[number] for number in numbers)
        is_match[row] = compared in people
    return is_match
