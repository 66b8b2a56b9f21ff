import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray
from skimage.metrics import contingency_table

from evalsuite.metrics.miou import (
    Areas,
    areas_of,
    class_iou,
    confusion_counts,
    paired_miou,
    segmentation_scores,
)
from evalsuite.metrics.official_miou import official_miou
from evalsuite.records.errors import UserError
from evalsuite.records.score import named

GOLDEN = Path(__file__).parent / "golden" / "miou.json"
needs_mmseg = pytest.mark.skipif(
    importlib.util.find_spec("mmseg") is None, reason="mmsegmentation, the oracle, is not installed"
)
Map = NDArray[np.uint8]


def maps(seed: int, size: tuple[int, int] = (41, 53), num_classes: int = 6) -> tuple[Map, Map]:
    """Return a predicted and a true map; the truth has 0 and 255, both have runs and noise."""
    generator = np.random.default_rng(seed)
    predicted = generator.integers(1, num_classes + 1, size).astype(np.uint8)
    truth = generator.choice([0, 255, *range(1, num_classes + 1)], size).astype(np.uint8)
    predicted[:, 3:30], truth[:, 3:30] = 2, 2
    return predicted, truth


def areas(pairs: list[tuple[Map, Map]], num_classes: int = 6) -> Areas:
    return areas_of([confusion_counts(*pair, num_classes) for pair in pairs], num_classes)


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**6), height=st.integers(1, 40), width=st.integers(1, 40))
def test_counts_are_those_of_scikit_image(seed: int, height: int, width: int) -> None:
    predicted, truth = maps(seed, (height, width))
    matrix = np.zeros((256, 256), dtype=np.int64)
    for true, guess, pixels in confusion_counts(predicted, truth, 6):
        matrix[true, guess] += pixels
    table = contingency_table(truth, predicted, ignore_labels=[0, 255])  # type: ignore[no-untyped-call]
    expected = table.toarray()
    np.testing.assert_array_equal(matrix[: expected.shape[0], : expected.shape[1]], expected)
    assert matrix.sum() == ((truth != 0) & (truth != 255)).sum() == expected.sum()


@needs_mmseg
@pytest.mark.parametrize("seed", range(5))
def test_scores_are_mmseg_after_its_rounding(seed: int) -> None:
    pairs = [maps(10 * seed + place) for place in range(4)]
    ours = segmentation_scores(areas(pairs), interval=False)
    for score, official in zip(ours, official_miou(pairs, 6), strict=True):
        assert score.name == official.name
        assert float(np.round(score.value, 2)) == pytest.approx(official.value, abs=1e-5)


def test_trap_e1_unlabelled_truth_leaves_the_prediction_too_and_classes_count_from_one() -> None:
    predicted = np.array([[1, 1, 3, 3]], dtype=np.uint8)
    truth = np.array([[1, 0, 255, 3]], dtype=np.uint8)
    assert confusion_counts(predicted, truth, 3).tolist() == [[1, 1, 1], [3, 3, 1]]


def test_trap_e2_predicted_but_absent_is_zero_and_absent_in_both_leaves_the_mean() -> None:
    predicted = np.array([[1, 1, 2, 1]], dtype=np.uint8)
    truth = np.array([[1, 1, 1, 1]], dtype=np.uint8)
    scores = segmentation_scores(areas([(predicted, truth)], 3), interval=False)
    assert named(scores, "miou").value == 37.5  # (3/4 + 0) / 2; the third class is nowhere
    assert named(scores, "macc").value == 75.0  # the second class has no true pixel
    assert [score.name for score in class_iou(areas([(predicted, truth)], 3), list("abc"))] == [
        "iou/a",
        "iou/b",
    ]


def test_trap_e3_counts_stay_exact_above_two_to_the_24() -> None:
    counts = [[1, 1, 2**24 - 1], [1, 2, 2]]
    total = areas_of([counts, counts, counts], 2)
    assert total.labelled.sum() == 3 * (2**24 + 1)
    assert named(segmentation_scores(total, interval=False), "aacc").value == pytest.approx(
        100 * (2**24 - 1) / (2**24 + 1), rel=1e-15
    )


def test_trap_e4_classes_are_averaged_over_the_set_not_over_images() -> None:
    right = np.full((1, 9), 1, dtype=np.uint8)
    wrong = (np.full((1, 1), 2, dtype=np.uint8), np.full((1, 1), 1, dtype=np.uint8))
    scores = segmentation_scores(areas([(right, right), wrong], 2), interval=False)
    assert named(scores, "miou").value == 45.0  # (9/10 + 0/1) / 2, not (1 + 0) / 2


def test_trap_e5_out_of_range_predictions_are_refused_not_dropped() -> None:
    truth = np.full((2, 2), 1, dtype=np.uint8)
    zero = np.array([[1, 0], [0, 1]], dtype=np.uint8)
    with pytest.raises(UserError, match=r"predicted label 0 in 2 pixel"):
        confusion_counts(zero, truth, 3)
    with pytest.raises(UserError, match=r"predicted label 4 in 1 pixel"):
        confusion_counts(np.array([[1, 4], [3, 1]], dtype=np.uint8), truth, 3)
    with pytest.raises(UserError, match=r"true label 4 in 1 pixel"):
        confusion_counts(truth, np.array([[1, 4], [3, 1]], dtype=np.uint8), 3)


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(UserError, match=r"size \(2, 3\), its truth has \(3, 2\)"):
        confusion_counts(np.ones((2, 3), np.uint8), np.ones((3, 2), np.uint8), 3)


def test_golden_cases_of_mmseg_are_met() -> None:
    for case in json.loads(GOLDEN.read_text()):
        pairs = [
            (np.array(predicted, dtype=np.uint8), np.array(truth, dtype=np.uint8))
            for predicted, truth in case["maps"]
        ]
        for score in segmentation_scores(areas(pairs, case["num_classes"]), interval=False):
            assert float(np.round(score.value, 2)) == pytest.approx(case[score.name], abs=1e-5)


def test_interval_holds_the_value_and_pairs_of_equal_predictions_differ_by_nothing() -> None:
    some = areas([maps(seed) for seed in range(12)])
    for score in segmentation_scores(some, interval=True):
        assert score.interval is not None
        assert score.interval[0] < score.value < score.interval[1]
    difference = paired_miou(some, some)
    assert (difference.value, difference.interval) == (0.0, (0.0, 0.0))


@needs_mmseg
def test_the_official_engine_writes_nothing_into_its_installation() -> None:
    code = """
import sys, tempfile
sys.dont_write_bytecode = True
written = []
def note(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        written.append(str(arguments[0]))
sys.addaudithook(note)
import numpy as np
from evalsuite.metrics.official_miou import official_miou
one = np.ones((4, 4), dtype=np.uint8)
official_miou([(one, one)], 3)
allowed = ("/dev/", tempfile.gettempdir())
print([path for path in written if not path.startswith(allowed)])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("counts", [[[0, 1, 5]], [[1, 1]], [[1, 9, 5]], [[1, 1, -5]]])
def test_journal_counts_that_are_none_are_refused(counts: Any) -> None:
    with pytest.raises(UserError, match="image 0"):
        areas_of([counts], 6)
