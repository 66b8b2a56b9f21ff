"""A person's mistake gets one line that names the file and what to do, and exit status 2."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from evalsuite.__main__ import main
from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.loading import official_state
from evalsuite.catalog import benchmark_named, task_named
from evalsuite.heads.pooled import AnswerHead
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request, check_capabilities

Refused = Callable[..., str]


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Refused:
    """Run a command line that must end with status 2 and return its last line of errors."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["evalsuite", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as ending:
            main()
        printed = capsys.readouterr().err
        assert ending.value.code == 2
        assert "Traceback" not in printed
        return printed.strip().splitlines()[-1]

    return run


@pytest.fixture
def world(tmp_path: Path) -> Path:
    folder = tmp_path / "world"
    write_world(folder, size="mini", benchmarks=("vqa",))
    return folder


def test_an_unknown_task_is_named_with_the_nearest_one(refused: Refused) -> None:
    assert "no task 'vqq'" in (line := refused("eval", "vqq"))
    assert "did you mean vqa?" in line


def test_an_unknown_setting_lists_the_known_ones(refused: Refused, world: Path) -> None:
    line = refused("eval", "vqa", "--data", world, "--set", "learning_rate=1")
    assert "--set learning_rate=1: expected key=value with key one of source, " in line


def test_missing_data_is_named(refused: Refused, tmp_path: Path) -> None:
    line = refused("eval", "vqa", "--data", tmp_path, "--runs", tmp_path / "runs")
    assert "v2_mscoco_train2014_annotations.json" in line


def test_a_missing_data_folder_is_named(refused: Refused, tmp_path: Path) -> None:
    assert f"{tmp_path / 'no'}: no such folder" in refused("eval", "vqa", "--data", tmp_path / "no")


def test_truncated_annotations_are_named(refused: Refused, world: Path, tmp_path: Path) -> None:
    path = world / "vqav2" / "v2_mscoco_train2014_annotations.json"
    path.write_bytes(path.read_bytes()[:-100])
    line = refused("eval", "vqa", "--data", world, "--runs", tmp_path / "runs")
    assert str(path) in line


def broken_image(world: Path, folder: str) -> Path:
    path = sorted((world / "coco" / folder).glob("*.jpg"))[0]
    path.write_bytes(path.read_bytes()[:200])
    return path


def test_an_undecodable_image_is_named(refused: Refused, world: Path, tmp_path: Path) -> None:
    path = broken_image(world, "val2014")
    words = ("--set", "epochs=1", "--set", "min_answer_count=2", "--runs", tmp_path / "runs")
    line = refused("eval", "vqa", "--data", world, *words)
    assert str(path) in line
    assert "allow some with --skip-bad N" in line


def test_skipped_images_are_counted_in_the_report(world: Path, tmp_path: Path) -> None:
    path = broken_image(world, "val2014")
    settings = ("epochs=1", "min_answer_count=2")
    request = Request(
        task="vqa", data=world, runs=tmp_path / "runs", settings=settings, skip_bad=50
    )
    report = evaluate(request).report
    assert report is not None
    assert report.failures
    assert all(str(path) in reason for reason in report.failures.values())
    assert report.scores[0].n == report.data["num_samples"] - len(report.failures)
    assert "could not be read" in report.verdict["reason"]


def saved(path: Path, num_answers: int) -> Path:
    backbone = beit3("beit3_tiny", final_norm=False)
    state = official_state(backbone, AnswerHead(backbone.width, num_answers))
    torch.save({"model": state}, path)
    return path


def test_a_head_of_another_class_count_is_refused(
    refused: Refused, world: Path, tmp_path: Path
) -> None:
    weights = saved(tmp_path / "other.pth", 3)
    words = ("--weights", weights, "--set", "min_answer_count=2", "--runs", tmp_path / "runs")
    line = refused("eval", "vqa", "--data", world, *words)
    assert str(weights) in line
    assert "has 3 rows" in line


def test_a_pickle_that_wants_to_run_code_is_refused(
    refused: Refused, world: Path, tmp_path: Path
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w')",))

    weights = tmp_path / "evil.pth"
    torch.save({"model": Evil()}, weights)
    line = refused("eval", "vqa", "--data", world, "--weights", weights)
    assert "refused, it asks to run exec when opened" in line
    assert not (tmp_path / "ran").exists()


def test_predictions_for_other_questions_are_refused(
    refused: Refused, world: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results.json"
    results.write_text(json.dumps([{"question_id": 1, "answer": "yes"}]))
    line = refused("score", "vqa", "--predictions", results, "--data", world)
    assert "no prediction for question 9000 (76 of 76 missing)" in line


def test_a_folder_that_is_no_run_is_refused(refused: Refused, tmp_path: Path) -> None:
    assert "holds no run.json" in refused("score", tmp_path)


def test_an_unknown_option_is_refused_by_name(refused: Refused) -> None:
    assert "--wieghts" in refused("eval", "vqa", "--wieghts", "x")


def test_a_backbone_that_cannot_is_refused_with_those_that_can() -> None:
    offered = {"vit": ("image",), "clip": ("image", "text"), "beit3_base": ("fused", "causal_text")}
    captioning = benchmark_named("captioning")
    with pytest.raises(UserError, match="can do causal_text; vit can do image; choose beit3_base"):
        check_capabilities(captioning, "vit", offered)
    check_capabilities(benchmark_named("retrieval_coco"), "clip", offered)


@pytest.mark.parametrize("option", ["--linear-probe", "--save-maps"])
def test_a_switch_of_another_task_is_refused_by_its_setting(
    refused: Refused, world: Path, tmp_path: Path, option: str
) -> None:
    line = refused("eval", "vqa", "--data", world, "--runs", tmp_path, option)
    assert f"--set {option[2:].replace('-', '_')}=true: expected key=value with key one of" in line


def test_the_switches_are_settings_of_their_tasks() -> None:
    probe = task_named("imagenet").recipe("beit3_tiny").with_settings(("linear_probe=true",))
    maps = task_named("segmentation").recipe("beit3_tiny").with_settings(("save_maps=true",))
    assert probe.linear_probe and maps.save_maps
