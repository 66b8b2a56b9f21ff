"""ROUGE-L as the COCO caption evaluation computes it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.captions.ngrams import CaptionTable, Ints

BETA = 1.2  # pycocoevalcap/rouge/rouge.py
WORD_BITS = 64


class Rouge(NamedTuple):
    """ROUGE-L of the corpus (the mean) and of each image, 0 to 1."""

    corpus: float
    per_image_N: NDArray[np.float64]


def rouge_l(
    table: CaptionTable, references: Sequence[Sequence[str]], hypotheses: Sequence[str]
) -> Rouge:
    """Return the F-measure of the best precision and the best recall over the references.

    The two best are taken independently, as the official scorer does.
    """
    common_R = _common_lengths(table)
    # The official scorer splits at single spaces: an empty caption is one empty token, and a
    # no-break space is part of its token.
    lengths_C = np.maximum(table.lengths_C, 1)
    images = table.image_of_C[: table.num_references]
    starts = np.cumsum(table.num_references_N) - table.num_references_N
    precision = common_R / lengths_C[table.num_references :][images]
    recall = common_R / lengths_C[: table.num_references]
    scores = _f_measure(np.maximum.reduceat(precision, starts), np.maximum.reduceat(recall, starts))
    for image in _odd_images(table, references, hypotheses):
        scores[image] = _by_single_spaces(references[image], hypotheses[image])
    return Rouge(float(np.mean(scores)), scores)


def _f_measure(precision: NDArray[np.float64], recall: NDArray[np.float64]) -> NDArray[np.float64]:
    weighted = recall + BETA**2 * precision
    product = ((1 + BETA**2) * precision) * recall
    scores = np.zeros(len(precision))
    np.divide(product, weighted, out=scores, where=(precision != 0) & (recall != 0))
    return scores


def _odd_images(
    table: CaptionTable, references: Sequence[Sequence[str]], hypotheses: Sequence[str]
) -> Sequence[int]:
    """Return the images with an empty caption, a long one, or white space within a token."""
    lengths_N = table.lengths_C[table.num_references :]
    is_odd = lengths_N > WORD_BITS
    is_odd[table.image_of_C[table.lengths_C == 0]] = True
    spaces = np.fromiter(
        (text.count(" ") for group in (*references, hypotheses) for text in group), np.int64
    )
    is_odd[table.image_of_C[(spaces + 1 != table.lengths_C) & (table.lengths_C > 0)]] = True
    return [int(image) for image in np.flatnonzero(is_odd)]


def _by_single_spaces(references: Sequence[str], hypothesis: str) -> float:
    words = hypothesis.split(" ")
    precisions, recalls = [], []
    for reference in references:
        other = reference.split(" ")
        common = _common_length(words, other)
        precisions.append(common / len(words))
        recalls.append(common / len(other))
    return float(_f_measure(np.array([max(precisions)]), np.array([max(recalls)]))[0])


def _common_length(words: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, all rows of the table as one number."""
    places: dict[str, int] = {}
    for index, word in enumerate(words):
        places[word] = places.get(word, 0) | 1 << index
    everything = (1 << len(words)) - 1
    row = everything
    for word in other:
        matched = row & places.get(word, 0)
        row = ((row + matched) | (row - matched)) & everything
    return len(words) - row.bit_count()


def _common_lengths(table: CaptionTable) -> Ints:
    """Return the common subsequence's length for each reference; hypotheses of at most 64 tokens.

    Source: Hyyro, Bit-parallel LCS-length computation revisited, 2004; one bit for each token of
    the hypothesis, all references at once.
    """
    num_references = table.num_references
    lengths_R = table.lengths_C[:num_references]
    hypotheses_NL = _padded_hypotheses(table)
    words = table.tokens_T[: int(lengths_R.sum())]
    images = np.arange(table.num_images)
    words_N = np.bincount(table.image_of_C[:num_references], lengths_R, minlength=len(images))
    places = np.zeros(len(words), np.uint64)
    for index, column_N in enumerate(hypotheses_NL.T):
        equal = np.repeat(column_N, words_N.astype(np.int64)) == words
        places |= equal.astype(np.uint64) << np.uint64(index)
    order = np.argsort(-lengths_R, kind="stable")
    starts = (np.cumsum(lengths_R) - lengths_R)[order]
    steps = np.arange(1, 1 + int(lengths_R.max(initial=0)))
    num_longer = len(order) - np.searchsorted(np.sort(lengths_R), steps)
    rows = np.full(num_references, ~np.uint64(0))
    for index, count in enumerate(num_longer.tolist()):
        row = rows[:count]
        matched = row & places[starts[:count] + index]
        rows[:count] = (row + matched) | (row - matched)
    common = np.zeros(num_references, np.int64)
    common[order] = np.bitwise_count(~rows)
    return common


def _padded_hypotheses(table: CaptionTable) -> Ints:
    """Return the tokens of each hypothesis, N x at most 64; -1 behind its end."""
    lengths_N = np.minimum(table.lengths_C[table.num_references :], WORD_BITS)
    places = np.arange(int(lengths_N.max(initial=0)))
    is_token = places < lengths_N[:, None]
    starts_N = table.starts_C[table.num_references :]
    padded_NL = np.full(is_token.shape, -1)
    padded_NL[is_token] = table.tokens_T[(starts_N[:, None] + places)[is_token]]
    return padded_NL
