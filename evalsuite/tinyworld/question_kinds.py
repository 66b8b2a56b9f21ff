"""The kinds of question: wordings, what each is about in a scene, and its true answer."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from evalsuite.tinyworld.scene import COLOURS, SHAPES, Scene, Thing, matching, one_of

Generator = np.random.Generator
Words = tuple[str, ...]


class Kind(NamedTuple):
    """A kind of question; a wording is VQAv2's question type and a template."""

    share: float
    answer_type: str
    wordings: tuple[tuple[str, str], ...]
    words: Callable[[Scene, Generator], Words]
    answer: Callable[..., str | None]


def _only(scene: Scene, *words: str) -> Thing | None:
    """Return the one thing that the words fit, None where several or none do."""
    found = matching(scene, *words)
    return found[0] if len(found) == 1 else None


def _some_shape(scene: Scene, rng: Generator) -> Words:
    return (one_of(rng, scene.things).shape,)


def _some_colour(scene: Scene, rng: Generator) -> Words:
    return (one_of(rng, scene.things).colour,)


def _some_cell(scene: Scene, rng: Generator) -> Words:
    return tuple(one_of(rng, scene.things).place.split())


def _some_name(scene: Scene, rng: Generator) -> Words:
    thing = one_of(rng, scene.things)
    return one_of(rng, ((thing.shape,), (thing.colour, thing.shape)))


def _nothing(scene: Scene, rng: Generator) -> Words:
    return ()


def _counted(attribute: str, choices: Words) -> Callable[[Scene, Generator], Words]:
    """Return a chooser of what to count, so that 0, 1 and more are about equally frequent."""

    def words(scene: Scene, rng: Generator) -> Words:
        present = [getattr(thing, attribute) for thing in scene.things]
        wanted = int(rng.integers(3))
        fitting = [word for word in choices if min(present.count(word), 2) == wanted]
        return (one_of(rng, fitting or choices),)

    return words


def _sought(attributes: Words) -> Callable[[Scene, Generator], Words]:
    """Return a chooser of what to look for: there in half of the questions, or nearly there."""

    def words(scene: Scene, rng: Generator) -> Words:
        thing = one_of(rng, scene.things)
        there = {"colour": thing.colour, "shape": thing.shape}
        if rng.random() < 0.5:
            changed = one_of(rng, attributes)
            there[changed] = one_of(rng, COLOURS if changed == "colour" else SHAPES)
        return tuple(there[attribute] for attribute in attributes)

    return words


def _claimed(scene: Scene, rng: Generator) -> Words:
    """Return a shape and a colour: its own in half of the cases, else another thing's if any."""
    thing = one_of(rng, scene.things)
    others = [other.colour for other in scene.things if other.colour != thing.colour]
    colour = one_of(rng, others or COLOURS) if rng.random() < 0.5 else thing.colour
    return (thing.shape, colour)


def _two(scene: Scene, rng: Generator) -> Words:
    """Return the names of two things and a relation."""
    first, second = (one_of(rng, scene.things) for _ in range(2))
    relation = one_of(rng, ("to the left of", "to the right of", "above", "below"))
    return (f"{first.colour} {first.shape}", relation, f"{second.colour} {second.shape}")


def _yes(claim: bool) -> str:
    return "yes" if claim else "no"


def _colour(scene: Scene, *words: str) -> str | None:
    thing = _only(scene, *words)
    return thing.colour if thing else None


def _shape(scene: Scene, *words: str) -> str | None:
    thing = _only(scene, *words)
    return thing.shape if thing else None


def _at(scene: Scene, row: str, column: str) -> Thing | None:
    return next((thing for thing in scene.things if thing.place == f"{row} {column}"), None)


def _colour_at(scene: Scene, row: str, column: str) -> str | None:
    thing = _at(scene, row, column)
    return thing.colour if thing else None


def _shape_at(scene: Scene, row: str, column: str) -> str | None:
    thing = _at(scene, row, column)
    return thing.shape if thing else None


def _count(scene: Scene, *words: str) -> str:
    return str(len(matching(scene, *words)))


def _exists(scene: Scene, *words: str) -> str:
    return _yes(bool(matching(scene, *words)))


def _is_coloured(scene: Scene, shape: str, colour: str) -> str | None:
    thing = _only(scene, shape)
    return _yes(thing.colour == colour) if thing else None


def _where(scene: Scene, *words: str) -> str | None:
    thing = _only(scene, *words)
    return thing.place if thing else None


