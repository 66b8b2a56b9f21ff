"""VQA accuracy, equal to the official evaluator in every question.

Source: github.com/GT-Vision-Lab/VQA PythonEvaluationTools/vqaEvaluation/vqaEval.py @a013f00.
"""

from collections.abc import Hashable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evalsuite.data.names import other_spelling
from evalsuite.data.reading import shortened
from evalsuite.metrics.bootstrap import RESAMPLED_DECIMALS, mean_interval, share_interval
from evalsuite.metrics.vqa.normalise import normalised, trimmed
from evalsuite.metrics.vqa.references import NO_ANSWER, NUM_HUMANS, VqaReferences
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score


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
            f"prediction for question {shortened(bad[0])} is not text but "
            f"{shortened(predictions[bad[0]])} ({len(bad)} such)"
        )
    return said
