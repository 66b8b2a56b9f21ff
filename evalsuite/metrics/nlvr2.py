"""NLVR2 accuracy and consistency, equal to the official scripts.

Source: github.com/lil-lab/nlvr nlvr2/eval/metrics.py and compute_filtered_accuracy.py @1892484.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from evalsuite.data.reading import shortened
from evalsuite.metrics.bootstrap import share_interval
from evalsuite.metrics.difference import mean_difference
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

LABELS = ("true", "false")


@dataclass(frozen=True, kw_only=True)
class Nlvr2References:
    """The ground truth of N sentences about image pairs.

    `subsets` are identifiers of official parts that get an accuracy of their own.
    """

    identifiers: Sequence[str]
    labels: Sequence[str]
    subsets: Mapping[str, frozenset[str]] = field(default_factory=dict)


def nlvr2_scores(
    predictions: Mapping[str, str], references: Nlvr2References, *, interval: bool = True
) -> list[Score]:
    """Return accuracy, consistency and the accuracy of each subset, in percent.

    Labels are compared without case. Consistency is the share of sentences that are judged
    rightly for all of their image pairs. Predictions for other identifiers are ignored, and one
    that is neither true nor false is wrong, but left out of a subset: all as the official scripts
    do. Intervals resample sentence-pair examples, for consistency sentences.

    Raises:
        UserError: a prediction is missing, or an identifier is not of the official form.
    """
    is_right = right_predictions(predictions, references)
    scores = [_mean("accuracy", is_right, interval)]
    scores.append(_mean("consistency", _right_sentences(references, is_right), interval))
    for name, members in references.subsets.items():
        rows = [
            row
            for row, identifier in enumerate(references.identifiers)
            if identifier in members and predictions[identifier].lower() in LABELS
        ]
        if rows:
            scores.append(_mean(f"accuracy/{name}", is_right[rows], interval))
    return scores


def paired_nlvr2_accuracy(
    first: Mapping[str, str], second: Mapping[str, str], references: Nlvr2References
) -> Score:
    """Return the accuracy of `first` minus that of `second`, resampling examples for both at once.

    Raises:
        UserError: a prediction is missing.
    """
    return mean_difference(
        "accuracy", right_predictions(first, references), right_predictions(second, references)
    )


def right_predictions(
    predictions: Mapping[str, str], references: Nlvr2References
) -> NDArray[np.float64]:
    """Return 1.0 where the prediction is the label and 0.0 elsewhere, in the references' order.

    Raises:
        UserError: a prediction is missing.
    """
    identifiers = references.identifiers
    missing = [identifier for identifier in identifiers if identifier not in predictions]
    if missing:
        raise UserError(
            f"no prediction for {shortened(missing[0])} ({len(missing)} of "
            f"{len(identifiers)} missing); every example of the split needs one"
        )
    return np.array(
        [
            predictions[identifier].lower() == label.lower()
            for identifier, label in zip(identifiers, references.labels, strict=True)
        ],
        np.float64,
    )


def sentence_of(identifier: str) -> str:
    """Return what the examples of one sentence share: the identifier without its pair.

    Raises:
        UserError: the identifier is not split-set-pair-sentence.
    """
    parts = identifier.split("-")
    if len(parts) < 3:
        raise UserError(
            f"identifier {shortened(identifier)!r}; expected split-set-pair-sentence: dev-850-0-0"
        )
    parts[2] = ""
    return "-".join(parts)


def _right_sentences(
    references: Nlvr2References, is_right: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return 1.0 for each sentence that is right for all of its pairs, and 0.0 for the others."""
    all_right: dict[str, float] = {}
    for identifier, right in zip(references.identifiers, is_right.tolist(), strict=True):
        sentence = sentence_of(identifier)
        all_right[sentence] = min(right, all_right.get(sentence, 1.0))
    return np.array(list(all_right.values()))


def _mean(name: str, values: NDArray[np.float64], interval: bool) -> Score:
    """Return the share of ones as a score in percent."""
    bounds = None
    if interval:
        low, high = share_interval(values)
        bounds = (100 * low, 100 * high)
    value = 100 * (float(values.sum()) / len(values))
    return Score(name=name, value=value, unit="percent", n=len(values), interval=bounds)
