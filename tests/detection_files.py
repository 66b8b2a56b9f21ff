"""Made detection files, what pycocotools says of them, and what the command line says."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalsuite.__main__ import main

Json = dict[str, Any]
SIDE = 60
# Each keeps the order of 1, 2, 3, ..., on which ties between images depend.
IDS: dict[str, Callable[[int], object]] = {
    "next to 2**53": lambda one: 2**53 + one,
    "64 bits without sign": lambda one: 2**64 - 100 + one,
    "larger than any register": lambda one: 10**30 + one,
    "negative": lambda one: one - 1000,
    "texts": lambda one: f"image {one:04d}",
    "whole floats": float,
    "from 0": lambda one: one - 1,
}


class Answer(NamedTuple):
    """What the command line said: exit status, figures by name, lines of stderr, and the rest."""

    status: int
    figures: dict[str, float]
    lines: list[str]
    content: Json


def asked(folder: Path, truth: Json, *results: Any, words: tuple[str, ...] = ()) -> Answer:
    """Score a truth and result files in a folder by the command line."""
    path = folder / "coco" / "annotations" / "instances_val2017.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(truth))
    names: list[str] = []
    for number, one in enumerate(results):
        (folder / f"{number}.json").write_text(json.dumps(one))
        names += ["--predictions", str(folder / f"{number}.json")]
    options = ["--data", str(folder), "--no-interval", "--json", *words]
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SystemExit) as ending,
    ):
        patch.setattr("sys.argv", ["evalsuite", "score", "detection", *names, *options])
        main()
    content = json.loads(out.getvalue() or "{}")
    figures = {one["name"]: one["value"] for one in content.get("scores", [])}
    return Answer(int(ending.value.code or 0), figures, err.getvalue().splitlines(), content)


def drawn(seed: int, num_images: int = 12) -> tuple[Json, list[Json]]:
    """Return a truth and results with many tied scores, ids from 1."""
    generator = np.random.default_rng(seed)
    images = [{"id": n, "height": SIDE, "width": SIDE} for n in range(1, num_images + 1)]
    objects, results = [], []
    for number in range(1, 40):
        x, y, width, height = (float(v) for v in generator.integers(1, 28, 4))
        place = {"image_id": int(generator.integers(1, num_images + 1)), "category_id": 1}
        place["category_id"] = int(generator.integers(1, 4))
        corners = [x, y, x + width, y, x + width, y + height, x, y + height]
        outline = {"segmentation": [corners], "area": width * height, "iscrowd": 0}
        objects.append({"id": number, **place, "bbox": [x, y, width, height], **outline})
        moved = [v + float(generator.integers(-2, 3)) for v in (x, y)]
        score = round(float(generator.random()), 1)
        results.append({**place, "bbox": [*moved, width, height], "score": score})
    classes = [{"id": n, "name": f"class {n}"} for n in (1, 2, 3)]
    return {"images": images, "annotations": objects, "categories": classes}, results


def renamed(truth: Json, results: list[Json], name: Callable[[int], object]) -> Any:
    """Return both with other ids of images and categories."""
    keys = ("image_id", "category_id")

    def changed(one: Json) -> Json:
        return {key: name(value) if key in keys else value for key, value in one.items()}

    things = {
        key: [{**one, "id": name(one["id"])} for one in truth[key]]
        for key in ("images", "categories")
    }
    objects = [changed(one) for one in truth["annotations"]]
    return {**things, "annotations": objects}, [changed(one) for one in results]


def official(truth: Json, results: list[Json], kind: str) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = json.loads(json.dumps(truth))
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(json.loads(json.dumps(results))), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return [100 * float(v) if v >= 0 else -1.0 for v in evaluation.stats]


def masked(truth: Json, form: str) -> list[Json]:
    """Return every object as a result with an outline of some form."""
    results = []
    for number, one in enumerate(truth["annotations"]):
        x, y, width, height = (int(v) for v in one["bbox"])
        mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
        mask[y : y + height, x : x + width] = 1
        runs = np.diff(np.flatnonzero(np.diff(mask.ravel("F"), prepend=0, append=2) != 0)).tolist()
        counts = [x * SIDE + y, *runs]
        shape: Any = one["segmentation"] if form == "polygons" else None
        shape = shape or {"size": [SIDE, SIDE], "counts": counts}
        place = {key: one[key] for key in ("image_id", "category_id")}
        results.append({**place, "segmentation": shape, "score": round(1 - number / 100, 2)})
    return results
