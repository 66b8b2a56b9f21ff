"""A score is held against the published value of its own weights, or against nothing."""

from typing import Any

import pytest

from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.conditions import Conditions
from evalsuite.report.verdict import verdict

VQA_BASE = "beit3_base_patch16_480_vqa.pth"


def score(
    value: float, interval: tuple[float, float] | None = None, name: str = "vqa_accuracy"
) -> Score:
    return Score(name=name, value=value, unit="percent", n=107394, interval=interval)


def vqa(**changed: Any) -> Conditions:
    facts: dict[str, Any] = {
        "task": "vqa",
        "split": "test-dev",
        "backbone": "beit3_base",
        "regime": "fine-tuned",
        "protocol": "classify",
        "weights": VQA_BASE,
        "num_parameters": 228_000_000,
        "head_outputs": 3129,
        "checked": "107,394 samples",
        "resolution": 480,
    }
    return Conditions(**(facts | changed))


def test_a_published_value_inside_the_interval_is_as_published() -> None:
    result = verdict(score(77.45, (77.2, 77.7)), vqa())
    assert result.status == "as published"
    assert result.expected is not None
    assert result.expected.printed == "77.65"  # unilm beit3/README.md
    assert result.expected.source.startswith("code_unilm_beit3")
    assert "77.65" in result.reason


def test_a_score_outside_the_interval_is_below_or_above_and_says_by_how_much() -> None:
    below = verdict(score(73.10, (72.9, 73.3)), vqa())
    assert (below.status, below.reason[:10]) == ("below", "4.55 below")
    above = verdict(score(78.46, (78.2, 78.7)), vqa())
    assert above.status == "above"


@pytest.mark.parametrize(
    ("value", "status"),
    [(77.654, "as published"), (77.646, "as published"), (77.66, "above"), (77.64, "below")],
)
def test_without_an_interval_the_printed_digits_decide(value: float, status: str) -> None:
    assert verdict(score(value), vqa()).status == status


def test_the_interval_may_reach_only_the_rounding_of_the_published_value() -> None:
    assert verdict(score(77.9, (77.654, 78.1)), vqa()).status == "as published"
    assert verdict(score(77.9, (77.656, 78.1)), vqa()).status == "above"


def test_the_released_vqa_checkpoints_have_seen_val() -> None:
    result = verdict(score(84.0), vqa(split="val"))
    assert result.status == "not comparable"
    assert "contaminated" in result.reason
    assert "other split: measured on val, published on test-dev" in result.reason


def test_fine_tuning_a_released_pretrained_file_is_held_against_its_published_result() -> None:
    result = verdict(score(77.65), vqa(weights="beit3_base_patch16_224.pth"))
    assert result.status == "as published"
    result = verdict(score(80.0), vqa(weights="beit3_base_patch16_224.pth", split="val"))
    assert result.status == "not comparable"
    assert "contaminated" not in result.reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"data": "tinyworld"}, "tiny world"),
        ({"limit": 100}, "first 100 samples"),
        ({"skipped": 2}, "2 samples could not be read"),
        ({"resolution": 224}, "measured at 224 pixels, published at 480"),
        ({"regime": "zero-shot"}, "other regime: measured zero-shot, published fine-tuned"),
        ({"regime": None}, "regime of this run is not known"),
        ({"protocol": "generate"}, "other protocol: measured generate, published classify"),
        ({"num_parameters": 1_100_000}, "1.1M parameters, beit3_base_patch16_480_vqa.pth has 228M"),
        ({"num_parameters": None}, "weights of unknown size"),
        ({"head_outputs": 1000}, "a head of 1,000 outputs, that of beit3_base_patch16_480_vqa.pth"),
        ({"is_trained_here": True}, "trained further here, and is no longer that file"),
        ({"changed": {"num_beams": [3, 1]}}, "num_beams=1, the published recipe has 3"),
        ({"changed": {"epochs": [10, 1]}}, "trained with epochs=1, the published recipe has 10"),
        ({"checked": None}, "not known to be the official data: measured before"),
        ({"unlike": "36 samples where the official split has 107,394"}, "36 samples where"),
        ({"is_blind": True}, "greyed out"),
        ({"split": "test-std"}, "measured on test-std, published on test-dev"),
        ({"weights": "", "backbone": "beit3_tiny"}, "beit3_tiny without released weights"),
        ({"weights": "mine.safetensors"}, "no value is published for mine.safetensors"),
        ({"task": "nothing"}, "nothing is published for nothing"),
    ],
)
def test_unlike_runs_are_not_comparable_and_say_why(changed: dict[str, Any], reason: str) -> None:
    result = verdict(score(77.65), vqa(**changed))
    assert result.status == "not comparable"
    assert reason in result.reason


def test_a_score_that_no_model_publishes_is_not_comparable() -> None:
    result = verdict(score(90.0, name="vqa_accuracy/yes/no"), vqa())
    assert result.status == "not comparable"
    assert result.expected is None


def test_checkpoints_that_cannot_be_run_here_are_not_offered() -> None:
    offered = verdict(score(78.0), vqa(weights="mine.pth")).reason
    assert VQA_BASE in offered
    assert "blip" not in offered
    assert "ofa" not in offered
    detection = vqa(task="detection", split="val", weights="mine.pth")
    reason = verdict(score(50.0, name="box_ap"), detection).reason
    assert "nor for any checkpoint that can be run here" in reason


def test_official_names_of_a_split_lead_to_the_same_value() -> None:
    conditions = Conditions(
        task="nlvr2",
        split="test-P",
        backbone="beit3_large",
        regime="fine-tuned",
        protocol="classify",
        num_parameters=681_400_000,
        checked="6,967 samples",
        weights="beit3_large_patch16_224_nlvr2.pth",
        resolution=224,
    )
    assert verdict(score(89.44, name="accuracy"), conditions).status == "as published"  # 89.4


def test_the_larger_of_two_files_of_one_model_has_its_own_value() -> None:
    weights = "beit3_large_indomain_patch16_768_vgqaaug_vqa.pth"
    result = verdict(score(82.97), vqa(weights=weights, resolution=768, num_parameters=684_000_000))
    assert result.status == "as published"


def test_conditions_are_read_from_a_report() -> None:
    weights = {
        "origin": f"https://example.org/beit3/{VQA_BASE}?download=1",
        "sha256": "0",
        "num_parameters": 228_000_000,
        "head_outputs": 3129,
    }
    report = Report(
        task="vqa",
        title="VQAv2",
        split="test-dev",
        backbone="beit3_base",
        weights=weights,
        recipe={"image_size": 480},
        seed=0,
        data={"name": None, "fingerprint": "0", "checked": "107,394 samples"},
        limit=None,
        scores=[],
        regime="fine-tuned",
        protocol="classify",
        failures={"17": "truncated"},
    )
    assert Conditions.of(report) == vqa(skipped=1, sha256="0")


def test_the_expected_value_carries_its_source_into_the_report() -> None:
    expected = verdict(score(77.65), vqa()).expected_json()
    assert expected is not None
    assert expected["printed"] == "77.65"
    assert expected["unit"] == "percent"
    assert expected["source"] == "code_unilm_beit3 beit3/README.md @768a3c87"
