"""Masks in result files and truths as people have them, and boxes and masks in two files."""

from pathlib import Path
from typing import Any

import pytest
from detection_files import IDS, SIDE, Json, asked, drawn, masked, official, renamed
from pycocotools import mask as official_mask


def compressed(truth: Json) -> list[Json]:
    """Return noisy results with compressed run lengths and tied scores."""
    results = masked(truth, "runs")
    for number, one in enumerate(results):
        packed = official_mask.frPyObjects(one["segmentation"], SIDE, SIDE)
        one["segmentation"] = {**packed, "counts": packed["counts"].decode()}
        one["score"] = round(number % 7 / 7, 1)
        one["category_id"] = 1 + number % 3
    return results


def of_kind(figures: dict[str, float], kind: str) -> list[float]:
    return [value for name, value in figures.items() if name.startswith(kind)]


@pytest.mark.parametrize("form", [None, *IDS])
def test_masks_alone_have_box_figures_as_pycocotools_derives_them(
    tmp_path: Path, form: str | None
) -> None:
    truth, _ = drawn(10)
    results = compressed(truth)
    files = (truth, results) if form is None else renamed(truth, results, IDS[form])
    answer = asked(tmp_path, *files)
    assert of_kind(answer.figures, "mask") == official(truth, results, "segm")
    assert of_kind(answer.figures, "box") == official(truth, results, "bbox")
    assert list(answer.figures)[:2] == ["mask_ap", "box_ap"]
    assert "box figures are of the boxes around the masks" in answer.lines[0]


def test_an_empty_box_beside_a_mask_is_none(tmp_path: Path) -> None:
    truth, _ = drawn(11)
    results = compressed(truth)
    answer = asked(tmp_path, truth, [{**one, "bbox": []} for one in results])
    assert of_kind(answer.figures, "mask") == official(truth, results, "segm")


@pytest.mark.parametrize("form", ["polygons", "runs"])
def test_the_official_engine_agrees_on_outlines_beside_boxes(tmp_path: Path, form: str) -> None:
    truth, found = drawn(12)
    both = [
        {**one, "bbox": other["bbox"], "score": other["score"]}
        for one, other in zip(masked(truth, form), found, strict=True)
    ]
    answer = asked(tmp_path, truth, both, words=("--official",))
    assert answer.status == 0
    assert "it takes a mask's area from its box" in answer.lines[0]
    assert {one["difference"] for one in answer.content["official"]} == {0.0}


BROKEN = [
    ([], "has no segmentation"),
    ([[]], "which is not a polygon"),
    ([[1, 2, 3, 4]], "which pycocotools takes for a box"),
    ([1, 2, 3, 4, 5, 6], "has the segmentation [1, 2, 3, 4, 5, 6]; expected polygons"),
    ([[1, 2, 3, 4, 5, "6"]], "expected polygons of three points or more"),
    ([[0, 0, 1e9, 0, 1e9, 1e9]], "reaches more than 1,000,000 pixels out"),
    ({"size": [SIDE, SIDE], "counts": [9, 9]}, "do not fill"),
    ({"size": [SIDE, SIDE], "counts": "abc"}, "do not fill"),
    ({"size": [9, 9], "counts": [81]}, "size [9, 9] in an image of [60, 60]"),
    ({"counts": [81]}, "expected polygons of three points or more, or run lengths"),
]


@pytest.mark.parametrize(("outline", "message"), BROKEN)
def test_an_outline_that_pycocotools_cannot_draw_is_named(
    tmp_path: Path, outline: Any, message: str
) -> None:
    truth, boxes = drawn(13)
    results = compressed(truth)
    truth["annotations"][4]["segmentation"] = outline
    refused = asked(tmp_path, truth, results)
    assert refused.status == 2
    assert f"object 5 {'is' if 'is in' in message else 'has'}" in refused.lines[0]
    assert message in refused.lines[0]
    assert list(asked(tmp_path, truth, boxes).figures.values()) == official(truth, boxes, "bbox")


def test_masks_in_an_image_without_a_size_are_refused(tmp_path: Path) -> None:
    truth, boxes = drawn(14)
    del truth["images"][1]["height"]
    answer = asked(tmp_path, truth, compressed(truth))
    assert answer.status == 2
    assert "is in image 2, whose height and width the file does not give" in answer.lines[0]
    assert list(asked(tmp_path, truth, boxes).figures.values()) == official(truth, boxes, "bbox")


@pytest.mark.parametrize("part", [[], [1.0, 2.0], [1.0, 2.0, 30.0, 40.0], [1, 2, 30, 4, 30, 40, 5]])
def test_a_small_polygon_beside_a_whole_one_counts_as_pycocotools_counts_it(
    tmp_path: Path, part: list[float]
) -> None:
    truth, _ = drawn(15)
    results = compressed(truth)
    for one in truth["annotations"]:
        one["segmentation"].append(part)
    figures = asked(tmp_path, truth, results).figures
    assert of_kind(figures, "mask") == official(truth, results, "segm")


@pytest.mark.parametrize(
    "outline", [[[]], [[1, 2, 3, 4]], {"size": [SIDE, SIDE], "counts": "04"}, {"counts": 3}, "x", 7]
)
def test_a_mask_that_cannot_be_scored_is_told_and_the_boxes_are_scored(
    tmp_path: Path, outline: Any
) -> None:
    truth, boxes = drawn(16)
    odd = [{**one, "segmentation": outline} for one in boxes]
    answer = asked(tmp_path, truth, odd)
    assert list(answer.figures.values()) == official(truth, boxes, "bbox")
    (line,) = answer.lines
    assert "0.json: record 0 (image_id " in line
    assert line.endswith("masks are not scored")


@pytest.mark.parametrize("is_swapped", [False, True])
def test_boxes_and_masks_in_two_files_are_scored_together(tmp_path: Path, is_swapped: bool) -> None:
    truth, boxes = drawn(17)
    masks = compressed(truth)[:30]
    files = (masks, boxes) if is_swapped else (boxes, masks)
    answer = asked(tmp_path, truth, *files, words=("--official",))
    assert of_kind(answer.figures, "box") == official(truth, boxes, "bbox")
    assert of_kind(answer.figures, "mask") == official(truth, masks, "segm")
    assert {one["difference"] for one in answer.content["official"]} == {0.0}
    assert answer.lines == []


def test_two_files_that_are_no_pair_are_refused(tmp_path: Path) -> None:
    truth, boxes = drawn(18)
    answer = asked(tmp_path, truth, boxes, boxes)
    assert answer.status == 2
    assert "one holds boxes alone and the other masks; to compare two models" in answer.lines[0]
    assert asked(tmp_path, truth, boxes, boxes, words=("--paired",)).status == 0
    assert "given 3 times" in asked(tmp_path, truth, boxes, boxes, boxes).lines[0]


def test_nothing_found_in_two_files_scores_0_in_both(tmp_path: Path) -> None:
    truth, _ = drawn(19)
    figures = asked(tmp_path, truth, [], []).figures
    assert (figures["box_ap"], figures["mask_ap"]) == (0.0, 0.0)
