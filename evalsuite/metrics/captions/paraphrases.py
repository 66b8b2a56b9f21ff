"""METEOR's paraphrase table, cut to the pairs that a set of captions can use.

The table of the jar has 5.3 million pairs, and reading it costs more than aligning. A pair matters
only where both of its phrases stand in the captions, so the jar gets those pairs alone, in their
order, and its scores stay the same. The phrases' hashes are kept in the cache folder.
"""

import gzip
from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evalsuite.records.cache import cache_folder
from evalsuite.records.files import renamed_at_the_end

BLOCK = 1 << 17  # bytes of text hashed at once
LONGEST = 7  # words of the longest phrase in paraphrase-en.gz
BASE = np.uint64(0x9E3779B97F4A7C15)  # odd: powers have inverses modulo 2**64
INVERSE = np.uint64(pow(int(BASE), -1, 1 << 64))
FILTER_BITS = 24
SHIFT = np.uint64(64 - FILTER_BITS)
NEWLINE, SPACE = 10, 32

Hashes = NDArray[np.uint64]


def write_filtered_table(table: Path, captions: Sequence[str], path: Path) -> int:
    """Write the pairs of a table whose two phrases stand in the captions; return how many.

    `captions` are normalised as METEOR normalises them: words between single spaces. Equal hashes
    of different phrases would only keep a pair that no caption uses.

    Raises:
        ValueError: the table is not in lines of three.
    """
    words = " \n ".join(captions).encode().split(b" ")
    hashes_of_length = _phrase_hashes(words)
    hashes = np.concatenate(hashes_of_length)
    ends = np.cumsum([len(found) for found in hashes_of_length])
    places = _places_of_pairs(hashes, _pair_hashes(table)).tolist()
    lines = bytearray()
    for one, other in places:
        # The jar reads three lines for each pair and leaves the probability alone.
        lines += b"0\n%b\n%b\n" % (_phrase(words, ends, one), _phrase(words, ends, other))
    path.write_bytes(gzip.compress(bytes(lines), compresslevel=1))
    return len(places)


def _places_of_pairs(hashes: Hashes, pairs: Hashes) -> NDArray[np.int64]:
    """Return for each pair with both hashes among `hashes` where these stand, pairs x 2.

    Most hashes are told apart by their first bits alone, without sorting millions of them.
    """
    is_present = _marked(hashes)
    likely = np.flatnonzero(is_present[pairs[0] >> SHIFT])
    likely = likely[is_present[pairs[1][likely] >> SHIFT]]
    wanted = pairs[:, likely]
    candidates = np.flatnonzero(_marked(wanted.ravel())[hashes >> SHIFT])
    distinct, first = np.unique(hashes[candidates], return_index=True)
    if not len(distinct):
        return np.zeros((0, 2), np.int64)
    at = np.minimum(np.searchsorted(distinct, wanted), len(distinct) - 1)
    is_found = (distinct[at] == wanted).all(axis=0)
    return np.asarray(candidates[first[at[:, is_found]]].T)


def _marked(hashes: Hashes) -> NDArray[np.bool_]:
    """Return for each possible beginning of a hash whether one of these has it."""
    marked = np.zeros(1 << FILTER_BITS, np.bool_)
    marked[hashes >> SHIFT] = True
    return marked


def _phrase(words: list[bytes], ends: NDArray[np.int64], place: int) -> bytes:
    """Return the text of the phrase whose hash stands at a place."""
    length = int(np.searchsorted(ends, place, side="right")) + 1
    begin = place - (int(ends[length - 2]) if length > 1 else 0)
    return b" ".join(words[begin : begin + length])


