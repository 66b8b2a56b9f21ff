"""Detections as columns, from COCO result files or a journal; every bad value is named."""

import gc
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numba
import numpy as np
from hotcoco import mask as run_lengths
from numpy.typing import ArrayLike, NDArray

from evalsuite.data.names import as_id
from evalsuite.data.official_json import fast, kind, parsed_list
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.records.errors import UserError

RESULTS_FORMAT = (
    'COCO results, a list of {"image_id", "category_id", "score"} with a "bbox", a "segmentation" '
    "or both"
)
MASKS_AT_ONCE = 1 << 15  # strings joined for one pass: 6 MB instead of all 84 MB


class RunLengths(msgspec.Struct, gc=False, frozen=True):
    """A mask in COCO's compressed run lengths; `size` is (height, width) in pixels."""

    size: tuple[int, int]
    counts: str


Polygons = list[list[float]]


class Record(msgspec.Struct, gc=False, frozen=True):
    """One record of a COCO result file; `bbox` is (x, y, width, height) in pixels."""

    image_id: int
    category_id: int
    score: float
    bbox: tuple[float, float, float, float] | None = None
    segmentation: RunLengths | None = None


class OddRecord(NamedTuple):
    """A record that `Record` does not fit: an id of any form, an outline as people write it.

    `outline` is run lengths, polygons, None for none, or why it is neither.
    """

    image_id: int | str
    category_id: int | str
    score: float
    bbox: tuple[float, float, float, float] | None
    segmentation: RunLengths | Polygons | str | None


class Detections(Mapping[int | str, list[dict[str, Any]]]):
    """All detections of a result file, as columns; as a mapping, the records of each image.

    Attributes:
        image_ids, category_ids: one per detection, in the file's order; int64, or objects where
            they are texts or larger.
        scores: float64.
        boxes: float64 N x 4 (x, y, width, height in pixels), None when there are none.
        masks: one `RunLengths`, or polygons, per detection; None when there are none.
        remark: why masks (or boxes) that stand in the file are left aside, or empty.
        source: the file's name, for messages.
    """

    def __init__(self, records: Sequence[Record | OddRecord], source: str) -> None:
        self.source, self.remark = source, ""
        self.image_ids = _id_column([record.image_id for record in records])
        self.category_ids = _id_column([record.category_id for record in records])
        self.scores = np.array([record.score for record in records], dtype=np.float64)
        self.boxes: NDArray[np.float64] | None = None
        self.masks: list[RunLengths | Polygons] | None = None
        boxes = [record.bbox for record in records if record.bbox is not None]
        outlines = [one.segmentation for one in records if one.segmentation is not None]
        masks = [one for one in outlines if not isinstance(one, str)]
        if len(boxes) == len(records):
            flat = np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes))
            self.boxes = flat.reshape(-1, 4)
        if len(masks) == len(records):
            self.masks = masks
        if records:
            self._note_left_out(records, boxes, outlines)
        self._refuse_bad_values()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be scored: `box`, or with masks both: pycocotools draws boxes around masks."""
        return ("box",) if self.masks is None else ("box", "mask")

    def __len__(self) -> int:
        return len(self._places())

    def __iter__(self) -> Iterator[int | str]:
        return iter(self._places())

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._places()

    def __getitem__(self, image_id: int | str) -> list[dict[str, Any]]:
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
            where = f"record {place} (image_id {shortened(str(self.image_ids[place]))})"
            raise UserError(f"{self.source}: {where} {what}; {bad.size} such record(s)")

    def _record(self, place: int) -> dict[str, Any]:
        record: dict[str, Any] = {
            "category_id": self.category_ids[place : place + 1].tolist()[0],
            "score": float(self.scores[place]),
        }
        if self.boxes is not None:
            record["bbox"] = self.boxes[place].tolist()
        if self.masks is not None:
            mask = self.masks[place]
            record["segmentation"] = mask
            if isinstance(mask, RunLengths):
                record["segmentation"] = {"size": list(mask.size), "counts": mask.counts}
        return record

    def _places(self) -> dict[int | str, list[int]]:
        """Return the places of each image's detections; built once."""
        if not hasattr(self, "_places_of"):
            self._places_of: dict[int | str, list[int]] = {}
            for place, image_id in enumerate(self.image_ids.tolist()):
                self._places_of.setdefault(image_id, []).append(place)
        return self._places_of

    def _note_left_out(
        self, records: Sequence[Record | OddRecord], boxes: list[Any], outlines: list[Any]
    ) -> None:
        """Refuse a file of which nothing can be scored; say what is left aside elsewhere."""
        faults = [
            (not one.bbox, one.segmentation is None or isinstance(one.segmentation, str))
            for one in records
        ]
        if self.boxes is None and self.masks is None:
            if not boxes and not outlines:
                raise UserError(
                    f"{self.source}: no record has a bbox or a segmentation; expected one of them"
                )
            key, place = ("bbox", 0) if boxes else ("segmentation", 1)
            said = [one.segmentation for one in records if isinstance(one.segmentation, str)]
            what = said[0] if said and not boxes else f"has no {key} while others have one"
            self.refuse([fault[place] for fault in faults], f"{what}; give it to all or to none")
        for key, column, place, some in (
            ("segmentation", self.masks, 1, outlines),
            ("bbox", self.boxes, 0, boxes),
        ):
            if column is None and some:
                first = next(number for number, fault in enumerate(faults) if fault[place])
                outline = records[first].segmentation
                why = outline if isinstance(outline, str) and place else f"has no {key}"
                scored = "boxes" if place else "masks"
                self.remark = f"{self.source}: record {first} {why}: {scored} alone are scored"

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
    content = read_bytes(path, RESULTS_FORMAT)
    with collection_paused():
        records: Sequence[Record | OddRecord] | None = fast(content, list[Record])
        if records is None:
            records = _odd_records(str(path), parsed_list(path, content, None, RESULTS_FORMAT))
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
    except msgspec.ValidationError:
        return Detections(_odd_records("predictions", flat), "predictions")


