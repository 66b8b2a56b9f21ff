"""Scenes of the tiny world: a few coloured shapes on a ground under a sky, decided by a seed.

Every benchmark of the tiny world draws from these scenes, so one backbone can learn them all.
Coordinates are shares of the image's side, x to the right and y downwards.
"""

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np

# Shape is the hardest word for a tiny model, so these differ within an 8 pixel patch of a 32 pixel
# image: a full patch, a hole, a point, a notch.
SHAPES = ("square", "ring", "triangle", "cross")
PLURALS = {"square": "squares", "ring": "rings", "triangle": "triangles", "cross": "crosses"}
COLOURS = ("red", "green", "blue", "yellow", "purple", "gray")
GROUNDS = ("grass", "sand", "snow", "water")
# Half the side of the box that a thing fills. Two patches of 8 pixels hold a big one of 2 * 7.
HALF = {"small": 0.15, "big": 0.215}
ROWS = ("top", "bottom")
COLUMNS = ("left", "right")
MARGIN = (
    0.234  # A cell is half of 0.5; less than 0.25 keeps neighbours and the border a pixel apart.
)
CROWD_STEP = 0.13  # between the middles of a crowd's members, whose halves are CROWD_HALF
CROWD_HALF = 0.042
NUM_THINGS = (0.25, 0.40, 0.35)  # shares of scenes with one, two and three things


Choice = TypeVar("Choice")


class Thing(NamedTuple):
    """One shape: its names, its cell (row 0 is the top, column 0 the left), and where it lies."""

    shape: str
    colour: str
    size: str
    row: int
    column: int
    x: float
    y: float
    half: float

    @property
    def place(self) -> str:
        """The cell in words, as in `top left`."""
        return f"{ROWS[self.row]} {COLUMNS[self.column]}"


class Scene(NamedTuple):
    """What is in one image; `key` (seed, stream, index) names it and seeds whatever it still needs.

    No two things have both the same shape and the same colour, and none overlap. `crowd` holds tiny
    squares of one colour, too close to be counted; only detection's scenes have them.
    """

    key: tuple[int, int, int]
    things: tuple[Thing, ...]
    ground: str
    horizon: float
    crowd: tuple[Thing, ...] = ()

    def generator(self, purpose: int) -> np.random.Generator:
        """Return the scene's own random numbers for one purpose (1 pixels, 2 texts, ...)."""
        return np.random.default_rng((*self.key, purpose))


def scene(
    seed: int, stream: int, index: int, *, crowds: float = 0.0, things: int | None = None
) -> Scene:
    """Return scene `index` of a stream (one stream an image folder).

    Args:
        crowds: share of the scenes that get a crowd in a free cell.
        things: how many things, 1 to 4; drawn by `NUM_THINGS` if not said.
    """
    rng = np.random.default_rng((seed, stream, index))
    cells = [int(cell) for cell in rng.permutation(4)]
    drawn = 1 + int(rng.choice(3, p=NUM_THINGS))
    names = _names(rng, things or drawn)
    placed = tuple(
        _placed(rng, shape, colour, cell)
        for (shape, colour), cell in zip(names, cells, strict=False)
    )
    ground, horizon = _background(rng)
    crowd = _crowd(rng, cells[3]) if rng.random() < crowds and len(names) < 4 else ()
    return Scene((seed, stream, index), placed, ground, horizon, crowd)


def portrait(seed: int, stream: int, index: int, shape: str, colour: str) -> Scene:
    """Return a scene with one given thing in it, for classification."""
    rng = np.random.default_rng((seed, stream, index))
    thing = _placed(rng, shape, colour, int(rng.integers(4)))
    return Scene((seed, stream, index), (thing,), *_background(rng))


def matching(scene: Scene, *words: str) -> list[Thing]:
    """Return the things that every word (a shape, colour or size) fits."""
    return [
        thing for thing in scene.things if set(words) <= {thing.shape, thing.colour, thing.size}
    ]


def one_of(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Return one of the choices, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


def _background(rng: np.random.Generator) -> tuple[str, float]:
    """Return the ground and the height where it ends."""
    return GROUNDS[int(rng.integers(len(GROUNDS)))], float(rng.uniform(0.3, 0.7))


def _names(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    """Return distinct (shape, colour) pairs, often alike in one of the two: counting needs that."""
    first = (one_of(rng, SHAPES), one_of(rng, COLOURS))
    alike = int(rng.integers(3))
    names = [first]
    while len(names) < count:
        copies = rng.random() < 0.7
        shape = first[0] if copies and alike == 1 else one_of(rng, SHAPES)
        colour = first[1] if copies and alike == 2 else one_of(rng, COLOURS)
        if (shape, colour) not in names:
            names.append((shape, colour))
    return names


def _placed(rng: np.random.Generator, shape: str, colour: str, cell: int) -> Thing:
    """Return a thing of random size, a little off the middle of its cell."""
    size = one_of(rng, tuple(HALF))
    row, column = divmod(cell, 2)
    half = HALF[size] * float(rng.uniform(0.96, 1.04))
    shift = min(MARGIN - half, 0.05)
    x = 0.25 + 0.5 * column + float(rng.uniform(-shift, shift))
    y = 0.25 + 0.5 * row + float(rng.uniform(-shift, shift))
    return Thing(shape, colour, size, row, column, x, y, half)


def _crowd(rng: np.random.Generator, cell: int) -> tuple[Thing, ...]:
    """Return seven to nine tiny squares on a jittered 3 x 3 grid inside a cell."""
    row, column = divmod(cell, 2)
    colour = one_of(rng, COLOURS)
    spots = rng.permutation(9)[: int(rng.integers(7, 10))]
    shift = rng.uniform(-0.01, 0.01, (9, 2))
    return tuple(
        Thing(
            "square",
            colour,
            "tiny",
            row,
            column,
            0.25 + 0.5 * column + CROWD_STEP * (int(spot) % 3 - 1) + float(shift[spot, 0]),
            0.25 + 0.5 * row + CROWD_STEP * (int(spot) // 3 - 1) + float(shift[spot, 1]),
            CROWD_HALF,
        )
        for spot in spots
    )
