"""Top-1 and top-5 accuracy, and ImageNet ReaL accuracy, from logits or from top-5 classes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.bootstrap import mean_interval, share_interval
from evalsuite.metrics.compiled import compiled
from evalsuite.metrics.difference import difference
from evalsuite.records.score import Score

TOP = 5


class Answers(NamedTuple):
    """What is needed of each image's prediction.

    `ranks` is the place of the true class from 0, 5 for later; `best` the class put first (int64);
    `has_five` whether more than the best class is known, as top-5 needs.
    """

    ranks: NDArray[np.int64]
    best: NDArray[np.int64]
    has_five: bool = True


def answers_of_logits(logits_NC: NDArray[np.floating], labels: NDArray[np.int64]) -> Answers:
    """Return the answers of logits (or probabilities), one row an image.

    Tie rule: equal logits stand in the order of the classes. torch.topk, which timm uses, leaves
    their order open; without ties the two agree.
    """
    ranks, best = np.empty((2, len(labels)), dtype=np.int64)
    _rank_labels(logits_NC, labels, ranks, best)
    return Answers(np.minimum(ranks, TOP), best)


def answers_of_classes(classes_NK: NDArray[np.int64], labels: NDArray[np.int64]) -> Answers:
    """Return the answers of each image's classes, best first; K is 5, or the number of classes."""
    is_label = classes_NK == labels[:, None]
    return Answers(np.where(is_label.any(1), is_label.argmax(1), TOP), classes_NK[:, 0])


def classification_scores(
    answers: Answers, real: Sequence[Sequence[int]] | None, *, interval: bool
) -> list[Score]:
    """Return `top_1`, `top_5` (of five classes) and, with ReaL labels, `real`, in percent.

    Args:
        real: the right classes of each image; an image with none leaves the count of `real`
            (timm data/real_labels.py; Beyer et al. 2020, arXiv:2006.07159).
    """
    hits = {"top_1": answers.ranks < 1}
    if answers.has_five:
        hits["top_5"] = answers.ranks < TOP
    if real is not None:
        right = [
            best in classes for best, classes in zip(answers.best, real, strict=True) if classes
        ]
        hits["real"] = np.array(right, dtype=bool)
    return [
        Score(
            name=name,
            value=100 * float(right.mean()),
            unit="percent",
            n=right.size,
            interval=share_interval(100.0 * right, whole=100.0) if interval else None,
        )
        for name, right in hits.items()
        if right.size
    ]


def paired_top_1(first: Answers, second: Answers) -> Score:
    """Return the top-1 accuracy of `first` minus that of `second` in points, image by image."""
    gain = 100.0 * ((first.ranks < 1).astype(np.int64) - (second.ranks < 1))
    return difference("top_1", float(gain.mean()), mean_interval(gain), n=gain.size)


@compiled
def _rank_labels(
    logits_NC: NDArray[np.floating],
    labels: NDArray[np.int64],
    ranks: NDArray[np.int64],
    best: NDArray[np.int64],
) -> None:
    """Write, in one pass over each row, the place of the label and the first largest class."""
    for row in range(len(labels)):
        line, label = logits_NC[row], labels[row]
        score = line[label]
        before = np.int32(0)
        for place in range(label):
            if line[place] >= score:
                before += np.int32(1)
        for place in range(label + 1, len(line)):
            if line[place] > score:
                before += np.int32(1)
        ranks[row] = before
        best[row] = label if before == 0 else np.argmax(line)
