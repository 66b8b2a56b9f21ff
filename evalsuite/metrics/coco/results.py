"""Detections from COCO result files or a journal, and back."""

import contextlib
import gc
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.data.names import as_id
from evalsuite.data.official_json import converted_by, fast, kind, parsed_list
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.metrics.coco.detections import Detections, OddRecord, Record
from evalsuite.metrics.coco.outlines import Polygons, RunLengths, outline_of
from evalsuite.records.errors import UserError
from evalsuite.records.files import written_whole

RESULTS_FORMAT = (
    'COCO results, a list of {"image_id", "category_id", "score"} with a "bbox", a "segmentation" '
    "or both"
)


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
            values = parsed_list(path, content, None, RESULTS_FORMAT)
            records = converted_by(path, values, _odd_record)
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
    try:
        flat = [{"image_id": id, **record} for id, found in predictions.items() for record in found]
    except TypeError:
        raise UserError("predictions: expected a list of records for each image") from None
    try:
        return Detections(msgspec.convert(flat, list[Record]), "predictions")
    except msgspec.ValidationError:
        return Detections(converted_by("predictions", flat, _odd_record), "predictions")


def write_detections(predictions: Mapping[Any, Any], path: Path) -> None:
    """Write a COCO result file, as the test-dev server takes it."""
    results = msgspec.json.encode(list(detections_of(predictions).records()))
    with written_whole(path) as temporary:
        temporary.write_bytes(results)


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
    try:
        return outline_of(json.dumps(value).encode())
    except ValueError as fault:
        return str(fault)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


@contextlib.contextmanager
def collection_paused() -> Iterator[None]:
    """Keep the garbage collector from walking half a million new records over and over."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
