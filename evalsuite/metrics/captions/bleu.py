"""BLEU-1 to BLEU-4 as the COCO caption evaluation computes them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.captions.ngrams import MAX_LENGTH, CaptionTable, Grams, Ints

# pycocoevalcap/bleu/bleu_scorer.py compute_score: so that no ratio divides by zero.
SMALL = 1e-9
TINY = 1e-15


class Bleu(NamedTuple):
    """BLEU-1..4 of the corpus and of each image (0 to 1), and what the corpus value sums."""

    corpus: tuple[float, ...]
    per_image_N4: NDArray[np.float64]
    correct_N4: Ints
    guesses_N4: Ints
    lengths_N: Ints
    closest_N: Ints


class BleuCounts:
    """Collects the clipped n-gram matches of every image, n-gram length by length."""

    def __init__(self, table: CaptionTable) -> None:
        self.table = table
        self.correct_N4 = np.zeros((table.num_images, MAX_LENGTH), np.int64)

    def add(self, grams: Grams) -> None:
        """Count, for each hypothesis, the n-grams that some reference has as often."""
        is_match = grams.match_E >= 0
        most = np.zeros(len(grams.hypotheses.gram_E), np.int64)
        np.maximum.at(most, grams.match_E[is_match], grams.references.count_E[is_match])
        image = self.table.image_of_C[grams.hypotheses.caption_E]
        clipped = np.minimum(most, grams.hypotheses.count_E)
        counts = np.bincount(image, weights=clipped, minlength=self.table.num_images)
        self.correct_N4[:, grams.length - 1] = counts

    def result(self) -> Bleu:
        """Return the scores."""
        table = self.table
        lengths = table.lengths_C[table.num_references :]
        guesses = np.maximum(lengths[:, None] - np.arange(MAX_LENGTH), 0)
        closest = closest_lengths(table)
        rows = zip(
            self.correct_N4.tolist(),
            guesses.tolist(),
            lengths.tolist(),
            closest.tolist(),
            strict=True,
        )
        per_image = np.array([bleu_of(*row) for row in rows]).reshape(-1, MAX_LENGTH)
        corpus = bleu_of(
            self.correct_N4.sum(axis=0).tolist(),
            guesses.sum(axis=0).tolist(),
            int(lengths.sum()),
            int(closest.sum()),
        )
        return Bleu(tuple(corpus), per_image, self.correct_N4, guesses, lengths, closest)


def closest_lengths(table: CaptionTable) -> Ints:
    """Return each image's reference length that is closest to its hypothesis; shorter on a tie."""
    reference_lengths = table.lengths_C[: table.num_references]
    lengths = table.lengths_C[table.num_references :]
    images = table.image_of_C[: table.num_references]
    longest = int(table.lengths_C.max(initial=0)) + 1
    ranks = np.abs(reference_lengths - lengths[images]) * longest + reference_lengths
    starts = np.cumsum(table.num_references_N) - table.num_references_N
    return np.asarray(np.minimum.reduceat(ranks, starts) % longest)


def bleu_of(
    correct: Sequence[float], guesses: Sequence[float], length: float, closest: float
) -> list[float]:
    """Return BLEU-1..4 of one image or of summed counts, in the official order of operations."""
    scores, product = [], 1.0
    for index in range(MAX_LENGTH):
        product *= (float(correct[index]) + TINY) / (float(guesses[index]) + SMALL)
        scores.append(product ** (1.0 / (index + 1)))
    ratio = (length + TINY) / (closest + SMALL)
    if ratio < 1:
        penalty = math.exp(1 - 1 / ratio)
        scores = [score * penalty for score in scores]
    return scores
