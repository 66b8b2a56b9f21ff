import json
from pathlib import Path

import pytest

pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO AP")

from coco_records import (
    HEIGHT,
    WIDTH,
    Json,
    annotation,
    assert_equal_to_pycocotools,
    detection,
    results,
    world,
)

from evalsuite.metrics.coco import ap as coco_ap
from evalsuite.metrics.coco import official as official_coco
from evalsuite.metrics.coco.ap import Kind
from evalsuite.metrics.coco.results import detections_of, read_detections, write_detections
from evalsuite.metrics.coco.truth import Truth
from evalsuite.records.errors import UserError


def test_journal_records_and_written_files_hold_the_same_detections(tmp_path: Path) -> None:
    records = [
        detection(2, 1, [0.0, 0.0, 10.0, 10.0], 0.5),
        detection(1, 7, [5.0, 5.0, 6.0, 6.0], 0.25),
    ]
    found = results(tmp_path, records)
    journal = {image: found[image] for image in found}
    write_detections(journal, tmp_path / "again.json")
    assert json.loads((tmp_path / "again.json").read_text()) == records
    assert detections_of(journal).boxes is not None


GOOD = {"image_id": 1, "category_id": 1, "bbox": [1.0, 2.0, 3.0, 4.0], "score": 0.5}
BAD_RECORDS = [
    ({**GOOD, "bbox": [1.0, 2.0, -3.0, 4.0]}, "record 1 .* negative width or height; 2 such"),
    (
        {**GOOD, "image_id": 99},
        "record 1 .* has image_id 99, which is not in .*; 2 such",
    ),
    ({**GOOD, "category_id": 5}, "record 1 .* category_id 5, which .*; 2 such"),
    (
        {**GOOD, "image_id": "1"},
        "image_id 1, which is not in instances.json: there it is the number 1, here the text .1.;",
    ),
    (
        {**GOOD, "score": float("nan")},
        "record 1 of 3, .* score is NaN or Infinity; expected a finite",
    ),
    ({key: GOOD[key] for key in ("image_id", "category_id", "score")}, "record 1 .* has no bbox"),
]


@pytest.mark.parametrize(("bad", "message"), BAD_RECORDS)
def test_a_bad_record_is_named_with_the_number_of_its_kind(
    tmp_path: Path, bad: Json, message: str
) -> None:
    truth = world(tmp_path, [annotation(1, 1, 1, [0.0, 0.0, 10.0, 10.0])])
    with pytest.raises(UserError, match=message):
        coco_ap.evaluate(results(tmp_path, [GOOD, bad, bad]), truth, "box")


def test_a_mask_of_another_size_or_with_missing_runs_is_named(tmp_path: Path) -> None:
    truth = world(tmp_path, [annotation(1, 1, 1, [0.0, 0.0, 10.0, 10.0])])
    good = detection(1, 1, [0.0, 0.0, 10.0, 10.0], 0.5)
    swapped = {**good, "segmentation": {**good["segmentation"], "size": [WIDTH, HEIGHT]}}
    with pytest.raises(
        UserError, match=r"record 1 .* mask of size \[80, 64\], its image has \[64, 80\]"
    ):
        coco_ap.evaluate(results(tmp_path, [good, swapped]), truth, "mask")
    torn = {
        **good,
        "segmentation": {"size": [HEIGHT, WIDTH], "counts": good["segmentation"]["counts"][:-2]},
    }
    with pytest.raises(UserError, match=r"record 1 .* do not fill its mask's size; 1 such"):
        coco_ap.evaluate(results(tmp_path, [good, torn]), truth, "mask")


@pytest.mark.parametrize("content", ["[{", '{"annotations": []}', "", "[1, 2]"])
def test_a_file_that_is_torn_or_no_list_of_records_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=r"results\.json"):
        read_detections(tmp_path / "results.json")


def test_a_torn_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "instances.json").write_text('{"images": [')
    with pytest.raises(
        UserError, match=r"instances\.json: not JSON .* cut short; expected a COCO instances file"
    ):
        Truth(tmp_path / "instances.json")


WITHOUT = [
    (kind, key)
    for kind, field in (("box", "bbox"), ("mask", "segmentation"))
    for key in ("iscrowd", "area", field)
]


@pytest.mark.parametrize(("kind", "key"), WITHOUT)
@pytest.mark.parametrize("null", [False, True])
def test_truth_that_pycocotools_cannot_score_is_refused(
    tmp_path: Path, kind: Kind, key: str, null: bool
) -> None:
    bad = annotation(2, 2, 7, [0.0, 0.0, 10.0, 10.0])
    del bad[key]
    good = [annotation(1, 1, 1, [0.0, 0.0, 10.0, 10.0])]
    found = results(tmp_path, [detection(1, 1, [0.0, 0.0, 10.0, 10.0], 0.5)])
    official = world(tmp_path, good)
    objects = [*good, {**bad, key: None} if null else bad]
    official.path.write_text(
        json.dumps({**json.loads(official.path.read_text()), "annotations": objects})
    )
    with pytest.raises((KeyError, TypeError)):
        official_coco.official_arrays(found, official, kind)
    with pytest.raises(UserError, match=rf"instances\.json: object 2 has no {key}, .*1 such"):
        coco_ap.evaluate(found, Truth(official.path), kind)


@pytest.mark.parametrize(("kind", "key"), [("box", "segmentation"), ("mask", "bbox")])
def test_truth_without_what_the_other_kind_reads_is_scored_as_pycocotools_says(
    tmp_path: Path, kind: Kind, key: str
) -> None:
    bare = annotation(1, 1, 1, [0.0, 0.0, 10.0, 10.0])
    del bare[key]
    found = results(tmp_path, [detection(1, 1, [0.0, 0.0, 10.0, 10.0], 0.5)])
    assert_equal_to_pycocotools(found, world(tmp_path, [bare]), kind)


def test_two_objects_of_one_number_are_refused(tmp_path: Path) -> None:
    again = [annotation(1, image, 1, [0.0, 0.0, 10.0, 10.0]) for image in (1, 2)]
    with pytest.raises(UserError, match="object 1 appears more than once"):
        world(tmp_path, again)
