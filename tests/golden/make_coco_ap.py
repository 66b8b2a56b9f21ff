"""Make coco_ap.json: adversarial truths and results with the figures that pycocotools gives them.

Run `python tests/golden/make_coco_ap.py` where pycocotools is installed; nothing of ours is used.
"""

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools import mask as official_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HEIGHT, WIDTH = 120, 160
CASES = ("tied scores", "crowds", "more than a hundred", "classes without truth", "duplicates")
Json = dict[str, Any]


def main() -> None:
    """Write the golden file beside this script."""
    cases = [_case(name, seed) for seed, name in enumerate(CASES)]
    Path(__file__).with_name("coco_ap.json").write_text(json.dumps(cases) + "\n")


def _case(name: str, seed: int) -> Json:
    generator = np.random.default_rng(seed)
    annotations = [_object(generator, name) for _ in range(24)]
    found = [_detection(generator, name, item) for item in annotations for _ in range(2)]
    if name == "more than a hundred":
        one = {**annotations[0], "score": 0.75}
        found += [_detection(generator, name, one) for _ in range(110)]
    if name == "duplicates":
        found += found
    results = [found[place] for place in generator.permutation(len(found))]
    truth = {
        "images": [{"id": number, "height": HEIGHT, "width": WIDTH} for number in (3, 1, 2)],
        "categories": [{"id": number, "name": f"class {number}"} for number in (9, 4, 5)],
        "annotations": [{**item, "id": place + 1} for place, item in enumerate(annotations)],
    }
    stats = {kind: _official(truth, results, kind) for kind in ("box", "mask")}
    return {"name": name, "truth": truth, "results": results, **stats}


def _object(generator: np.random.Generator, name: str) -> Json:
    x, y = generator.integers(0, 100, 2).tolist()
    width, height = generator.choice([8, 16, 32, 96], 2).tolist()
    shape = _shape([x, y, width, height])
    return {
        "image_id": int(generator.integers(1, 4)),
        "category_id": int(generator.choice([4, 9])),
        "iscrowd": int(name == "crowds" and generator.random() < 0.4),
        "area": float(official_mask.area(shape["segmentation"])),
        **shape,
    }


def _detection(generator: np.random.Generator, name: str, item: Json) -> Json:
    x, y, width, height = item["bbox"]
    category = item["category_id"]
    if name == "classes without truth" and generator.random() < 0.3:
        category = 5
    score = generator.choice([0.25, 0.5]) if name == "tied scores" else generator.random()
    moved = [float(value) for value in np.add(generator.integers(-4, 5, 2), (x, y))]
    return {
        "image_id": item["image_id"],
        "category_id": category,
        "score": round(float(score), 3),
        **_shape([*moved, width, height]),
    }


def _shape(box: list[float]) -> Json:
    x, y, width, height = box
    corners = [x, y, x + width, y, x + width, y + height, x, y + height]
    rle = official_mask.frPyObjects([corners], HEIGHT, WIDTH)[0]
    return {"bbox": box, "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()}}


def _official(truth: Json, results: list[Json], kind: str) -> list[float]:
    """Return pycocotools' twelve figures as fractions; boxes are dropped for masks (trap D2)."""
    field = {"box": "bbox", "mask": "segmentation"}[kind]
    kept = [
        {key: record[key] for key in ("image_id", "category_id", "score", field)}
        for record in results
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        official = COCO()
        official.dataset = json.loads(json.dumps(truth))
        official.createIndex()
        found = official.loadRes(json.loads(json.dumps(kept)))
        evaluation = COCOeval(official, found, {"box": "bbox", "mask": "segm"}[kind])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [float(value) for value in evaluation.stats]


if __name__ == "__main__":
    main()
