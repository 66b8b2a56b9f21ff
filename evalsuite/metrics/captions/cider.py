"""CIDEr-D as the COCO caption evaluation computes it, under the name CIDEr."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.captions.ngrams import (
    MAX_LENGTH,
    CaptionTable,
    Entries,
    Grams,
    Ints,
    is_first,
)

SIGMA = 6.0  # pycocoevalcap/cider/cider.py
SCALE = 10.0  # pycocoevalcap/cider/cider_scorer.py

Floats = NDArray[np.float64]


class Cider(NamedTuple):
    """CIDEr of the corpus and of each image; 1 where captions agree as people's do."""

    corpus: float
    per_image_N: Floats


class CiderSums:
    """Collects the similarity of every hypothesis to its references, n-gram length by length.

    Document frequencies are counted in the references at hand, so a subset of the images scores
    otherwise, and a single image scores 0. Sums run in the official order: bit-identical.
    """

    def __init__(self, table: CaptionTable) -> None:
        self.table = table
        self.log_images = np.log(float(table.num_images))
        lengths = table.lengths_C[table.num_references :]
        images = table.image_of_C[: table.num_references]
        # One slot for each token of the hypothesis, for each reference of its image.
        self.slots_R = lengths[images]
        self.slot_starts_R = np.cumsum(self.slots_R) - self.slots_R
        self.reference_of_slot = np.repeat(np.arange(table.num_references), self.slots_R)
        self.penalties_R = self._penalties(lengths, images)
        self.scores_N4 = np.zeros((table.num_images, MAX_LENGTH))

    def _penalties(self, lengths: Ints, images: Ints) -> Floats:
        """Return the Gaussian penalty of each reference; the length is the number of bigrams."""
        bigrams = np.maximum(lengths - 1, 0)
        reference_bigrams = np.maximum(self.table.lengths_C[: self.table.num_references] - 1, 0)
        deltas, index = np.unique(bigrams[images] - reference_bigrams, return_inverse=True)
        values = [np.e ** (-(delta**2) / (2 * SIGMA**2)) for delta in map(float, deltas.tolist())]
        return np.asarray(values)[index]

    def add(self, grams: Grams) -> None:
        """Add the cosine similarities of one n-gram length."""
        table = self.table
        frequency = _document_frequency(table, grams)
        weights, squares = self._weights(grams.references, frequency)
        hypothesis_weights, hypothesis_squares = self._weights(grams.hypotheses, frequency)
        square_T = np.zeros(len(table.tokens_T))
        starts = table.starts_C
        square_T[starts[grams.references.caption_E] + grams.references.position_E] = squares
        square_T[starts[grams.hypotheses.caption_E] + grams.hypotheses.position_E] = (
            hypothesis_squares
        )
        num_captions = len(table.lengths_C)
        norms_C = np.sqrt(_sums(table.caption_of_T, square_T, num_captions))
        matched = np.flatnonzero(grams.match_E >= 0)
        match = grams.match_E[matched]
        caption = grams.references.caption_E[matched]
        weight = weights[matched]
        # The slots hold the products in the order of the hypothesis' n-grams.
        products = np.zeros(int(self.slots_R.sum()))
        slot = self.slot_starts_R[caption] + grams.hypotheses.position_E[match]
        products[slot] = np.minimum(hypothesis_weights[match], weight) * weight
        values = _sums(self.reference_of_slot, products, table.num_references)
        images = table.image_of_C[: table.num_references]
        norms = norms_C[table.num_references + images] * norms_C[: table.num_references]
        # A norm product can underflow to 0 only if a norm is 0: weights are logarithms.
        np.divide(values, norms, out=values, where=norms != 0)
        values *= self.penalties_R
        self.scores_N4[:, grams.length - 1] = _sums(images, values, table.num_images)

    def _weights(self, entries: Entries, frequency: Ints) -> tuple[Floats, Floats]:
        """Return each entry's tf-idf weight and its square."""
        most = int(entries.count_E.max(initial=0)) + 1
        codes = frequency[entries.gram_E] * most + entries.count_E
        present, index = _distinct(codes)
        weights, squares = np.zeros(len(present)), np.zeros(len(present))
        for place, code in enumerate(present.tolist()):
            df, count = divmod(code, most)
            weight = float(count) * (self.log_images - np.log(max(1.0, float(df))))
            # The official scorer's pow is not always weight * weight.
            weights[place], squares[place] = weight, pow(weight, 2)
        return weights[index], squares[index]

    def result(self) -> Cider:
        """Return the scores."""
        # One row after the other: sums over an axis may run in another order.
        scores = np.array([np.add.reduce(row) for row in self.scores_N4])
        scores /= MAX_LENGTH
        scores /= self.table.num_references_N
        scores *= SCALE
        return Cider(float(np.mean(scores)), scores)


def _sums(groups: Ints, values: Floats, num_groups: int) -> Floats:
    """Return each group's sum, added one after the other in the order given."""
    sums = np.bincount(groups, values, minlength=num_groups)
    return sums.astype(np.float64, copy=False)  # integers if there is no value


def _document_frequency(table: CaptionTable, grams: Grams) -> Ints:
    """Return for each n-gram the number of images with a reference that has it."""
    references = grams.references
    pair = references.gram_E * table.num_images + table.image_of_C[references.caption_E]
    grams_of_images = references.gram_E[is_first(pair)]
    return np.bincount(grams_of_images, minlength=grams.num_grams)


def _distinct(codes: Ints) -> tuple[Ints, Ints]:
    """Return the distinct codes, and the index of each code among them."""
    largest = int(codes.max(initial=0))
    if largest > 10 * len(codes) + 1000:
        present, index = np.unique(codes, return_inverse=True)
        return present, index
    present = np.flatnonzero(np.bincount(codes, minlength=largest + 1))
    places = np.zeros(largest + 1, np.int64)
    places[present] = np.arange(len(present))
    return present, places[codes]
