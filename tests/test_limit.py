"""`--limit` of eval cuts the evaluation, that of finetune and pretrain the training."""

import json
from pathlib import Path
from typing import Any

import pytest
from own_data import draw_classes
from test_checked_before_training import Run
from test_checked_before_training import run as run

WORDS = ("--device", "cpu", "--set", "epochs=1", "--set", "batch_size=2")


@pytest.fixture
def words(tmp_path: Path) -> tuple[object, ...]:
    """Draw twelve images to train on and twelve to evaluate on; return the options."""
    draw_classes(tmp_path / "own")
    return ("imagenet", "--data", tmp_path / "own", "--runs", tmp_path / "runs", *WORDS)


def evaluated(run: Run, *words: object) -> dict[str, Any]:
    status, out, err = run("eval", *words, "--json")
    assert status == 0, err
    report: dict[str, Any] = json.loads(out)
    return report


def test_training_sees_all_samples_of_a_limited_evaluation(
    run: Run, words: tuple[object, ...]
) -> None:
    report = evaluated(run, *words, "--limit", 5)
    assert report["phases"]["finetune"]["samples"] == 12
    assert (report["limit"], report["scores"][0]["n"], report["data"]["num_samples"]) == (5, 5, 5)
    assert report["verdict"]["status"] == "not comparable"
    assert "only the first 5 samples were measured (--limit)" in report["verdict"]["reason"]


def test_the_whole_split_goes_on_from_a_limited_evaluation(
    run: Run, words: tuple[object, ...], tmp_path: Path
) -> None:
    evaluated(run, *words, "--limit", 5)
    status, out, err = run("eval", *words, "--json")
    report = json.loads(out)
    assert status == 0 and "predicting resumes: 5 of 12 samples are journaled" in err
    assert (report["limit"], report["scores"][0]["n"]) == (None, 12)
    assert report["phases"]["finetune"]["samples"] == 12
    assert len(list((tmp_path / "runs").iterdir())) == 1


def test_a_limited_evaluation_reports_the_first_of_more_predictions(
    run: Run, words: tuple[object, ...], tmp_path: Path
) -> None:
    evaluated(run, *words)
    report = evaluated(run, *words, "--limit", 5)
    assert (report["limit"], report["scores"][0]["n"]) == (5, 5)
    (folder,) = (tmp_path / "runs").iterdir()
    scored = json.loads(run("score", folder, "--json")[1])
    assert scored["scores"] == report["scores"]
    assert evaluated(run, *words)["scores"][0]["n"] == 12


def test_a_limit_above_the_split_is_none(run: Run, words: tuple[object, ...]) -> None:
    report = evaluated(run, *words, "--limit", 12)
    assert report["limit"] is None
    assert "(--limit)" not in report["verdict"]["reason"]


def test_finetune_says_that_its_limit_cuts_training(
    run: Run, words: tuple[object, ...], tmp_path: Path
) -> None:
    status, _, err = run("finetune", *words, "--limit", 4)
    assert status == 0
    assert "--limit 4 cuts training: it sees the first 4 samples\n" in err
    assert "cuts training" not in run("eval", *words, "--limit", 4)[2]
    folders = [json.loads(path.read_text()) for path in (tmp_path / "runs").glob("*/run.json")]
    assert sorted(facts["phases"]["finetune"]["samples"] for facts in folders) == [4, 12]