def _phrase_hashes(words: list[bytes]) -> list[Hashes]:
    """Return the hashes of the phrases of 1 to 7 words that begin at each word.

    Phrases across captions hold a newline, which no phrase of the table does.
    """
    distinct = dict.fromkeys(words)
    text = np.frombuffer(b"\n".join(distinct) + b"\n", np.uint8)
    numbers = dict(zip(distinct, range(len(distinct)), strict=True))
    index = np.fromiter(map(numbers.__getitem__, words), np.int64, len(words))
    hashes = _hashes_until(text, np.flatnonzero(text == NEWLINE), ends_word=b"\n" in distinct)
    lengths = np.fromiter(map(len, distinct), np.int64, len(distinct))[index]
    powers = _powers(BASE, int(lengths.max(initial=0)) + 2)
    single = hashes[index]
    found = [single]
    gap, next_place = powers[lengths] * np.uint64(SPACE), powers[lengths + 1]
    for length in range(2, LONGEST + 1):
        count = max(len(words) - length + 1, 0)
        rest = found[-1][1 : count + 1]
        found.append(single[:count] + gap[:count] + next_place[:count] * rest)
    return found


def _hashes_until(text: NDArray[np.uint8], ends: NDArray[np.int64], *, ends_word: bool) -> Hashes:
    """Return the hashes of the distinct words, of which one may be the newline itself."""
    if ends_word:
        # The newline as a word is followed by its own separator: one end too many.
        first = int(np.flatnonzero(np.diff(ends, prepend=-1) == 1)[0])
        ends = np.delete(ends, first)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return _hashes(text, starts, ends)


def _hashes(text: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64]) -> Hashes:
    """Return the hash of text[start:end] for each pair: the sum of byte * BASE ** place."""
    if not len(starts):
        return np.zeros(0, np.uint64)
    sums = np.zeros(len(text) + 1, np.uint64)
    np.cumsum(text * _powers(BASE, len(text)), out=sums[1:])
    return np.asarray((sums[ends] - sums[starts]) * _powers(INVERSE, len(text))[starts])


def _powers(base: np.uint64, count: int) -> Hashes:
    """Return base ** 0, 1, ... modulo 2**64."""
    return _power_table(base, 1 << count.bit_length())[:count]


@lru_cache(maxsize=4)
def _power_table(base: np.uint64, count: int) -> Hashes:
    factors = np.full(count, base, np.uint64)
    factors[:1] = 1
    return np.cumprod(factors)


def _pair_hashes(table: Path) -> Hashes:
    """Return the hashes of a table's phrases and paraphrases, from the cache if they are there."""
    status = table.stat()
    path = cache_folder() / f"paraphrases-{status.st_size}-{status.st_mtime_ns:x}.npy"
    with suppress(OSError, ValueError, EOFError):  # not there, another user's, or torn
        return np.asarray(np.load(path, mmap_mode="r"))
    hashes = table_hashes(table)
    # A cache that cannot be written costs time in the next run, nothing else.
    with suppress(OSError), renamed_at_the_end(path) as temporary, temporary.open("wb") as stream:
        np.save(stream, hashes)
    return hashes


def table_hashes(table: Path) -> Hashes:
    """Return the hashes [2, pairs] of a table of three lines for each pair.

    Raises:
        ValueError: the number of lines is not a multiple of three.
    """
    columns: tuple[list[Hashes], list[Hashes]] = ([], [])
    with gzip.open(table) as stream:
        rest = b""
        while block := stream.read(BLOCK):
            lines = _tidy(rest + block)
            text = np.frombuffer(lines, np.uint8)
            ends = np.flatnonzero(text == NEWLINE)
            ends = ends[: len(ends) // 3 * 3]
            hashes = _hashes(text, np.concatenate([[0], ends + 1])[:-1], ends)
            for line, found in zip((1, 2), columns, strict=True):
                found.append(hashes[line::3])
            rest = lines[int(ends[-1]) + 1 :] if len(ends) else lines
    if rest:
        raise ValueError(f"{table}: ends in {rest[:40]!r}; expected three lines for each pair")
    return np.stack([np.concatenate(found) for found in columns])


def _tidy(block: bytes) -> bytes:
    """Return lines with single spaces between words; the jar splits at any white space."""
    text = np.frombuffer(block, np.uint8)
    is_white = text <= SPACE
    num_other = np.count_nonzero(text < SPACE) - np.count_nonzero(text == NEWLINE)
    if not num_other and not is_white[:1].any() and not (is_white[1:] & is_white[:-1]).any():
        return block
    whole, newline, beginning = block.rpartition(b"\n")
    tidy = b"\n".join(b" ".join(line.split()) for line in whole.split(b"\n"))
    return tidy + newline + beginning
