"""The kinds of question: wordings, what each is about in a scene, and its true answer."""

from collections.abc import Callable
from typing import NamedTuple

from evalsuite.tinyworld.question_words import (
    Generator,
    Words,
    claimed,
    counted,
    nothing,
    some_cell,
    some_colour,
    some_name,
    some_shape,
    sought,
    two_related,
)
from evalsuite.tinyworld.scene import COLOURS, SHAPES, Scene, Thing, matching


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


# Shares favour what a tiny model learns in minutes: colour, shape, counting, existence.
# "Where" and sizes stay near chance for 110 thousand samples and keep the world from saturating.
# Openings are among VQAv2's 65 question types.
KINDS: dict[str, Kind] = {
    "colour": Kind(
        0.21,
        "other",
        (
            ("what color is the", "What color is the {0}?"),
            ("what color is the", "What color is the {0} in the picture?"),
            ("what is the color of the", "What is the color of the {0}?"),
        ),
        some_shape,
        _colour,
    ),
    "colour at": Kind(
        0.08,
        "other",
        (
            ("what color is the", "What color is the shape in the {0} {1}?"),
            ("what color is the", "What color is the object on the {0} {1}?"),
        ),
        some_cell,
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
        some_colour,
        _shape,
    ),
    "shape at": Kind(
        0.05,
        "other",
        (
            ("what is in the", "What is in the {0} {1}?"),
            ("what", "What shape is in the {0} {1}?"),
        ),
        some_cell,
        _shape_at,
    ),
    "count shape": Kind(
        0.06,
        "number",
        (
            ("how many", "How many {many} are there?"),
            ("how many", "How many {many} do you see?"),
        ),
        counted("shape", SHAPES),
        _count,
    ),
    "count colour": Kind(
        0.07,
        "number",
        (
            ("how many", "How many {0} objects are there?"),
            ("how many", "How many things are {0}?"),
        ),
        counted("colour", COLOURS),
        _count,
    ),
    "count all": Kind(
        0.05,
        "number",
        (
            ("how many", "How many shapes are there?"),
            ("how many", "How many objects are in the picture?"),
        ),
        nothing,
        _count,
    ),
    "exists colour": Kind(
        0.07,
        "yes/no",
        (
            ("is there a", "Is there a {0} object?"),
            ("are there any", "Are there any {0} things?"),
        ),
        sought(("colour",)),
        _exists,
    ),
    "exists shape": Kind(
        0.05,
        "yes/no",
        (
            ("is there a", "Is there a {0} in the picture?"),
            ("are there any", "Are there any {many}?"),
        ),
        sought(("shape",)),
        _exists,
    ),
    "exists": Kind(
        0.04,
        "yes/no",
        (
            ("is there a", "Is there a {0} {1}?"),
            ("do you", "Do you see a {0} {1}?"),
        ),
        sought(("colour", "shape")),
        _exists,
    ),
    "is coloured": Kind(
        0.03,
        "yes/no",
        (("is the", "Is the {0} {1}?"),),
        claimed,
        _is_coloured,
    ),
    "where": Kind(
        0.08,
        "other",
        (
            ("where is the", "Where is the {0}?"),
            ("where is the", "Where is the {0} in the picture?"),
        ),
        some_name,
        lambda scene, name: _where(scene, *name.split()),
    ),
    "size": Kind(
        0.03,
        "other",
        (
            ("is the", "Is the {0} big or small?"),
            ("what", "What size is the {0}?"),
        ),
        some_name,
        lambda scene, name: _size(scene, *name.split()),
    ),
    "relation": Kind(
        0.03,
        "yes/no",
        (("is the", "Is the {0} {1} the {2}?"),),
        two_related,
        _related,
    ),
    "ground": Kind(
        0.03,
        "other",
        (
            ("what is on the", "What is on the ground?"),
            ("what is the", "What is the ground made of?"),
        ),
        nothing,
        _ground,
    ),
}
