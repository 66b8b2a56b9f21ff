"""Drawing a scene: pixels with soft edges, and exact masks."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.tinyworld.scene import Scene, Thing

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Field = NDArray[np.floating[Any]]

FILL = {
    "red": (216, 38, 38),
    "green": (30, 140, 55),
    "blue": (40, 80, 212),
    "yellow": (248, 208, 24),
    "purple": (150, 55, 185),
    "gray": (92, 92, 96),
}
# Pale, so that every thing stands out on every background.
PALE = {
    "sky": (206, 227, 244),
    "grass": (190, 219, 164),
    "sand": (236, 217, 178),
    "snow": (247, 247, 250),
    "water": (158, 194, 206),
}
RING_HOLE = 0.42  # radius of the hole, share of the ring's
CROSS_ARM = 0.33  # half the width of a bar, share of half its length
EDGE = 0.016  # width of the darker edge, share of the image's side
SHADE = 0.62  # how dark the edge is
NOISE = 5  # grey levels up or down


class Patch(NamedTuple):
    """A piece of the image around one thing; `distance` is signed, in shares, negative inside."""

    rows: slice
    columns: slice
    distance: Field


def picture(scene: Scene, pixels: int) -> Pixels:
    """Return the image (pixels, pixels, 3)."""
    rng = scene.generator(1)
    canvas = np.empty((pixels, pixels, 3), np.float32)
    edge = round(scene.horizon * pixels)
    canvas[:edge] = PALE["sky"]
    canvas[edge:] = PALE[scene.ground]
    for thing in (*scene.things, *scene.crowd):
        light = rng.uniform(0.92, 1.06)
        _paint(canvas, thing, np.asarray(FILL[thing.colour], np.float32) * np.float32(light))
    canvas += rng.integers(-NOISE, NOISE + 1, canvas.shape, np.int8)
    return np.clip(canvas, 0, 255).astype(np.uint8)


def mask(thing: Thing, pixels: int) -> Mask:
    """Return which pixels' middles lie inside the thing (pixels, pixels)."""
    inside = np.zeros((pixels, pixels), bool)
    patch = _patch(thing, pixels)
    inside[patch.rows, patch.columns] = patch.distance < 0
    return inside


def outline(thing: Thing) -> list[list[tuple[float, float]]]:
    """Return the thing's polygons, in shares: one, or for a ring its two halves."""
    if thing.shape == "ring":
        turns = np.linspace(0, np.pi, 17)
        halves = [_half_ring(turns), _half_ring(turns + np.pi)]
        return [
            [(thing.x + thing.half * x, thing.y + thing.half * y) for x, y in h] for h in halves
        ]
    corners = {
        "square": [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
        "triangle": [(0.0, -1.0), (1.0, 1.0), (-1.0, 1.0)],
        "cross": [corner for turn in range(4) for corner in _quarter_cross(turn)],
    }[thing.shape]
    return [[(thing.x + thing.half * x, thing.y + thing.half * y) for x, y in corners]]


def _half_ring(turns: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the outer arc forth and the inner arc back."""
    outer = [(float(np.cos(turn)), float(np.sin(turn))) for turn in turns]
    return outer + [(RING_HOLE * x, RING_HOLE * y) for x, y in reversed(outer)]


def _quarter_cross(turn: int) -> list[tuple[float, float]]:
    """Return a cross's three corners from its upper bar's left end on, turned by quarters."""
    corners = [(-CROSS_ARM, -1.0), (CROSS_ARM, -1.0), (CROSS_ARM, -CROSS_ARM)]
    for _ in range(turn):
        corners = [(-y, x) for x, y in corners]
    return corners


def _paint(canvas: Field, thing: Thing, fill: Field) -> None:
    """Blend a thing into the canvas, its edge darker, its border half covered where it crosses."""
    pixels = canvas.shape[0]
    patch = _patch(thing, pixels)
    cover = np.clip(0.5 - patch.distance * pixels, 0, 1)[..., None]
    inner = np.clip(0.5 - (patch.distance + EDGE) * pixels, 0, 1)[..., None]
    paint = fill * (SHADE + (1 - SHADE) * inner)
    piece = canvas[patch.rows, patch.columns]
    piece += cover * (paint - piece)


def _patch(thing: Thing, pixels: int) -> Patch:
    """Return the signed distance to a thing's border around it."""
    reach = thing.half + 1.5 / pixels
    rows = _span(thing.y, reach, pixels)
    columns = _span(thing.x, reach, pixels)
    y = ((np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) / pixels - thing.y)[:, None]
    x = ((np.arange(columns.start, columns.stop, dtype=np.float32) + 0.5) / pixels - thing.x)[None]
    return Patch(rows, columns, _distance(thing.shape, x, y, thing.half))


def _span(middle: float, reach: float, pixels: int) -> slice:
    """Return the pixels within reach of the middle."""
    return slice(
        max(0, int((middle - reach) * pixels)), min(pixels, int((middle + reach) * pixels) + 1)
    )


def _distance(shape: str, x: Field, y: Field, half: float) -> Field:
    """Return a signed distance that is exact near straight borders; negative inside."""
    if shape == "ring":
        radius = np.sqrt(x * x + y * y)
        return np.maximum(radius - half, RING_HOLE * half - radius)
    across, down = np.abs(x), np.abs(y)
    if shape == "square":
        return np.maximum(across, down) - half
    if shape == "triangle":
        # The side from (0, -half) to (half, half) has the normal (2, -1) / sqrt 5.
        triangle: Field = np.maximum(y - half, (2 * across - y - half) / 5**0.5)
        return triangle
    arm = CROSS_ARM * half
    upright = np.maximum(across - arm, down - half)
    level = np.maximum(across - half, down - arm)
    cross: Field = np.minimum(upright, level)
    return cross