def _size(scene: Scene, *words: str) -> str | None:
    thing = _only(scene, *words)
    return thing.size if thing else None


def _related(scene: Scene, first_name: str, relation: str, second_name: str) -> str | None:
    """Return whether the relation holds; things in one column are neither left nor right."""
    first, second = _only(scene, *first_name.split()), _only(scene, *second_name.split())
    if first is None or second is None:
        return None
    beside = relation.startswith("to the")
    here, there = (first.column, second.column) if beside else (first.row, second.row)
    if here == there:
        return None
    return _yes((here < there) == (relation in ("to the left of", "above")))


def _ground(scene: Scene) -> str:
    return scene.ground


# Shares favour what a tiny model learns from scratch in minutes (colour, counting, existence);
# relations stay at chance there and are few. Openings are among VQAv2's 65 question types.
KINDS: dict[str, Kind] = {
    "colour": Kind(
        0.21,
        "other",
        (
            ("what color is the", "What color is the {0}?"),
            ("what color is the", "What color is the {0} in the picture?"),
            ("what is the color of the", "What is the color of the {0}?"),
        ),
        _some_shape,
        _colour,
    ),
    "colour at": Kind(
        0.08,
        "other",
        (
            ("what color is the", "What color is the shape in the {0} {1}?"),
            ("what color is the", "What color is the object on the {0} {1}?"),
        ),
        _some_cell,
        _colour_at,
    ),
    "shape": Kind(
        0.12,
        "other",
        (
            ("what", "What shape is the {0} object?"),
            ("what is the", "What is the shape of the {0} thing?"),
            ("what is the", "What is the {0} object?"),
        ),
        _some_colour,
        _shape,
    ),
    "shape at": Kind(
        0.05,
        "other",
        (
            ("what is in the", "What is in the {0} {1}?"),
            ("what", "What shape is in the {0} {1}?"),
        ),
        _some_cell,
        _shape_at,
    ),
    "count shape": Kind(
        0.06,
        "number",
        (
            ("how many", "How many {many} are there?"),
            ("how many", "How many {many} do you see?"),
        ),
        _counted("shape", SHAPES),
        _count,
    ),
    "count colour": Kind(
        0.07,
        "number",
        (
            ("how many", "How many {0} objects are there?"),
            ("how many", "How many things are {0}?"),
        ),
        _counted("colour", COLOURS),
        _count,
    ),
    "count all": Kind(
        0.05,
        "number",
        (
            ("how many", "How many shapes are there?"),
            ("how many", "How many objects are in the picture?"),
        ),
        _nothing,
        _count,
    ),
    "exists colour": Kind(
        0.07,
        "yes/no",
        (
            ("is there a", "Is there a {0} object?"),
            ("are there any", "Are there any {0} things?"),
        ),
        _sought(("colour",)),
        _exists,
    ),
    "exists shape": Kind(
        0.05,
        "yes/no",
        (
            ("is there a", "Is there a {0} in the picture?"),
            ("are there any", "Are there any {many}?"),
        ),
        _sought(("shape",)),
        _exists,
    ),
    "exists": Kind(
        0.04,
        "yes/no",
        (
            ("is there a", "Is there a {0} {1}?"),
            ("do you", "Do you see a {0} {1}?"),
        ),
        _sought(("colour", "shape")),
        _exists,
    ),
    "is coloured": Kind(
        0.03,
        "yes/no",
        (("is the", "Is the {0} {1}?"),),
        _claimed,
        _is_coloured,
    ),
    "where": Kind(
        0.08,
        "other",
        (
            ("where is the", "Where is the {0}?"),
            ("where is the", "Where is the {0} in the picture?"),
        ),
        lambda scene, rng: (" ".join(_some_name(scene, rng)),),
        lambda scene, name: _where(scene, *name.split()),
    ),
    "size": Kind(
        0.03,
        "other",
        (
            ("is the", "Is the {0} big or small?"),
            ("what", "What size is the {0}?"),
        ),
        lambda scene, rng: (" ".join(_some_name(scene, rng)),),
        lambda scene, name: _size(scene, *name.split()),
    ),
    "relation": Kind(
        0.03,
        "yes/no",
        (("is the", "Is the {0} {1} the {2}?"),),
        _two,
        _related,
    ),
    "ground": Kind(
        0.03,
        "other",
        (
            ("what is on the", "What is on the ground?"),
            ("what is the", "What is the ground made of?"),
        ),
        _nothing,
        _ground,
    ),
}
