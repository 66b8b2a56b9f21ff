"""Detection files as people have them score as pycocotools scores their plain twin."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalsuite.__main__ import main

Json = dict[str, Any]
Scored = Callable[..., dict[str, float]]
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


@pytest.fixture
def scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Scored:
    """Score a truth and results by the command line."""

    def run(truth: Json, *results: Any, words: tuple[str, ...] = ()) -> dict[str, float]:
        path = tmp_path / "coco" / "annotations" / "instances_val2017.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(truth))
        names: list[str] = []
        for number, one in enumerate(results):
            (tmp_path / f"{number}.json").write_text(json.dumps(one))
            names += ["--predictions", str(tmp_path / f"{number}.json")]
        options = ["--data", str(tmp_path), "--no-interval", "--json"]
        monkeypatch.setattr("sys.argv", ["evalsuite", "score", "detection", *names, *options])
        with pytest.raises(SystemExit) as ending:
            main()
        if ending.value.code:
            raise ending.value
        answer = json.loads(capsys.readouterr().out)
        return {one["name"]: one["value"] for one in answer["scores"]}

    return run


@pytest.mark.parametrize("form", IDS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ids_of_any_form_score_as_their_plain_twin(scored: Scored, form: str, seed: int) -> None:
    truth, results = drawn(seed)
    ours = scored(*renamed(truth, results, IDS[form]))
    assert list(ours.values()) == official(truth, results, "bbox")


@pytest.mark.parametrize(
    "outline",
    [[], [[]], [1.0, 2.0, 3.0, 4.0], [[1, 2, 3, 4]], [[[1, 2], [3, 4]]], {}, "", None],
)
def test_boxes_are_scored_whatever_the_truths_outlines_are(scored: Scored, outline: Any) -> None:
    truth, results = drawn(3)
    for one in truth["annotations"]:
        one["segmentation"] = outline
    assert list(scored(truth, results).values()) == official(truth, results, "bbox")


@pytest.mark.parametrize(
    "extra",
    [
        {"info": {"year": "", "date_created": 0}},
        {"info": None, "licenses": None},
        {"licenses": [{"id": "1", "url": None}], "videos": {}},
    ],
)
def test_keys_that_nobody_scores_are_not_read(scored: Scored, extra: Json) -> None:
    truth, results = drawn(4)
    for image in truth["images"]:
        image |= {"file_name": None, "date_captured": 0, "license": "", "coco_url": None}
    for category in truth["categories"]:
        category |= {"name": category["id"], "supercategory": None}
    assert list(scored(truth | extra, results).values()) == official(truth, results, "bbox")


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


@pytest.mark.parametrize("form", ["polygons", "runs"])
def test_outlines_beside_boxes_are_taken_as_load_res_takes_them(scored: Scored, form: str) -> None:
    truth, _ = drawn(5)
    both = [
        {**one, "bbox": owner["bbox"]}
        for one, owner in zip(masked(truth, form), truth["annotations"], strict=True)
    ]
    ours = scored(truth, both)
    assert ours["mask_ap"] == official(truth, both, "segm")[0] > 50
    assert ours["box_ap"] == official(truth, both, "bbox")[0]


def test_a_mask_of_another_size_does_not_take_the_boxes_away(scored: Scored) -> None:
    truth, results = drawn(6)
    odd = [{**one, "segmentation": {"size": [9, 9], "counts": [81]}} for one in results]
    with pytest.warns(UserWarning, match=r"mask of size \[9, 9\].*masks are not scored"):
        ours = scored(truth, odd)
    assert list(ours.values()) == official(truth, results, "bbox")


@pytest.mark.parametrize("empty", [{"segmentation": []}, {"segmentation": None}])
def test_an_empty_outline_beside_a_box_is_none(scored: Scored, empty: Json) -> None:
    truth, results = drawn(7)
    ours = scored(truth, [{**one, **empty} for one in results])
    assert list(ours.values()) == official(truth, results, "bbox")


FOREIGN = [
    ({"annotations": [{"image_id": 1, "segments_info": []}], "images": [{"id": 1}]}, "panoptic"),
    ({"annotations": [{"id": 1, "image_id": 1, "caption": "a"}], "images": [{"id": 1}]}, "caption"),
    (
        {"annotations": [], "images": [{"id": 1, "not_exhaustive_category_ids": []}]},
        "an LVIS file",
    ),
    ({"questions": []}, "VQA questions"),
]


@pytest.mark.parametrize(("truth", "what"), FOREIGN)
def test_another_benchmarks_file_is_named(
    scored: Scored, capsys: pytest.CaptureFixture[str], truth: Json, what: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        scored(truth, [])
    line = capsys.readouterr().err
    assert what in line
    assert "expected a COCO instances file" in line
    assert len(line.splitlines()) == 1


def test_ids_as_texts_here_and_numbers_there_are_told(
    scored: Scored, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, results = drawn(8)
    with pytest.raises(SystemExit, match="2"):
        scored(truth, [{**one, "image_id": str(one["image_id"])} for one in results])
    assert "there it is the number" in capsys.readouterr().err
