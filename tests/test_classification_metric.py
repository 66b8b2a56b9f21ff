import json
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given, settings

from evalsuite.kinds.classification.results import (
    Labels,
    Logits,
    answers_of,
    read_classification,
    write_classification,
)
from evalsuite.metrics.classification import (
    answers_of_logits,
    classification_scores,
    paired_top_1,
)
from evalsuite.records.errors import UserError
from evalsuite.records.score import named

timm_metrics = pytest.importorskip("timm.utils.metrics", reason="timm is the oracle of top-1")
timm_real = pytest.importorskip("timm.data.real_labels", reason="timm is the oracle of ReaL")
GOLDEN = Path(__file__).parent / "golden" / "classification.json"


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), num_classes=st.integers(5, 40), half=st.booleans())
def test_top_1_and_top_5_are_those_of_timm(seed: int, num_classes: int, half: bool) -> None:
    generator = np.random.default_rng(seed)
    # A permutation in each row: no ties, which topk leaves open.
    logits = generator.permuted(np.tile(np.arange(num_classes) - 20.0, (64, 1)), axis=1)
    logits = logits.astype(np.float16 if half else np.float32).astype(np.float32)
    labels = generator.integers(0, num_classes, 64)
    official = timm_metrics.accuracy(torch.from_numpy(logits), torch.from_numpy(labels), (1, 5))
    ours = classification_scores(answers_of_logits(logits, labels), None, interval=False)
    assert [score.value for score in ours] == [float(value) for value in official]


