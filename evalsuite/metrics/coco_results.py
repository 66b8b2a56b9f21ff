"""Detections as columns, from COCO result files or a journal; every bad value is named."""

import gc
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn, cast

import msgspec
import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.records.errors import UserError

MASKS_AT_ONCE = 1 << 15  # strings joined for one pass: 6 MB instead of all 84 MB


class RunLengths(msgspec.Struct, gc=False, frozen=True):
    """A mask in COCO's compressed run lengths; `size` is (height, width) in pixels."""

    size: tuple[int, int]
    counts: str


class Record(msgspec.Struct, gc=False, frozen=True):
    """One record of a COCO result file; `bbox` is (x, y, width, height) in pixels."""

    image_id: int
    category_id: int
    score: float
    bbox: tuple[float, float, float, float] | None = None
    segmentation: RunLengths | None = None


class Detections(Mapping[int, list[dict[str, Any]]]):
    """All detections of a result file, as columns; as a mapping, the records of each image.

    Attributes:
        image_ids, category_ids: int64, one per detection, in the file's order.
        scores: float64.
        boxes: float64 N x 4 (x, y, width, height in pixels), None when there are none.
        masks: one `RunLengths` per detection, None when there are none.
        source: the file's name, for messages.
    """

    def __init__(self, records: Sequence[Record], source: str) -> None:
        self.source = source
        self.image_ids = np.array([record.image_id for record in records], dtype=np.int64)
        self.category_ids = np.array([record.category_id for record in records], dtype=np.int64)
        self.scores = np.array([record.score for record in records], dtype=np.float64)
        self.boxes: NDArray[np.float64] | None = None
        self.masks: list[RunLengths] | None = None
        boxes = [record.bbox for record in records if record.bbox is not None]
        masks = [record.segmentation for record in records if record.segmentation is not None]
        if boxes or not records:
            if len(boxes) < len(records):
                self._refuse_incomplete("bbox", [record.bbox is None for record in records])
            flat = np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes))
            self.boxes = flat.reshape(-1, 4)
        if masks or not records:
            if len(masks) < len(records):
                self._refuse_incomplete(
                    "segmentation", [one.segmentation is None for one in records]
                )
            self.masks = masks
        if records and not boxes and not masks:
            raise UserError(
                f"{source}: no record has a bbox or a segmentation; expected one of them"
            )
        self._refuse_bad_values()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be scored: `box`, `mask` or both; both when nothing was detected at all."""
        kinds = (("box", self.boxes), ("mask", self.masks))
        return tuple(kind for kind, column in kinds if column is not None)

    def __len__(self) -> int:
        return len(self._places())

    def __iter__(self) -> Iterator[int]:
        return iter(self._places())

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._places()

    def __getitem__(self, image_id: int) -> list[dict[str, Any]]:
        return [self._record(place) for place in self._places()[image_id]]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of a COCO result file."""
        for place, image_id in enumerate(self.image_ids.tolist()):
            yield {"image_id": image_id, **self._record(place)}

    def refuse(self, is_bad: ArrayLike, what: str) -> None:
        """Raise UserError for the first record that is bad, if there is one."""
        bad = np.flatnonzero(np.asarray(is_bad))
        if bad.size:
            place = int(bad[0])
            where = f"record {place} (image_id {self.image_ids[place]})"
            raise UserError(f"{self.source}: {where} {what}; {bad.size} such record(s)")

    def _record(self, place: int) -> dict[str, Any]:
        record: dict[str, Any] = {
            "category_id": int(self.category_ids[place]),
            "score": float(self.scores[place]),
        }
        if self.boxes is not None:
            record["bbox"] = self.boxes[place].tolist()
        if self.masks is not None:
            mask = self.masks[place]
            record["segmentation"] = {"size": list(mask.size), "counts": mask.counts}
        return record

    def _places(self) -> dict[int, list[int]]:
        """Return the places of each image's detections; built once."""
        if not hasattr(self, "_places_of"):
            self._places_of: dict[int, list[int]] = {}
            for place, image_id in enumerate(self.image_ids.tolist()):
                self._places_of.setdefault(image_id, []).append(place)
        return self._places_of

    def _refuse_incomplete(self, field: str, missing: list[bool]) -> None:
        self.refuse(missing, f"has no {field} while others have one; give it to all or to none")

    def _refuse_bad_values(self) -> None:
        self.refuse(~np.isfinite(self.scores), "has a score that is not a finite number")
        if self.boxes is not None:
            self.refuse(~np.isfinite(self.boxes).all(1), "has a box that is not finite")
            self.refuse((self.boxes[:, 2:] < 0).any(1), "has a box of negative width or height")


def read_detections(path: Path) -> Detections:
    """Return the detections of a COCO result file.

    Raises:
        UserError: the file is missing, truncated, not a list of detection records, or holds a
            value that is not finite, a box of negative size or an incomplete record.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: a COCO result file cannot be read: {error.strerror}") from None
    with collection_paused():
        try:
            records = msgspec.json.Decoder(list[Record]).decode(content)
        except msgspec.ValidationError as error:
            raise UserError(f"{path}: not a COCO result file: {error}") from None
        except msgspec.DecodeError:
            _explain(path, content)
        del content
        return Detections(records, str(path))


def detections_of(predictions: Mapping[Any, Any]) -> Detections:
    """Return predictions by image id as columns.

    Args:
        predictions: `Detections` themselves, or per image id a list of records with
            `category_id`, `score` and `bbox` or `segmentation` or both, as a journal holds them.

    Raises:
        UserError: a record is not of that form.
    """
    if isinstance(predictions, Detections):
        return predictions
    flat = [{"image_id": id, **record} for id, found in predictions.items() for record in found]
    try:
        return Detections(msgspec.convert(flat, list[Record]), "predictions")
    except msgspec.ValidationError as error:
        raise UserError(f"predictions: not detection records: {error}") from None


def write_detections(predictions: Mapping[Any, Any], path: Path) -> None:
    """Write a COCO result file, as the test-dev server takes it."""
    path.write_bytes(msgspec.json.encode(list(detections_of(predictions).records())))


def mask_areas(masks: Sequence[RunLengths]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the area of each mask and the pixels that its run lengths cover in all.

    A mask is sound when the second equals height x width.
    """
    areas, totals = np.zeros((2, len(masks)), dtype=np.int64)
    for start in range(0, len(masks), MASKS_AT_ONCE):
        strings = [mask.counts.encode() for mask in masks[start : start + MASKS_AT_ONCE]]
        ends = np.cumsum([len(string) for string in strings], dtype=np.int64)
        joined = np.frombuffer(b"".join(strings), dtype=np.uint8)
        end = start + len(strings)
        _sum_runs(joined, ends, areas[start:end], totals[start:end])
    return areas, totals


@contextmanager
def collection_paused() -> Iterator[None]:
    """Keep the garbage collector from walking half a million new records over and over."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@numba.njit(cache=True)
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
        before, last, runs = 0, 0, 0
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
            totals[mask] += value
            areas[mask] += value * (runs & 1)
            runs += 1


def _explain(path: Path, content: bytes) -> NoReturn:
    """Say why a result file is not valid JSON: torn, or with NaN, which only Python writes."""
    try:
        records = cast(Iterable[Any], json.loads(content))
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON (truncated?): {error}") from None
    for place, record in enumerate(records):
        score = record.get("score") if isinstance(record, dict) else None
        if isinstance(score, float) and not math.isfinite(score):
            raise UserError(f"{path}: record {place} has score {score}; expected a finite number")
    raise UserError(f"{path}: holds NaN or Infinity, which JSON has not; expected finite numbers")
