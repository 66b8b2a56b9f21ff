"""Phrases: the words of captions, and every two that stand side by side."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.benchmark import Sample
from evalsuite.records.errors import UserError

Numbers = NDArray[np.int64]
WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")


class Phrases(NamedTuple):
    """The phrases of a corpus, sorted, and what its images are said to show.

    Attributes:
        shares: of all images, those whose captions have the phrase.
        by_image: the numbers of the phrases in any caption of an image, by the image's name.
    """

    names: list[str]
    shares: NDArray[np.float64]
    by_image: dict[str, Numbers]


def phrases_in(text: str) -> set[str]:
    """Return a caption's words and neighbouring pairs, in lower case, without punctuation."""
    words = WORD.findall(text.lower())
    return {*words, *(" ".join(pair) for pair in pairwise(words))}


def phrases_of(samples: Iterable[Sample], shares: tuple[float, float]) -> Phrases:
    """Return the phrases that neither too few nor too many images have.

    Args:
        shares: of the images, the least and the most.

    Raises:
        UserError: there is no such phrase.
    """
    found: defaultdict[str, set[str]] = defaultdict(set)
    for sample in samples:
        found[sample.images[0]] |= phrases_in(sample.text)
    counts = Counter(phrase for phrases in found.values() for phrase in phrases)
    least, most = (share * len(found) for share in shares)
    names = sorted(phrase for phrase, count in counts.items() if least <= count <= most)
    if not names:
        raise UserError(
            f"--set phrase_shares={shares[0]:g},{shares[1]:g}: no phrase of the captions is with "
            f"so many of the {len(found)} images; widen it"
        )
    places = {name: place for place, name in enumerate(names)}
    by_image = {
        image: np.array(sorted(places[one] for one in phrases if one in places), np.int64)
        for image, phrases in found.items()
    }
    return Phrases(names, np.array([counts[name] / len(found) for name in names]), by_image)
