import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

pytest.importorskip("pycocotools", reason="pycocotools is the oracle of COCO AP")

from coco_records import (
    KINDS,
    Json,
    annotation,
    assert_equal_to_pycocotools,
    detection,
    results,
    world,
)
from pycocotools import mask as official_mask

from evalsuite.metrics.coco import ap as coco_ap
from evalsuite.metrics.coco import official as official_coco
from evalsuite.metrics.coco.ap import Kind
from evalsuite.metrics.coco.results import read_detections
from evalsuite.metrics.coco.truth import Truth
from evalsuite.records.errors import UserError

SAMPLES = Path(__file__).parents[2] / "shared" / "data" / "official_samples" / "coco"
GOLDEN = Path(__file__).parent / "golden" / "coco_ap.json"


boxes = st.tuples(
    *[st.sampled_from([0.0, 3.0, 8.0, 20.0, 20.5, 33.25])] * 2,
    *[st.sampled_from([0.0, 4.0, 10.0, 32.0, 31.5])] * 2,
).map(list)
objects = st.lists(
    st.tuples(st.integers(1, 3), st.sampled_from([1, 2, 7]), boxes, st.integers(0, 1)),
    min_size=1,
    max_size=12,
)
found_objects = st.lists(
    st.tuples(
        st.integers(1, 3), st.sampled_from([1, 2, 7]), boxes, st.sampled_from([0.1, 0.5, 0.5, 0.9])
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(objects=objects, found=found_objects, kind=st.sampled_from(KINDS))
def test_every_precision_and_recall_entry_is_pycocotools_on_random_sets(
    tmp_path_factory: pytest.TempPathFactory, objects: Any, found: Any, kind: Kind
) -> None:
    folder = tmp_path_factory.mktemp("coco")
    truth = world(folder, [annotation(n + 1, *item) for n, item in enumerate(objects)])
    assert_equal_to_pycocotools(results(folder, [detection(*item) for item in found]), truth, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_trap_d1_thresholds_are_float64_so_an_iou_of_exactly_060_matches(
    tmp_path: Path, kind: Kind
) -> None:
    # 0.6 in float32 is above 0.6: with torch's linspace this detection would miss at that step.
    truth = world(tmp_path, [annotation(1, 1, 1, [0.0, 0.0, 10.0, 10.0])])
    found = results(tmp_path, [detection(1, 1, [0.0, 0.0, 10.0, 6.0], 0.9)])
    ours = coco_ap.evaluate(found, truth, kind)
    assert ours.recall[:, 0, 0, 2].tolist() == [1.0] * 3 + [0.0] * 7
    assert_equal_to_pycocotools(found, truth, kind)


def test_trap_d2_the_area_of_a_mask_is_its_own_though_the_file_has_boxes(tmp_path: Path) -> None:
    truth = world(tmp_path, [annotation(1, 1, 1, [0.0, 0.0, 40.0, 40.0])])
    stray = detection(1, 1, [50.0, 40.0, 5.0, 5.0], 0.9)
    both = [{**stray, "bbox": [0.0, 0.0, 60.0, 60.0]}, detection(1, 1, [0.0, 0.0, 40.0, 40.0], 0.8)]
    ours = coco_ap.evaluate(results(tmp_path, both), truth, "mask")
    scores = {s.name: s.value for s in coco_ap.ap_scores(ours, truth, "mask", interval=False)}
    # The small stray mask is ignored among medium objects; by its box it would be a false positive.
    assert scores["mask_ap_medium"] == pytest.approx(100.0)
    assert scores["mask_ap"] == pytest.approx(50.0)
    assert_equal_to_pycocotools(results(tmp_path, both), truth, "mask")


@pytest.mark.parametrize("kind", KINDS)
def test_trap_d3_max_dets_cut_each_image_and_class_after_a_stable_sort(
    tmp_path: Path, kind: Kind
) -> None:
    truth = world(tmp_path, [annotation(1, 1, 1, [0.0, 0.0, 10.0, 10.0])])
    wrong = [detection(1, 1, [30.0, 30.0, 4.0, 4.0], 0.5)] * 100
    late = results(tmp_path, [*wrong, detection(1, 1, [0.0, 0.0, 10.0, 10.0], 0.5)])
    assert coco_ap.evaluate(late, truth, kind).recall[0, 0, 0].tolist() == [0.0, 0.0, 0.0]
    assert_equal_to_pycocotools(late, truth, kind)
    first = results(tmp_path, [detection(1, 1, [0.0, 0.0, 10.0, 10.0], 0.5), *wrong])
    assert coco_ap.evaluate(first, truth, kind).recall[0, 0, 0].tolist() == [1.0, 1.0, 1.0]
    assert_equal_to_pycocotools(first, truth, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_trap_d4_crowds_match_again_and_again_and_areas_are_inclusive(
    tmp_path: Path, kind: Kind
) -> None:
    crowd = annotation(1, 1, 1, [0.0, 0.0, 60.0, 60.0], crowd=1)
    edge = annotation(2, 1, 1, [0.0, 0.0, 32.0, 32.0])  # 32 x 32 is small and medium at once
    truth = world(tmp_path, [crowd, edge])
    inside = [detection(1, 1, [35.0, 3.0 * n, 10.0, 3.0], 0.9) for n in range(5)]
    found = results(tmp_path, [*inside, detection(1, 1, [0.0, 0.0, 32.0, 32.0], 0.3)])
    ours = coco_ap.evaluate(found, truth, kind)
    assert ours.recall[0, 0, :3, 2].tolist() == [1.0, 1.0, 1.0]
    assert ours.precision[0, 0, 0, 0, 2] == pytest.approx(1.0)
    assert_equal_to_pycocotools(found, truth, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_trap_d5_classes_without_truth_stay_minus_one_and_leave_the_mean(
    tmp_path: Path, kind: Kind
) -> None:
    truth = world(tmp_path, [annotation(1, 1, 2, [0.0, 0.0, 10.0, 10.0])])
    found = results(
        tmp_path,
        [detection(1, 2, [0.0, 0.0, 10.0, 10.0], 0.9), detection(1, 7, [0.0, 0.0, 9.0, 9.0], 0.9)],
    )
    ours = coco_ap.evaluate(found, truth, kind)
    assert (ours.precision[:, :, [0, 2]] == -1).all()
    assert coco_ap.ap_scores(ours, truth, kind, interval=False)[0].value == pytest.approx(100.0)
    assert [s.name for s in coco_ap.class_ap(ours, truth, kind)] == [f"{kind}_ap/class 2"]
    assert_equal_to_pycocotools(found, truth, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_detected_scores_zero_as_pycocotools_says(tmp_path: Path, kind: Kind) -> None:
    truth = world(tmp_path, [annotation(1, 1, 2, [0.0, 0.0, 10.0, 10.0])])
    assert_equal_to_pycocotools(results(tmp_path, []), truth, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_perturbed_real_records_score_as_pycocotools_says(tmp_path: Path, kind: Kind) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("official samples are not beside the checkout")
    for name in ("instances_val2014.json", "instances_val2017.json"):
        official = json.loads((SAMPLES / name).read_text())
        # The excerpts' annotations are of other images than theirs: each gets a wide enough one.
        owners = {item["image_id"] for item in official["annotations"]}
        official["images"] = [{"id": owner, "height": 640, "width": 640} for owner in owners]
        (tmp_path / name).write_text(json.dumps(official))
        truth = Truth(tmp_path / name)
        found = results(tmp_path, perturbed(official["annotations"]))
        assert_equal_to_pycocotools(found, truth, kind)
        ours = coco_ap.evaluate(found, truth, kind)
        assert coco_ap.ap_scores(ours, truth, kind, interval=False)[0].value > 10


def perturbed(annotations: list[Json]) -> list[Json]:
    """Return three jittered detections of each real object, shuffled, with tied scores."""
    generator = np.random.default_rng(3)
    records = []
    for item in [item for item in annotations for _ in range(3)]:
        moves = [generator.normal(0, 3, (1, 2)) for _ in item["segmentation"]]
        parts = [
            (np.reshape(part, (-1, 2)) + move).clip(0, 640).ravel().tolist()
            for part, move in zip(item["segmentation"], moves, strict=True)
        ]
        mask = official_mask.merge(official_mask.frPyObjects(parts, 640, 640))
        record = detection(item["image_id"], item["category_id"], [0.0, 0.0, 1.0, 1.0], 0.0)
        record["bbox"] = (np.array(item["bbox"]) + generator.normal(0, 3, 4)).clip(0).tolist()
        record["segmentation"] = {"size": mask["size"], "counts": mask["counts"].decode()}
        record["score"] = round(float(generator.random()), 1)
        records.append(record)
    return [records[place] for place in generator.permutation(len(records))]


@pytest.mark.parametrize("kind", KINDS)
def test_the_official_fake_results_score_as_pycocotools_says(tmp_path: Path, kind: Kind) -> None:
    if not SAMPLES.is_dir():
        pytest.skip("official samples are not beside the checkout")
    official = json.loads((SAMPLES / "instances_val2014.json").read_text())
    found = read_detections(
        SAMPLES / f"instances_val2014_fake{'bbox' if kind == 'box' else 'segm'}100_results.json"
    )
    known = {image["id"] for image in official["images"]}
    with pytest.raises(UserError, match=r"not in instances_val2014\.json; "):
        coco_ap.evaluate(found, Truth(SAMPLES / "instances_val2014.json"), kind)
    kept = [record for record in found.records() if record["image_id"] in known]
    truth = Truth(SAMPLES / "instances_val2014.json")
    assert_equal_to_pycocotools(results(tmp_path, kept), truth, kind)


def test_golden_cases_of_pycocotools_are_met(tmp_path: Path) -> None:
    for case in json.loads(GOLDEN.read_text()):
        (tmp_path / "instances.json").write_text(json.dumps(case["truth"]))
        truth = Truth(tmp_path / "instances.json")
        found = results(tmp_path, case["results"])
        for kind in KINDS:
            ours = coco_ap.evaluate(found, truth, kind)
            figures = [s.value for s in coco_ap.ap_scores(ours, truth, kind, interval=False)]
            assert figures == [v if v < 0 else 100 * v for v in case[kind]], case["name"]


@pytest.mark.parametrize("kind", KINDS)
def test_figures_without_a_group_of_images_are_pycocotools_of_the_other_images(
    tmp_path: Path, kind: Kind
) -> None:
    generator = np.random.default_rng(5)
    places = [[float(value) for value in generator.integers(0, 40, 2)] for _ in range(50)]
    annotations = [
        annotation(n + 1, n % 25 + 1, [1, 2][n % 2], [*place, 20.0, 20.0], crowd=int(n == 7))
        for n, place in enumerate(places)
    ]
    found = [
        detection(n % 25 + 1, [1, 2][n % 2], [place[0], place[1] + n % 5, 20.0, 20.0], n % 9 / 9)
        for n, place in enumerate(places)
    ]
    truth = world(tmp_path, annotations, 25)
    left_out = coco_ap.left_out_figures(
        coco_ap.evaluate(results(tmp_path, found), truth, kind), truth
    )
    assert left_out is not None
    image_ids = np.arange(1, 26)
    group = np.random.default_rng(0).permutation(25) % 20
    for number in (0, 3, 19):
        kept = set(image_ids[group != number].tolist())
        part = results(tmp_path, [record for record in found if record["image_id"] in kept])
        official = official_coco.official_arrays(part, truth.only(kept), kind).stats
        ours = [left_out[figure.name][number] for figure in coco_ap.FIGURES]
        np.testing.assert_allclose(ours, [100 * value for value in official], rtol=1e-12)


def test_interval_holds_the_value_and_shrinks_with_more_images(tmp_path: Path) -> None:
    widths = []
    for num_images in (40, 640):
        generator = np.random.default_rng(1)
        annotations, records = [], []
        for image in range(1, num_images + 1):
            box = [*generator.uniform(0, 40, 2).tolist(), 20.0, 20.0]
            annotations.append(annotation(image, image, 1, box))
            moved = [box[0] + generator.normal(0, 3), box[1], 20.0, 20.0]
            records.append(detection(image, 1, moved, float(generator.random())))
        truth = world(tmp_path, annotations, num_images)
        evaluated = coco_ap.evaluate(results(tmp_path, records), truth, "box")
        score = coco_ap.ap_scores(evaluated, truth, "box", interval=True)[0]
        assert score.interval is not None
        assert score.interval[0] < score.value < score.interval[1]
        widths.append(score.interval[1] - score.interval[0])
    assert 2 < widths[0] / widths[1] < 8  # four times, by the square root of 16


def test_equal_detections_differ_by_nothing_and_better_ones_by_a_positive_interval(
    tmp_path: Path,
) -> None:
    box = [0.0, 0.0, 20.0, 20.0]
    truth = world(tmp_path, [annotation(n, n, 1, box) for n in range(1, 61)], 60)
    good = coco_ap.evaluate(
        results(tmp_path, [detection(n, 1, box, 0.5) for n in range(1, 61)]), truth, "box"
    )
    half = coco_ap.evaluate(
        results(tmp_path, [detection(n, 1, box, 0.5) for n in range(1, 31)]), truth, "box"
    )
    same = coco_ap.paired_ap(good, good, truth, "box")
    assert (same.value, same.interval) == (0.0, (0.0, 0.0))
    better = coco_ap.paired_ap(good, half, truth, "box")
    assert better.interval is not None
    assert 0 < better.interval[0] < better.value < better.interval[1]
