"""The n-grams of captions and their references, counted and matched for BLEU and CIDEr."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_LENGTH = 4  # both metrics go up to 4-grams

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class CaptionTable:
    """Tokens as numbers: the references of image 0, 1, ..., then the hypothesis of each image.

    T tokens, C captions (R references and one hypothesis for each of N images).
    """

    tokens_T: Ints
    caption_of_T: Ints
    position_of_T: Ints
    lengths_C: Ints
    image_of_C: Ints
    num_references_N: Ints
    num_words: int

    @property
    def num_images(self) -> int:
        """Return N."""
        return len(self.num_references_N)

    @property
    def num_references(self) -> int:
        """Return R."""
        return len(self.lengths_C) - self.num_images

    @property
    def starts_C(self) -> Ints:
        """Return where each caption begins among the tokens."""
        return np.cumsum(self.lengths_C) - self.lengths_C

    @classmethod
    def of(cls, references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> "CaptionTable":
        """Return the table of tokenised captions; `references[i]` belong to `hypotheses[i]`.

        Tokens are what `str.split()` gives, as in the official BLEU and CIDEr.

        Raises:
            ValueError: the two differ in length, or an image has no reference.
        """
        num_references = np.fromiter(map(len, references), np.int64, len(references))
        if len(references) != len(hypotheses) or not num_references.all():
            raise ValueError("every image needs one hypothesis and at least one reference")
        captions = [*chain.from_iterable(references), *hypotheses]
        words, lengths = _words(captions)
        vocabulary: defaultdict[str, int] = defaultdict()
        vocabulary.default_factory = vocabulary.__len__
        numbers = np.fromiter(map(vocabulary.__getitem__, words), np.int64, len(words))
        images = np.arange(len(hypotheses))
        starts = np.cumsum(lengths) - lengths
        caption_of = np.repeat(np.arange(len(captions)), lengths)
        return cls(
            tokens_T=numbers,
            caption_of_T=caption_of,
            position_of_T=np.arange(len(words)) - starts[caption_of],
            lengths_C=lengths,
            image_of_C=np.concatenate([np.repeat(images, num_references), images]),
            num_references_N=num_references,
            num_words=len(vocabulary),
        )


def _words(captions: Sequence[str]) -> tuple[list[str], Ints]:
    """Return all words of all captions, and how many each caption has."""
    words = " ".join(captions).split()
    # Single spaces between words are the rule, and counting them is faster than splitting again.
    counted = [caption.count(" ") + 1 if caption else 0 for caption in captions]
    if sum(counted) != len(words):
        counted = [
            count if caption.isascii() and caption.isprintable() else len(caption.split())
            for count, caption in zip(counted, captions, strict=True)
        ]
    if sum(counted) != len(words):
        counted = [len(caption.split()) for caption in captions]
    return words, np.array(counted, np.int64)


class Entries(NamedTuple):
    """The distinct n-grams of each caption: the n-gram, where it first stands, how often."""

    gram_E: Ints
    caption_E: Ints
    position_E: Ints
    count_E: Ints


class Grams(NamedTuple):
    """All n-grams of one length.

    `match_E` holds for each entry of a reference the index of the same n-gram's entry in the
    hypothesis of its image, or -1. Entries are sorted by n-gram, then by caption.
    """

    length: int
    num_grams: int
    references: Entries
    hypotheses: Entries
    match_E: Ints


def grams_of(table: CaptionTable) -> Iterator[Grams]:
    """Yield the 1-, 2-, 3- and 4-grams of a table, as far as there are any."""
    order = _SortOrder(table)
    position_bits = int(table.lengths_C.max(initial=1)).bit_length()
    caption_bits = len(table.lengths_C).bit_length()
    after_T = np.cumsum(table.lengths_C)[table.caption_of_T] - np.arange(len(table.tokens_T))
    place_T = (order.rank_C[table.caption_of_T] << position_bits) | table.position_of_T
    previous_T = table.tokens_T
    for length in range(1, MAX_LENGTH + 1):
        flat = np.flatnonzero(after_T >= length)
        keys = previous_T[flat]
        if length > 1:
            keys = keys * table.num_words + table.tokens_T[flat + length - 1]
        if int(keys.max(initial=0)).bit_length() + caption_bits + position_bits > 63:
            keys = np.unique(keys, return_inverse=True)[1]
        # One sort of (n-gram, caption, position) gives identity, counts and first places.
        packed = np.sort((keys << (caption_bits + position_bits)) | place_T[flat])
        gram = numbered(packed >> (caption_bits + position_bits))
        position = packed & ((1 << position_bits) - 1)
        packed >>= position_bits
        rank = packed & ((1 << caption_bits) - 1)
        first = np.flatnonzero(is_first(packed))
        counts = np.diff(first, append=len(packed))
        num_grams = int(gram[-1]) + 1 if len(gram) else 0
        entries = Entries(gram[first], rank[first], position[first], counts)
        yield _matched(order, length, num_grams, entries)
        if length < MAX_LENGTH:
            previous_T = np.zeros_like(table.tokens_T)
            previous_T[order.starts[rank] + position] = gram


def is_first(values: Ints) -> NDArray[np.bool_]:
    """Return where a run of equal values begins."""
    first = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=first[1:])
    return first


def numbered(values: Ints) -> Ints:
    """Return for each value the number of its run of equal values, from 0."""
    return np.cumsum(is_first(values)) - 1


class _SortOrder:
    """Captions ranked so that an image's hypothesis follows its references."""

    def __init__(self, table: CaptionTable) -> None:
        images = np.arange(table.num_images)
        of_reference = table.image_of_C[: table.num_references]
        self.num_images = table.num_images
        self.rank_C = np.concatenate(
            [
                np.arange(table.num_references) + of_reference,
                np.cumsum(table.num_references_N) + images,
            ]
        )
        self.captions = np.empty_like(self.rank_C)
        self.captions[self.rank_C] = np.arange(len(self.rank_C))
        self.images = table.image_of_C[self.captions]
        self.is_hypothesis = self.captions >= table.num_references
        self.starts = table.starts_C[self.captions]


def _matched(order: _SortOrder, length: int, num_grams: int, ranked: Entries) -> Grams:
    """Return the entries with captions for ranks, and each reference's match in its hypothesis.

    An image's entries of one n-gram stand together, the hypothesis' last.
    """
    rank = ranked.caption_E
    pair = ranked.gram_E * order.num_images + order.images[rank]
    group = numbered(pair)
    is_hypothesis = order.is_hypothesis[rank]
    entries = ranked._replace(caption_E=order.captions[rank])
    of_hypotheses, of_references = np.flatnonzero(is_hypothesis), np.flatnonzero(~is_hypothesis)
    references = Entries(*(column[of_references] for column in entries))
    hypotheses = Entries(*(column[of_hypotheses] for column in entries))
    entry_of_group = np.full(int(group[-1]) + 1 if len(group) else 0, -1)
    entry_of_group[group[of_hypotheses]] = np.arange(len(of_hypotheses))
    match = entry_of_group[group[of_references]]
    return Grams(length, num_grams, references, hypotheses, match)
