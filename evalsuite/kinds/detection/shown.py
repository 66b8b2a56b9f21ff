"""Detections as a reader sees them: boxes and masks on the picture, beside the true ones."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from hotcoco import mask as run_lengths
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from evalsuite.contracts.benchmark import Mark, Paint, Picture, Predictions, Sample, SampleDisplay
from evalsuite.data.colours import OPACITY, colour_of
from evalsuite.kinds.detection.outlines import outline_of, rasterised
from evalsuite.records.errors import UserError

SHOWN_FROM = 0.3  # detections of a lower score would hide the picture
MOST_SHOWN = 25
OVERLAP = 0.5  # intersection over union of a hit, as in AP50
MASK_OPACITY = round(255 * OPACITY / 1.5)  # the object stays to be seen


class Thing(NamedTuple):
    """One object: class id and name, box (x, y, width, height), what decodes its mask, score."""

    category: int | str
    name: str
    box: tuple[float, ...] | None
    mask: Callable[[], NDArray[np.uint8]] | None
    score: float | None = None


def showing(
    predictions: Predictions, names: Mapping[Any, str], *, is_held_back: bool
) -> Callable[[Sample], SampleDisplay]:
    """Return what shows an image: what was found with a score of 0.3 or more, and what is true."""

    def show(sample: Sample) -> SampleDisplay:
        found = _found(predictions[sample.id], names)
        path = sample.images[0]
        predicted = Picture(path, "predicted", _paint(found))
        lines = {f"predicted, score {SHOWN_FROM} or more": _listed(found)}
        if is_held_back:
            return SampleDisplay(lines, pictures=(predicted,))
        every = _true(sample, names)
        true = [thing for thing, is_crowd in every if not is_crowd]
        crowds = [thing for thing, is_crowd in every if is_crowd]
        lines["truth"] = _listed(true)
        pictures = (predicted, Picture(path, "truth", _paint([thing for thing, _ in every])))
        # As in COCO's scorer, what is found in a crowd is neither right nor wrong.
        found = [one for one in found if not any(_is_inside(one, crowd) for crowd in crowds)]
        hits = _num_hits(found, true)
        # Only to order the pictures: AP, the official figure, is none of a single image.
        f1 = 2 * hits / (len(found) + len(true)) if found or true else 1.0
        mark: Mark = "right" if f1 == 1 else "partly right" if hits else "wrong"
        outcome = f"{hits} of {len(true)} found, {len(found) - hits} false"
        return SampleDisplay(lines, f1, outcome, mark, pictures=pictures)

    return show


def _found(records: Sequence[Mapping[str, Any]], names: Mapping[Any, str]) -> list[Thing]:
    kept = sorted(
        (one for one in records if one["score"] >= SHOWN_FROM), key=lambda one: -one["score"]
    )
    return [
        Thing(
            one["category_id"],
            names.get(one["category_id"], str(one["category_id"])),
            tuple(one["bbox"]) if "bbox" in one else None,
            _decoding(one["segmentation"]) if "segmentation" in one else None,
            one["score"],
        )
        for one in kept[:MOST_SHOWN]
    ]


def _true(sample: Sample, names: Mapping[Any, str]) -> list[tuple[Thing, bool]]:
    """Return the true objects, and whether each is a crowd."""
    columns = (sample.target[name] for name in ("categories", "boxes", "segmentations", "crowds"))
    return [
        (Thing(category, names[category], tuple(box), _rasterising(shape, sample)), bool(is_crowd))
        for category, box, shape, is_crowd in zip(*columns, strict=True)
    ]


def _decoding(packed: Mapping[str, Any]) -> Callable[[], NDArray[np.uint8]]:
    counts = packed["counts"]
    encoded = {"size": packed["size"], "counts": counts}
    return lambda: np.asarray(run_lengths.decode(encoded), dtype=np.uint8)


def _rasterising(shape: str, sample: Sample) -> Callable[[], NDArray[np.uint8]]:
    size = sample.target["size"]

    def mask() -> NDArray[np.uint8]:
        try:
            return rasterised(outline_of(shape, size), size)
        except UserError as error:
            raise UserError(f"{sample.images[0]}: an object of the truth {error}") from None

    return mask


def _paint(things: Sequence[Thing]) -> Paint:
    def paint(image: Image.Image, scale: float) -> Image.Image:
        for thing in reversed(things):
            if thing.mask is not None:
                cover = Image.fromarray(thing.mask() * MASK_OPACITY)
                image.paste(_colour(thing), mask=cover.resize(image.size))
        draw = ImageDraw.Draw(image)
        for thing in reversed(things):
            if thing.box is None:
                continue
            x, y, width, height = (scale * value for value in thing.box)
            colour = _colour(thing)
            draw.rectangle((x, y, x + width, y + height), outline=colour, width=2)
            score = "" if thing.score is None else f" {thing.score:.2f}"
            left, top, right, bottom = draw.textbbox((x + 2, y + 1), thing.name + score)
            draw.rectangle((left - 2, top - 1, right + 2, bottom + 1), fill=colour)
            draw.text((x + 2, y + 1), thing.name + score, fill=(0, 0, 0))
        return image

    return paint


def _colour(thing: Thing) -> tuple[int, int, int]:
    """Return the colour of a thing's class, whose id may be a text."""
    category = thing.category
    return colour_of(crc32(category.encode()) if isinstance(category, str) else category)


def _listed(things: Sequence[Thing]) -> str:
    texts = [one.name if one.score is None else f"{one.name} {one.score:.2f}" for one in things]
    return ", ".join(texts) or "nothing"


def _num_hits(found: Sequence[Thing], true: Sequence[Thing]) -> int:
    """Return how many found objects have a true one of their class, each true one once."""
    left = list(true)
    hits = 0
    for one in found:
        rivals = [other for other in left if other.category == one.category]
        best = max(rivals, key=lambda other: _overlap(one, other), default=None)
        if best is not None and _overlap(one, best) >= OVERLAP:
            left.remove(best)
            hits += 1
    return hits


def _overlap(first: Thing, second: Thing) -> float:
    """Return the intersection over union of two boxes."""
    inside = _common(first, second)
    union = _area(first) + _area(second) - inside
    return inside / union if union else 0.0


def _is_inside(one: Thing, crowd: Thing) -> bool:
    """Whether half of a box lies in that of a crowd of its class (cocoeval.py, iscrowd)."""
    area = _area(one)
    return one.category == crowd.category and area > 0 and _common(one, crowd) / area >= OVERLAP


def _area(thing: Thing) -> float:
    return thing.box[2] * thing.box[3] if thing.box else 0.0


def _common(first: Thing, second: Thing) -> float:
    """Return the area of two boxes' intersection."""
    if first.box is None or second.box is None:
        return 0.0
    x0, y0, w0, h0 = first.box
    x1, y1, w1, h1 = second.box
    width = max(0.0, min(x0 + w0, x1 + w1) - max(x0, x1))
    return width * max(0.0, min(y0 + h0, y1 + h1) - max(y0, y1))
