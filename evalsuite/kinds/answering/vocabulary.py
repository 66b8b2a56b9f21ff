"""The answers that a classifier can give, and its soft targets."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path

from evalsuite.metrics.vqa.normalise import normalised
from evalsuite.records.errors import UserError
from evalsuite.tasks.vqa.card import annotations_path
from evalsuite.tasks.vqa.files import read_majority_answers

# unilm beit3/datasets.py and glossary.py @6996194 (after ViLT): 3,129 answers on the real files.
SUBSETS = ("train2014", "val2014")
MIN_COUNT = 9
SCORES = (0.0, 0.3, 0.6, 0.9, 1.0)  # of an answer that 0, 1, 2, 3, 4 or more humans gave


def answer_vocabulary(data: Path, min_count: int = MIN_COUNT) -> list[str]:
    """Return the answers in label order.

    They are the normalised `multiple_choice_answer`s of train2014, then val2014, that occur
    `min_count` times or more, in the order of their first appearance.

    Raises:
        UserError: a file is missing or malformed, or no answer is frequent enough.
    """
    subsets = [
        read_majority_answers(data / annotations_path(name)) for name in ("train2014", "val2014")
    ]
    counts = Counter(normalised(answer) for answer in chain(*(one.values() for one in subsets)))
    vocabulary = [answer for answer, count in counts.items() if count >= min_count]
    if not vocabulary:
        raise UserError(
            f"{data / annotations_path('train2014')}: no answer occurs {min_count} times in train "
            "and val together, so the vocabulary would be empty; --set min_answer_count=1 keeps "
            "every answer"
        )
    return vocabulary


def soft_target(
    answers: Sequence[str], vocabulary: Mapping[str, int] | Sequence[str]
) -> tuple[list[int], list[float]]:
    """Return the labels that the humans' answers hit, and each one's score from 0 to 1.

    Answers are counted as they were written, not normalised, as BEiT-3 does: "Two" is not "two".

    Args:
        vocabulary: label by answer, or the answers in label order (slow for many questions).
    """
    if not isinstance(vocabulary, Mapping):
        vocabulary = {answer: label for label, answer in enumerate(vocabulary)}
    hits = [(answer, count) for answer, count in Counter(answers).items() if answer in vocabulary]
    labels = [vocabulary[answer] for answer, _ in hits]
    return labels, [SCORES[min(count, len(SCORES) - 1)] for _, count in hits]
