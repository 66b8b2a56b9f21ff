"""The n-grams of captions and their references, counted and matched for BLEU and CIDEr."""

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
        vocabulary = {word: number for number, word in enumerate(dict.fromkeys(words))}
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
    lengths = np.fromiter(
        (caption.count(" ") + 1 if caption else 0 for caption in captions), np.int64, len(captions)
    )
    if lengths.sum() != len(words):
        lengths = np.fromiter((len(caption.split()) for caption in captions), np.int64)
    return words, lengths


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
    position_bits = int(table.lengths_C.max(initial=1)).bit_length()
    caption_bits = len(table.lengths_C).bit_length()
    starts_C, ends_C = table.starts_C, np.cumsum(table.lengths_C)
    previous_T, flat = table.tokens_T, np.arange(len(table.tokens_T))
    for length in range(1, MAX_LENGTH + 1):
        flat = flat[flat + length <= ends_C[table.caption_of_T[flat]]]
        keys = previous_T[flat]
        if length > 1:
            keys = keys * table.num_words + table.tokens_T[flat + length - 1]
        if int(keys.max(initial=0)).bit_length() + caption_bits + position_bits > 63:
            keys = np.unique(keys, return_inverse=True)[1]
        # One sort of (n-gram, caption, position) gives identity, counts and first places.
        packed = ((keys << caption_bits) | table.caption_of_T[flat]) << position_bits
        packed = np.sort(packed | table.position_of_T[flat])
        is_new = np.diff(packed >> (caption_bits + position_bits), prepend=-1) != 0
        gram = np.cumsum(is_new) - 1
        caption = (packed >> position_bits) & ((1 << caption_bits) - 1)
        position = packed & ((1 << position_bits) - 1)
        first = np.flatnonzero(np.diff(packed >> position_bits, prepend=-1))
        counts = np.diff(first, append=len(packed))
        entries = Entries(gram[first], caption[first], position[first], counts)
        yield _matched(table, length, int(is_new.sum()), entries)
        if length < MAX_LENGTH:
            previous_T = np.zeros_like(table.tokens_T)
            previous_T[starts_C[caption] + position] = gram


def _matched(table: CaptionTable, length: int, num_grams: int, entries: Entries) -> Grams:
    is_reference = entries.caption_E < table.num_references
    references = Entries(*(column[is_reference] for column in entries))
    hypotheses = Entries(*(column[~is_reference] for column in entries))
    wanted = references.gram_E * table.num_images + table.image_of_C[references.caption_E]
    present = hypotheses.gram_E * table.num_images + table.image_of_C[hypotheses.caption_E]
    match = np.searchsorted(present, wanted)
    if len(present):
        found = present[np.minimum(match, len(present) - 1)] == wanted
        match = np.where(found, match, -1)
    else:
        match = np.full(len(wanted), -1)
    return Grams(length, num_grams, references, hypotheses, match)
