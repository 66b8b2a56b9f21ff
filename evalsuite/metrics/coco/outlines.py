"""Outlines in COCO's files, polygons or run lengths: what pycocotools draws, and why not the rest.

`size` is (height, width) in pixels, 0 where the file does not say it.
"""

import contextlib
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from hotcoco import mask as run_lengths
from numpy.typing import NDArray

from evalsuite.data.reading import shortened
from evalsuite.metrics.compiled import compiled

EXPECTED = "polygons of three points or more, or run lengths with size and counts"
NOT_FILLED = "has run lengths that do not fill its mask's size"
FAR = 1e6  # pixels; drawing takes time and memory by the length of an outline
MASKS_AT_ONCE = 1 << 15  # strings joined for one pass: 6 MB instead of all 84 MB

Size = tuple[int, int]
Polygons = list[list[float]]


class RunLengths(msgspec.Struct, gc=False, frozen=True):
    """A mask in COCO's compressed run lengths."""

    size: Size
    counts: str


class _Runs(msgspec.Struct, gc=False):
    """Run lengths of either form."""

    size: Size
    counts: str | list[int]


_Decoded = Polygons | _Runs | str | None
_DECODER = msgspec.json.Decoder(_Decoded)

# What `_refuse_polygons` lets pass, and a little less, checked by msgspec while it decodes.
_Coordinate = Annotated[float, msgspec.Meta(gt=-FAR, lt=FAR)]
_Polygon = Annotated[list[_Coordinate], msgspec.Meta(min_length=5)]
_SOUND = msgspec.json.Decoder(list[Annotated[list[_Polygon], msgspec.Meta(min_length=1)] | _Runs])


def outlines_of(
    texts: Sequence[msgspec.Raw],
) -> Iterator[Polygons | RunLengths | ValueError | None]:
    """Yield what `outline_of` returns or raises of each; sound ones are decoded at once."""
    sound: list[Polygons | _Runs] | None = None
    with contextlib.suppress(msgspec.MsgspecError, RecursionError):
        sound = _SOUND.decode(b"[" + b",".join(texts) + b"]")
    for place, text in enumerate(texts):
        try:
            if sound is None:
                yield outline_of(text)
            else:
                outline = sound[place]
                yield outline if isinstance(outline, list) else _checked(outline)
        except ValueError as fault:
            yield fault


def outline_of(text: bytes | msgspec.Raw) -> Polygons | RunLengths | None:
    """Return an outline, compressed where it is run lengths; None where there is none.

    Raises:
        ValueError: it is one that pycocotools cannot draw; says why.
    """
    return _checked(_decoded(text))


def _decoded(text: bytes | msgspec.Raw) -> _Decoded:
    """Return an outline as the file holds it."""
    try:
        outline: _Decoded = _DECODER.decode(text)
    except (msgspec.MsgspecError, RecursionError):
        if bytes(text) == b"{}":
            return None
        shown = shortened(bytes(text).decode("utf-8", "replace"))
        raise ValueError(f"has the segmentation {shown}; expected {EXPECTED}") from None
    return outline


def _checked(outline: _Decoded) -> Polygons | RunLengths | None:
    """Return an outline that pycocotools draws."""
    if not outline:
        return None
    if isinstance(outline, str):
        raise ValueError(f"has the segmentation {shortened(outline)}; expected {EXPECTED}")
    if isinstance(outline, list):
        _refuse_polygons(outline)
        return outline
    counts = outline.counts
    if isinstance(counts, str):
        return RunLengths(outline.size, counts)
    if min(counts, default=0) < 0 or sum(counts) != math.prod(outline.size):
        raise ValueError(NOT_FILLED)
    packed = run_lengths.frPyObjects({"size": outline.size, "counts": counts}, *outline.size)
    return RunLengths(outline.size, packed["counts"].decode())


def drawn(polygons: Polygons, size: Size) -> RunLengths:
    """Return polygons as run lengths in an image of that size."""
    merged = run_lengths.merge(run_lengths.frPyObjects(polygons, *size))
    return RunLengths(size, merged["counts"].decode())


def _refuse_polygons(polygons: Polygons) -> None:
    """Raise ValueError where pycocotools draws none: what the first one is decides."""
    first = polygons[0]
    if len(first) <= 4:
        what = "which pycocotools takes for a box" if len(first) == 4 else "which is not a polygon"
        raise ValueError(
            f"has the segmentation {shortened(polygons)}, {what}; expected polygons of three "
            "points or more"
        )
    if any(part and not -FAR < min(part) <= max(part) < FAR for part in polygons):
        raise ValueError(f"has a segmentation that reaches more than {FAR:,.0f} pixels out")


def mask_areas(masks: Sequence[RunLengths]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the area of each mask and the pixels that its run lengths cover in all.

    A mask is sound when the second equals height x width; it is -1 where a run is negative.
    """
    areas, totals = np.zeros((2, len(masks)), dtype=np.int64)
    for start in range(0, len(masks), MASKS_AT_ONCE):
        strings = [mask.counts.encode() for mask in masks[start : start + MASKS_AT_ONCE]]
        ends = np.cumsum([len(string) for string in strings], dtype=np.int64)
        joined = np.frombuffer(b"".join(strings), dtype=np.uint8)
        end = start + len(strings)
        _sum_runs(joined, ends, areas[start:end], totals[start:end])
    return areas, totals


@compiled
def _sum_runs(
    joined: NDArray[np.uint8],
    ends: NDArray[np.int64],
    areas: NDArray[np.int64],
    totals: NDArray[np.int64],
) -> None:
    """Sum the runs of ones and of all pixels of each string.

    Source: cocoapi common/maskApi.c rleFrString: 5 bits a character, sign in the last, runs from
    the third on are differences to the run two before.
    """
    place = 0
    for mask in range(ends.size):
        before, last, runs, is_negative = 0, 0, 0, False
        while place < ends[mask]:
            value, shift, more = 0, 0, True
            while more and place < ends[mask]:
                character = int(joined[place]) - 48
                value |= (character & 31) << shift
                more = (character & 32) != 0
                shift += 5
                place += 1
                if not more and (character & 16) != 0:
                    value |= -1 << shift
            if runs > 2:
                value += before
            before, last = last, value
            is_negative |= value < 0
            totals[mask] += value
            areas[mask] += value * (runs & 1)
            runs += 1
        if is_negative:
            totals[mask] = -1


def shown_outline(outline: Polygons | RunLengths) -> Any:
    """Return an outline as a COCO result file holds it."""
    if isinstance(outline, RunLengths):
        return {"size": list(outline.size), "counts": outline.counts}
    return outline
