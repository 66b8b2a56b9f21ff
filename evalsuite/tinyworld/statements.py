"""Statements about a pair of scenes, as NLVR2 has them, and whether they hold."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from evalsuite.tinyworld.scene import COLOURS, PLURALS, SHAPES, Scene, matching, one_of

Generator = np.random.Generator
SIDES = ("left", "right")
NUMBERS = ("no", "one", "two", "three")
# A few words are most of what is said, as in any language: an image tells the label to none but
# those who have already understood the word. With all words alike a tiny model from scratch stayed
# at chance for 24,000 statements; with these shares, simpler kinds and another recipe it did not.
WORD_SHARES = {
    "red": 0.50, "green": 0.24, "blue": 0.12, "yellow": 0.05, "purple": 0.03, "gray": 0.02,
    "square": 0.01, "ring": 0.01, "triangle": 0.01, "cross": 0.01,
}  # fmt: skip
WORDS = tuple(WORD_SHARES)
WORD_EDGES = np.cumsum(list(WORD_SHARES.values()))
BOTH_WORDS = 0.03  # share of claims about a colour and a shape


class Claim(NamedTuple):
    """What is claimed, apart from its wording: a kind and the words that it is about."""

    kind: str
    words: tuple[str, ...]


class Kind(NamedTuple):
    """A kind of claim: its share, its wordings, and whether it holds of the two images."""

    share: float
    wordings: tuple[str, ...]
    holds: Callable[..., bool]


def claim(rng: Generator) -> Claim:
    """Return a random claim: about a colour, a shape or both, of one side or of the pair."""
    kind = KIND_NAMES[int(np.searchsorted(KIND_EDGES, rng.random() * KIND_EDGES[-1]))]
    what = WORDS[int(np.searchsorted(WORD_EDGES, rng.random() * WORD_EDGES[-1]))]
    if rng.random() < BOTH_WORDS:
        what = f"{one_of(rng, COLOURS)} {one_of(rng, SHAPES)}"
    return Claim(kind, (what, one_of(rng, SIDES), str(1 + int(rng.integers(2)))))


def worded(one: Claim, rng: Generator) -> str:
    """Return the claim as a sentence."""
    what, side, number = one.words
    count = int(number)
    other = SIDES[1 - SIDES.index(side)]
    return one_of(rng, KINDS[one.kind].wordings).format(
        a=_noun(what, 1), some=_noun(what, 2), side=side, other=other, number=NUMBERS[count],
        counted=_noun(what, count), are="is" if count == 1 else "are",
    )  # fmt: skip


def holds(one: Claim, left: Scene, right: Scene) -> bool:
    """Return whether the claim is true of the two images."""
    what, side, number = one.words
    near, far = (left, right) if side == "left" else (right, left)
    return KINDS[one.kind].holds(_count(near, what), _count(far, what), int(number))


def _count(scene: Scene, what: str) -> int:
    """Return how many things the words fit."""
    return len(matching(scene, *what.split()))


def _noun(what: str, count: int) -> str:
    """Return the words with a noun, in singular or plural."""
    last = what.split()[-1]
    if last not in SHAPES:
        return f"{what} {'thing' if count == 1 else 'things'}"
    return what if count == 1 else f"{what[: -len(last)]}{PLURALS[last]}"


# Near is the side that the sentence names.
KINDS: dict[str, Kind] = {
    "has": Kind(
        0.28,
        (
            "The {side} image shows a {a}.",
            "There is a {a} in the {side} image.",
            "At least one {a} is in the image on the {side}.",
        ),
        lambda near, far, number: near > 0,
    ),
    "lacks": Kind(
        0.05,
        ("There are no {some} in the {side} image.", "The {side} image does not show any {some}."),
        lambda near, far, number: near == 0,
    ),
    "counted": Kind(
        0.04,
        (
            "The {side} image contains exactly {number} {counted}.",
            "There {are} exactly {number} {counted} in the {side} image.",
        ),
        lambda near, far, number: near == number,
    ),
    "total": Kind(
        0.02,
        (
            "There {are} exactly {number} {counted} in total.",
            "The two images show {number} {counted} in all.",
        ),
        lambda near, far, number: near + far == number,
    ),
    "both": Kind(
        0.15,
        ("Both images contain a {a}.", "Each image has at least one {a}."),
        lambda near, far, number: near > 0 and far > 0,
    ),
    "either": Kind(
        0.4,
        (
            "At least one image shows a {a}.",
            "One or both of the images contain a {a}.",
            "At least one of the images contains a {a}.",
            "There is a {a} in one or both of the images.",
        ),
        lambda near, far, number: near > 0 or far > 0,
    ),
    "more": Kind(
        0.06,
        (
            "The {side} image has more {some} than the {other} image.",
            "There are more {some} on the {side} than on the {other}.",
        ),
        lambda near, far, number: near > far,
    ),
}
KIND_NAMES = tuple(KINDS)
KIND_EDGES = np.cumsum([kind.share for kind in KINDS.values()])
