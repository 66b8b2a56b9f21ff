"""The whole way of one task, on the mini tiny world: fine-tune, predict, score, report, again."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator

from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.records.journal import read_journals
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate, finetune
from evalsuite.verbs.prepare import Request

SCHEMA = Path(__file__).parents[1] / "evalsuite/report/schema.json"
SETTINGS = ("epochs=2", "batch_size=16", "min_answer_count=2")
KEPT = ("task", "split", "scores", "baselines", "verdict", "failures", "weights", "recipe", "data")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("vqa",))
    return folder


@pytest.fixture(scope="module")
def finished(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    runs = tmp_path_factory.mktemp("runs")
    report = evaluate(Request(task="vqa", data=world, runs=runs, settings=SETTINGS)).report
    assert report is not None
    return Run.open(next(runs.iterdir()))


def kept(report: Report) -> dict[str, object]:
    return {key: report.to_json()[key] for key in KEPT}


def test_the_report_fulfils_its_schema(finished: Run) -> None:
    schema = json.loads(SCHEMA.read_text())
    report = json.loads((finished.folder / "report.json").read_text())
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(report)
    assert report["scores"][0]["name"] == "vqa_accuracy"
    assert {score["name"] for score in report["baselines"]} == {"prior_per_type", "question_only"}


def test_the_same_request_again_gives_the_same_report_at_once(world: Path, finished: Run) -> None:
    before = Report.from_json(json.loads((finished.folder / "report.json").read_text()))
    request = Request(task="vqa", data=world, runs=finished.folder.parent, settings=SETTINGS)
    started = time.perf_counter()
    again = evaluate(request).report
    assert time.perf_counter() - started < 10
    assert again is not None
    assert kept(again) == kept(before)
    assert len(list(finished.folder.parent.iterdir())) == 1


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_batch_size_changes_no_prediction(
    world: Path, finished: Run, tmp_path: Path, size: int
) -> None:
    request = Request(
        task="vqa",
        data=world,
        runs=tmp_path,
        weights=str(finished.weights),
        settings=(*SETTINGS, f"micro_batch={size}"),
    )
    evaluate(request)
    run = Run.open(next(tmp_path.iterdir()))
    assert run.journaled("val") == finished.journaled("val")


def test_two_processes_predict_what_one_does(world: Path, finished: Run, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    command += [f"--master_port={29500 + hash(str(tmp_path)) % 1000}", "-m", "evalsuite"]
    command += ["eval", "vqa", "--data", str(world), "--runs", str(tmp_path), "--device", "cpu"]
    command += ["--weights", str(finished.weights), "--set", "min_answer_count=2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    journals = list((next(tmp_path.iterdir()) / "predictions" / "val").iterdir())
    assert sorted(path.name for path in journals) == ["rank-0.jsonl", "rank-1.jsonl"]
    assert read_journals(journals) == finished.journaled("val")
    scores = json.loads((finished.folder / "report.json").read_text())["scores"]
    assert json.loads(done.stdout)["scores"] == scores


def test_micro_batches_add_up_to_the_same_weights(world: Path, tmp_path: Path) -> None:
    weights = []
    for size in (16, 5):
        settings = ("epochs=1", "batch_size=16", "min_answer_count=2", f"micro_batch={size}")
        run = finetune(Request(task="vqa", data=world, runs=tmp_path, settings=settings))
        weights.append(read_checkpoint(run.weights))
    # Text padding differs between the cuts, and with it the order of additions.
    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=2e-5), name


# Saves at every step and takes its time over every journal entry, so that there is time to kill it.
DRIVER = """
import time
import evalsuite.engine.finetune as f
from evalsuite.records.journal import Journal
add = Journal.add
Journal.add = lambda *words: (add(*words), time.sleep(0.05))
f.SECONDS_BETWEEN_STATES = 0.0
f.STEPS_BETWEEN_LOGS = 1
from evalsuite.__main__ import main
main()
"""


def started(world: Path, runs: Path) -> subprocess.Popen[bytes]:
    settings = [word for setting in SETTINGS for word in ("--set", setting)]
    command = [sys.executable, "-c", DRIVER, "eval", "vqa", "--data", str(world)]
    command += ["--runs", str(runs), "--set", "micro_batch=4", *settings]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def kill_when(process: subprocess.Popen[bytes], happened: Callable[[], bool]) -> None:
    while not happened():
        assert process.poll() is None, "ended before it could be killed"
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()


def saved_steps(runs: Path) -> int:
    return max((int(path.name[5:]) for path in runs.glob("*/checkpoints/step-*")), default=0)


def test_killed_at_any_point_and_repeated_it_gives_the_same_report(
    world: Path, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    reference = started(world, whole)
    moments = (
        lambda: saved_steps(killed) >= 2,
        lambda: saved_steps(killed) >= 5,
        lambda: any(path.stat().st_size > 500 for path in killed.glob("*/predictions/val/*")),
    )
    for moment in moments:
        kill_when(started(world, killed), moment)
    assert started(world, killed).wait() == 0
    assert reference.wait() == 0
    reports = []
    for runs in (whole, killed):
        run = Run.open(next(runs.iterdir()))
        reports.append(kept(Report.from_json(json.loads((run.folder / "report.json").read_text()))))
    assert reports[0] == reports[1]
    assert len(run.facts["sessions"]) == 4


@pytest.mark.slow
def test_two_processes_train_to_the_same_scores_as_one(world: Path, tmp_path: Path) -> None:
    words = ["finetune", "vqa", "--data", str(world), "--device", "cpu"]
    for setting in SETTINGS:
        words += ["--set", setting]
    single = [sys.executable, "-m", "evalsuite"]
    double = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    double += ["--master_port=29477", "-m", "evalsuite"]
    states = []
    for launcher, runs in ((single, tmp_path / "one"), (double, tmp_path / "two")):
        command = [*launcher, *words, "--runs", str(runs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        states.append(read_checkpoint(Run.open(next(runs.iterdir())).weights))
    for name, tensor in states[0].items():
        assert torch.allclose(tensor, states[1][name], atol=1e-4), name
