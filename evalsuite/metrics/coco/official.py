"""The official COCO AP engine, pycocotools, on our detections: `--official` and the oracle."""

import contextlib
import io
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalsuite.data.official_json import parsed
from evalsuite.data.reading import read_bytes
from evalsuite.metrics.coco.ap import FIELD, FIGURES, IOU_TYPE, Kind
from evalsuite.metrics.coco.detections import Detections
from evalsuite.metrics.coco.file import FORMAT
from evalsuite.metrics.coco.outlines import RunLengths, drawn, shown_outline
from evalsuite.metrics.coco.truth import Truth
from evalsuite.records.score import Score


class OfficialArrays(NamedTuple):
    """pycocotools' `eval` arrays and `stats`, the twelve figures as fractions."""

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    stats: NDArray[np.float64]


def official_ap(detections: Detections, truth: Truth, kind: Kind) -> list[Score]:
    """Return pycocotools' twelve figures in percent, named as ours."""
    arrays = official_arrays(detections, truth, kind)
    num_images = truth.num_images
    return [
        Score(
            name=f"{kind}_{figure.name}",
            value=float(value) if value < 0 else 100 * float(value),
            unit="percent",
            n=num_images,
        )
        for figure, value in zip(FIGURES, arrays.stats, strict=True)
    ]


def official_arrays(detections: Detections, truth: Truth, kind: Kind) -> OfficialArrays:
    """Return what pycocotools computes, with boxes dropped for masks (reference trap D2)."""
    # Of masks alone pycocotools makes boxes itself.
    field = FIELD[kind] if kind == "mask" or detections.boxes is not None else FIELD["mask"]
    records = [_only(record, field) for record in detections.records()]
    if field == FIELD["mask"]:
        for record, mask in zip(records, detections.masks or (), strict=True):
            if not isinstance(mask, RunLengths):
                size = truth.sizes[truth.image_numbers[record["image_id"]] - 1]
                record[field] = shown_outline(drawn(mask, size))
    with contextlib.redirect_stdout(io.StringIO()):  # it prints progress on stdout
        official = COCO()  # which would not read every encoding that people have
        official.dataset = parsed(truth.path, read_bytes(truth.path, FORMAT))
        official.createIndex()
        evaluation = COCOeval(official, _results(official, records), IOU_TYPE[kind])
        evaluation.params.imgIds = list(truth.image_numbers)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    arrays = evaluation.eval
    return OfficialArrays(arrays["precision"], arrays["recall"], evaluation.stats)


def _results(official: Any, records: list[dict[str, Any]]) -> Any:
    if records:
        return official.loadRes(records)
    empty = COCO()  # loadRes cannot read an empty list
    empty.dataset = {**official.dataset, "annotations": []}
    empty.createIndex()
    return empty


def _only(record: dict[str, Any], field: str) -> dict[str, Any]:
    return {key: record[key] for key in ("image_id", "category_id", "score", field)}
