"""Small truths and results of COCO, and the comparison with pycocotools."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO AP")

from pycocotools import mask as official_mask

from evalsuite.metrics.coco import ap as coco_ap
from evalsuite.metrics.coco import official as official_coco
from evalsuite.metrics.coco.ap import Kind
from evalsuite.metrics.coco.detections import Detections
from evalsuite.metrics.coco.results import read_detections
from evalsuite.metrics.coco.truth import Truth

HEIGHT, WIDTH = 64, 80
KINDS: tuple[Kind, Kind] = ("box", "mask")
Json = dict[str, Any]


def rle(box: list[float]) -> Json:
    x, y, width, height = box
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    made = official_mask.frPyObjects([corners], HEIGHT, WIDTH)[0]
    return {"size": [HEIGHT, WIDTH], "counts": made["counts"].decode()}


def annotation(number: int, image: int, category: int, box: list[float], crowd: int = 0) -> Json:
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "segmentation": rle(box),
        "area": float(official_mask.area(rle(box))),
        "iscrowd": crowd,
    }


def detection(image: int, category: int, box: list[float], score: float) -> Json:
    return {
        "image_id": image,
        "category_id": category,
        "bbox": box,
        "segmentation": rle(box),
        "score": score,
    }


def world(folder: Path, annotations: list[Json], num_images: int = 3) -> Truth:
    images = [{"id": n, "height": HEIGHT, "width": WIDTH} for n in range(1, num_images + 1)]
    categories = [{"id": n, "name": f"class {n}"} for n in (1, 2, 7)]
    path = folder / "instances.json"
    path.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": categories})
    )
    return Truth(path)


def results(folder: Path, records: list[Json]) -> Detections:
    (folder / "results.json").write_text(json.dumps(records))
    return read_detections(folder / "results.json")


def assert_equal_to_pycocotools(found: Detections, truth: Truth, kind: Kind) -> None:
    ours = coco_ap.evaluate(found, truth, kind)
    official = official_coco.official_arrays(found, truth, kind)
    np.testing.assert_array_equal(ours.precision, official.precision)
    np.testing.assert_array_equal(ours.recall, official.recall)
    figures = [score.value for score in coco_ap.ap_scores(ours, truth, kind, interval=False)]
    assert figures == [value if value < 0 else 100 * value for value in official.stats]
