"""Captions of a scene: several templates and synonyms, all of them true of it."""

import numpy as np

from evalsuite.tinyworld.scene import Scene, Thing, one_of

Generator = np.random.Generator

NUM_CAPTIONS = 5
OTHER_NAME = 0.2  # share of names for which a synonym stands
SYNONYMS = {
    "square": ("box", "block"),
    "ring": ("circle", "hoop"),
    "triangle": ("pyramid",),
    "cross": ("plus sign",),
    "gray": ("grey",),
    "purple": ("violet",),
    "big": ("large",),
    "small": ("little",),
}
PLACES = ("in the {0}", "at the {0}", "on the {0}")
GROUNDS = (" with {0} on the ground", " and some {0} below")


def captions(scene: Scene, count: int = NUM_CAPTIONS) -> list[str]:
    """Return different captions, as so many people would write them."""
    rng = scene.generator(2)
    found: list[str] = []
    while len(found) < count:
        text = caption(scene, rng, STYLES[len(found) % len(STYLES)])
        if text not in found:
            found.append(text)
    return found


def caption(scene: Scene, rng: Generator, style: str) -> str:
    """Return one caption: every thing is named, in reading order, with what the style adds."""
    things = sorted(scene.things, key=lambda thing: (thing.row, thing.column))
    if style == "related" and len(things) > 1:
        text = _related(things, rng)
    else:
        names = [
            _named(thing, rng, sized=style == "sized", placed=style == "placed") for thing in things
        ]
        text = one_of(rng, OPENINGS).format(_listed(names))
    if style != "placed" or (len(things) < 3 and rng.random() < 0.5):  # else too long for 32 tokens
        text += one_of(rng, GROUNDS).format(scene.ground)
    text = text[0].upper() + text[1:]
    return text + one_of(rng, (".", ".", ""))


STYLES = ("placed", "sized", "related", "placed", "plain")
OPENINGS = ("{0}", "{0}", "there is {0}", "a picture of {0}", "an image that shows {0}")


def _named(thing: Thing, rng: Generator, *, sized: bool, placed: bool) -> str:
    """Return the thing in words: article, size, colour, shape, place."""
    words = [_word(thing.colour, rng), _word(thing.shape, rng)]
    if sized:
        words.insert(0, _word(thing.size, rng))
    place = " " + one_of(rng, PLACES).format(thing.place) if placed else ""
    return f"a {' '.join(words)}{place}"


def _word(word: str, rng: Generator) -> str:
    """Return the word or, at times, a synonym."""
    return one_of(rng, SYNONYMS[word]) if word in SYNONYMS and rng.random() < OTHER_NAME else word


def _listed(names: list[str]) -> str:
    """Return `a`, `a and b` or `a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _related(things: list[Thing], rng: Generator) -> str:
    """Return how the first thing lies to the second, and what else there is."""
    first, second = things[0], things[1]
    names = [_named(thing, rng, sized=False, placed=False) for thing in things]
    text = f"{names[0]} {_relation(first, second, rng)} {names[1]}"
    return text if len(things) == 2 else f"{text}, and {_listed(names[2:])}"


def _relation(first: Thing, second: Thing, rng: Generator) -> str:
    """Return a relation that holds, first being before second in reading order."""
    if first.row == second.row:
        return one_of(rng, ("to the left of", "left of", "next to", "beside"))
    if first.column == second.column:
        return one_of(rng, ("above", "over"))
    return one_of(rng, ("above", "higher than"))