def test_trap_g_real_is_timms_and_images_without_labels_leave_the_count(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    logits = generator.standard_normal((200, 30)).astype(np.float32)
    real = [generator.choice(30, generator.integers(0, 9), replace=False).tolist() for _ in logits]
    (tmp_path / "real.json").write_text(json.dumps(real))
    names = [f"ILSVRC2012_val_{number + 1:08d}.JPEG" for number in range(200)]
    official = timm_real.RealLabelsImagenet(names, real_json=str(tmp_path / "real.json"))
    official.add_result(torch.from_numpy(logits))
    labels = generator.integers(0, 30, 200)
    scores = classification_scores(answers_of_logits(logits, labels), real, interval=False)
    assert named(scores, "real").value == official.get_accuracy(1)
    assert named(scores, "real").n == sum(map(bool, real)) < 200


def test_trap_g_equal_logits_stand_in_the_order_of_classes() -> None:
    logits = np.zeros((7, 7), dtype=np.float32)
    answers = answers_of_logits(logits, np.arange(7))
    assert answers.ranks.tolist() == [0, 1, 2, 3, 4, 5, 5]
    assert answers.best.tolist() == [0] * 7


def test_golden_cases_of_timm_are_met() -> None:
    for case in json.loads(GOLDEN.read_text()):
        logits = np.array(case["logits"], dtype=np.float32)
        answers = answers_of_logits(logits, np.array(case["labels"]))
        scores = classification_scores(answers, case["real"], interval=False)
        assert {score.name: score.value for score in scores} == pytest.approx(case["scores"])


WNIDS = ["n01", "n02", "n03", "n04", "n05", "n06"]


def truth() -> Labels:
    return Labels(["val_2", "val_1"], np.array([5, 0]), WNIDS, [[5, 1], []])


def test_logits_and_best_classes_in_any_order_give_the_same_scores(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    logits = generator.standard_normal((2, 6)).astype(np.float32)
    best = {
        name: [WNIDS[place] for place in np.argsort(-row)[:5]]
        for name, row in zip(("val_1.JPEG", "val_2.JPEG"), logits, strict=True)
    }
    np.savez(tmp_path / "logits.npz", names=np.array(list(best)), logits=logits)
    (tmp_path / "best.json").write_text(json.dumps(best))
    (tmp_path / "best.csv").write_text(
        "".join(",".join([name, *best[name]]) + "\n" for name in best)
    )
    write_classification(read_classification(tmp_path / "best.csv"), tmp_path / "again.json")
    answers = [
        answers_of(read_classification(tmp_path / name), truth())
        for name in ("logits.npz", "best.json", "best.csv", "again.json")
    ]
    assert len({(tuple(one.ranks), tuple(one.best)) for one in answers}) == 1
    assert answers[0].best.tolist() == [int(logits[1].argmax()), int(logits[0].argmax())]


FIVE = ["n01", "n02", "n03", "n04", "n05"]
BAD_LISTS: list[tuple[str, str]] = [
    (json.dumps({"val_1": FIVE}), "image val_2 is missing; 1 such"),
    (json.dumps({"val_1": FIVE, "val_2": FIVE, "val_3": FIVE}), "image val_3 is not in the split"),
    (json.dumps({"val_1": FIVE, "val_2": [*FIVE[:4], "n99"]}), r"val_2 has .*n99.*1 such image"),
    (json.dumps({"val_1": FIVE, "val_2": FIVE[:4]}), "expected 5 different classes"),
    (json.dumps({"val_1": FIVE, "val_2": [1, 1, 2, 3, 4]}), "expected 5 different classes"),
    (
        '{"val_1": [1, 2, 3, 4, 5], "val_1.JPEG": [1, 2, 3, 4, 5]}',
        "val_1 appears more than once; 1 such",
    ),
    (
        '{"val_1": [1, 2, 3, 4, 5], "val_1": [1, 2, 3, 4, 5]}',
        "the key val_1 appears more than once",
    ),
    ('{"val_1": [1, 2', "the file is cut short; expected best classes by image name"),
    ('{"val_1": 3}', "image val_2 is missing"),
    ('{"val_1": 3.5, "val_2": 1}', "val_1 has 3.5, a number as a class; expected its name"),
]


@pytest.mark.parametrize(("content", "message"), BAD_LISTS)
def test_bad_lists_are_named_with_their_number(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "best.json").write_text(content)
    with pytest.raises(UserError, match=message):
        answers_of(read_classification(tmp_path / "best.json"), truth())


BAD_LOGITS: list[tuple[dict[str, Any], str]] = [
    ({"logits": np.array([[0.0] * 6, [np.nan] * 6])}, "a logit of val_2 is not finite; 1 such"),
    ({"logits": np.zeros((2, 7))}, "logits of 7 classes; expected 6"),
    ({"logits": np.zeros((2, 6), np.int64)}, "expected one row of floating-point"),
    ({"names": np.array(["val_1", "val_1"])}, "val_1 appears more than once; 1 such"),
]


@pytest.mark.parametrize(("changes", "message"), BAD_LOGITS)
def test_bad_logits_are_named_with_their_number(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    arrays = {"names": np.array(["val_1", "val_2"]), "logits": np.zeros((2, 6)), **changes}
    np.savez(tmp_path / "logits.npz", **arrays)
    with pytest.raises(UserError, match=message):
        answers_of(read_classification(tmp_path / "logits.npz"), truth())


def test_a_torn_archive_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "logits.npz", names=np.array(["val_1"]), logits=np.zeros((1, 6)))
    whole = (tmp_path / "logits.npz").read_bytes()
    (tmp_path / "logits.npz").write_bytes(whole[:-30])
    with pytest.raises(UserError, match=r"logits\.npz: not a"):
        read_classification(tmp_path / "logits.npz")


def test_intervals_hold_the_value_and_equal_predictions_differ_by_nothing() -> None:
    generator = np.random.default_rng(0)
    logits = generator.standard_normal((100, 6)).astype(np.float32)
    answers = answers_of_logits(logits, generator.integers(0, 6, 100))
    for score in classification_scores(answers, None, interval=True):
        assert score.interval is not None
        assert score.interval[0] <= score.value <= score.interval[1]
    assert paired_top_1(answers, answers).value == 0.0


def test_a_name_may_have_folder_and_suffix() -> None:
    logits = Logits("made", ["n01/val_1.JPEG", "val_2"], np.eye(2, 6, dtype=np.float32))
    assert answers_of(logits, truth()).best.tolist() == [1, 0]
