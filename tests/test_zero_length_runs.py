"""Where mask AP is not pycocotools': runs of length zero at one place in both masks."""

import contextlib
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from evalsuite.__main__ import main

pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO AP")

from pycocotools import mask as official_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def truth_of(counts: list[int]) -> dict[str, Any]:
    record = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 20, 20], "iscrowd": 0}
    record |= {"area": sum(counts[1::2]), "segmentation": {"size": [20, 20], "counts": counts}}
    image = {"id": 1, "width": 20, "height": 20, "file_name": "1.jpg"}
    category = {"id": 1, "name": "thing"}
    return {"images": [image], "annotations": [record], "categories": [category]}


def official_ap(truth: dict[str, Any], results: list[dict[str, Any]]) -> float:
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        found = COCOeval(coco, coco.loadRes(results), "segm")
        found.evaluate()
        found.accumulate()
        found.summarize()
    return float(100 * found.stats[0])


@pytest.mark.parametrize(
    ("counts", "official"),
    [
        ([0, 100, 300], 100),
        ([0, 0, 100, 300], 0),
        ([0, 0, 0, 100, 300], 0),
        ([50, 0, 50, 50, 250], 0),
        ([50, 50, 0, 50, 250], 100),
    ],
)
def test_a_perfect_mask_with_runs_of_length_zero_scores_100_where_pycocotools_stops(
    counts: list[int],
    official: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    truth = truth_of(counts)
    mask = official_mask.frPyObjects(truth["annotations"][0]["segmentation"], 20, 20)
    mask["counts"] = mask["counts"].decode()
    results = [{"image_id": 1, "category_id": 1, "segmentation": mask, "score": 0.9}]
    path = tmp_path / "coco/annotations/instances_val2017.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    words = ["score", "detection", "--predictions", tmp_path / "results.json", "--data", tmp_path]
    monkeypatch.setattr(sys, "argv", ["evalsuite", *map(str, words), "--json"])
    with pytest.raises(SystemExit):
        main()
    scores = {one["name"]: one["value"] for one in json.loads(capsys.readouterr().out)["scores"]}
    assert scores["mask_ap"] == pytest.approx(100)
    assert official_ap(truth, results) == pytest.approx(official)