def write_detections(predictions: Mapping[Any, Any], path: Path) -> None:
    """Write a COCO result file, as the test-dev server takes it."""
    path.write_bytes(msgspec.json.encode(list(detections_of(predictions).records())))


def _odd_records(source: str, values: list[Any]) -> list[OddRecord]:
    """Return records as people write them, or name the first that none can read."""
    records, bad = [], []
    for place, value in enumerate(values):
        try:
            records.append(_odd_record(value))
        except ValueError as error:
            bad.append((place, error))
    if bad:
        place, why = bad[0]
        raise UserError(
            f"{source}: record {place} of {len(values)}, {shortened(values[place])}: {why} "
            f"({len(bad)} such)"
        )
    return records


def _odd_record(value: Any) -> OddRecord:
    """Return one record.

    Raises:
        ValueError: a key is missing or its value is of a wrong type.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{kind(value)}; expected an object")
    missing = [key for key in ("image_id", "category_id", "score") if key not in value]
    if missing:
        raise ValueError(f"has no {missing[0]}")
    score = value["score"]
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError(f"score is {kind(score)}; expected a finite number")
    box = value.get("bbox")
    if box in (None, []):
        box = None
    elif not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise ValueError(f"bbox is {shortened(box)}; expected x, y, width, height")
    return OddRecord(
        as_id(value["image_id"]),
        as_id(value["category_id"]),
        float(score),
        None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3])),
        _outline(value.get("segmentation")),
    )


def _outline(value: Any) -> RunLengths | Polygons | str | None:
    """Return an outline, None where there is none, or why it is none that can be scored."""
    if value in (None, [], {}, ""):
        return None
    if isinstance(value, list):
        if all(
            isinstance(part, list)
            and len(part) >= 6
            and len(part) % 2 == 0
            and all(map(_is_number, part))
            for part in value
        ):
            return value
        return f"has the outline {shortened(value)}, no list of polygons of three points or more"
    size, counts = (value.get("size"), value.get("counts")) if isinstance(value, dict) else (0, 0)
    if isinstance(size, list) and len(size) == 2 and all(map(_is_length, size)):
        if isinstance(counts, str):
            return RunLengths((size[0], size[1]), counts)
        if isinstance(counts, list) and all(map(_is_length, counts)):
            if sum(counts) != size[0] * size[1]:
                return "has run lengths that do not fill its mask's size"
            packed = run_lengths.frPyObjects({"size": size, "counts": counts}, *size)
            return RunLengths((size[0], size[1]), packed["counts"].decode())
    return f"has the outline {shortened(value)}; expected run lengths with size and counts"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31


def _id_column(ids: list[Any]) -> NDArray[Any]:
    """Return ids as int64 where they are numbers that fit, else as objects."""
    try:
        if not any(isinstance(one, str) for one in ids):
            return np.array(ids, dtype=np.int64)
    except OverflowError:
        pass
    column = np.empty(len(ids), dtype=object)
    column[:] = ids
    return column


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
