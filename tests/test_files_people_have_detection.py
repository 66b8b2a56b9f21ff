"""Detection files as people have them score as pycocotools scores their plain twin."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from detection_files import IDS, Json, asked, drawn, masked, official, renamed

Scored = Callable[..., dict[str, float]]


@pytest.fixture
def scored(tmp_path: Path) -> Scored:
    """Score a truth and results by the command line; return the figures."""
    return lambda truth, *results: asked(tmp_path, truth, *results).figures


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


def test_a_mask_of_another_size_does_not_take_the_boxes_away(tmp_path: Path) -> None:
    truth, results = drawn(6)
    odd = [{**one, "segmentation": {"size": [9, 9], "counts": [81]}} for one in results]
    answer = asked(tmp_path, truth, odd)
    assert list(answer.figures.values()) == official(truth, results, "bbox")
    (line,) = answer.lines
    assert "record 0 (image_id 12) has a mask of size [9, 9]" in line
    assert line.endswith("masks are not scored")


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
def test_another_benchmarks_file_is_named(tmp_path: Path, truth: Json, what: str) -> None:
    answer = asked(tmp_path, truth, [])
    (line,) = answer.lines
    assert answer.status == 2
    assert what in line
    assert "expected a COCO instances file" in line


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("images", {"not_exhaustive_category_ids": [], "neg_category_ids": []}, "an LVIS file"),
        ("categories", {"frequency": "f", "synset": "cat.n.01"}, "an LVIS file"),
        ("categories", {"id": 92, "name": "banner"}, "stuff annotations"),
    ],
)
def test_a_foreign_file_is_named_though_it_could_be_scored(
    tmp_path: Path, key: str, value: Json, what: str
) -> None:
    truth, results = drawn(8)
    answer = asked(tmp_path, {**truth, key: [{**truth[key][0], **value}, *truth[key][1:]]}, results)
    assert answer.status == 2
    assert what in answer.lines[0]


def test_ids_as_texts_here_and_numbers_there_are_told(tmp_path: Path) -> None:
    truth, results = drawn(8)
    answer = asked(tmp_path, truth, [{**one, "image_id": str(one["image_id"])} for one in results])
    assert answer.status == 2
    assert "record 0 (image_id 3) has image_id 3, which is not in" in answer.lines[0]
    assert "there it is the number 3, here the text '3'" in answer.lines[0]


def test_decimal_ids_that_may_have_lost_digits_are_told(tmp_path: Path) -> None:
    truth, results = drawn(8)
    big, pandas = renamed(truth, results, lambda one: 2**53 + one)
    answer = asked(tmp_path, big, [{**one, "image_id": float(one["image_id"])} for one in pandas])
    assert answer.status == 2
    assert "record 0: 9007199254740996.0 may have lost digits as a decimal" in answer.lines[0]


FAULTS = [
    ("annotations", {"id": 0}, "object 4 is numbered 0, which pycocotools takes for no object"),
    ("annotations", {"id": None}, "object 4 of 39 has no id"),
    ("annotations", {"id": 1}, "object 1 appears more than once"),
    ("annotations", {"area": None}, "object 5 has no area, without which"),
    ("annotations", {"area": "9"}, "object 4 of 39, .*got `str` - at `\\$.area`"),
    ("annotations", {"iscrowd": None}, "object 5 has no iscrowd"),
    ("annotations", {"iscrowd": 3}, "object 5 has iscrowd 3, not 0 or 1"),
    ("annotations", {"bbox": [1, 2, 3]}, "object 5 has a bbox that is not four numbers"),
    ("annotations", {"bbox": [1, 2, -3, 4]}, "object 5 has a bbox of negative width or height"),
    ("annotations", {"bbox": None}, "object 5 has no bbox"),
    ("annotations", {"image_id": "2"}, "object 5 has image_id 2, of which the file has no image"),
    ("annotations", {"category_id": 1.5}, "object 4 of 39: 1.5 is not an id"),
    ("images", {"id": 1}, "image 1 appears more than once"),
    ("images", {"id": "a"}, "some ids of the image records are numbers and some are texts"),
    ("categories", {"id": None}, "category 2 of 3, .*got `null` - at `\\$.id`"),
]


@pytest.mark.parametrize(("key", "fault", "message"), FAULTS)
def test_a_fault_of_the_truth_is_named_with_its_record_and_key(
    tmp_path: Path, key: str, fault: Json, message: str
) -> None:
    truth, results = drawn(9)
    place = 2 if key == "categories" else 4
    truth[key][place] = {**truth[key][place], **fault}
    answer = asked(tmp_path, truth, results)
    (line,) = answer.lines
    assert answer.status == 2
    assert re.search(f"instances_val2017.json: {message}", line), line
    assert len(line) < 300 + len(str(tmp_path))
