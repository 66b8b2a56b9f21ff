"""The answers that a classifier can give, and its soft targets."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from evalsuite.metrics.vqa.normalise import normalised

# unilm beit3/datasets.py and glossary.py @6996194 (after ViLT)
SCORES = (0.0, 0.3, 0.6, 0.9, 1.0)  # of an answer that 0, 1, 2, 3, 4 or more humans gave


def frequent_answers(answers: Iterable[str], min_count: int) -> list[str]:
    """Return the normalised answers that occur `min_count` times or more, by first appearance."""
    counts = Counter(map(normalised, answers))
    return [answer for answer, count in counts.items() if count >= min_count]


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
