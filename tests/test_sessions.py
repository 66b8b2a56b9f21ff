"""Sessions beside one another, and what an earlier one left in the environment."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from test_bad_input import Refused
from test_bad_input import refused as refused

from evalsuite.records.errors import UserError
from evalsuite.records.lock import folders_freed, lock_folder
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_world(tmp_path / "world", size="mini", benchmarks=("vqa",))
    return tmp_path / "world"


def test_a_run_folder_in_use_is_told_and_free_again_after_the_session(
    refused: Refused, world: Path, tmp_path: Path
) -> None:
    runs, settings = tmp_path / "runs", ("epochs=1", "image_size=32")
    asked = Request(task="vqa", data=world, runs=runs, limit=4, settings=settings)
    first = evaluate(asked).report
    words = ("--limit", 4, "--set", "epochs=1", "--set", "image_size=32")
    with next(runs.glob("*/lock")).open("r") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        line = refused("eval", "vqa", "--data", world, "--runs", runs, *words)
        sessions = json.loads(next(runs.glob("*/run.json")).read_text())["sessions"]
    assert f"in use by process {os.getpid()} on " in line and "torchrun" in line
    assert len(sessions) == 1
    second = evaluate(asked).report
    assert first is not None and second is not None and first.scores == second.scores


LOCKED_WITH_A_READER = """
import os, sys, time
from pathlib import Path
from evalsuite.records.lock import lock_folder
lock_folder(Path(sys.argv[1]))
if os.fork() == 0:
    print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_reader_that_outlives_a_killed_session_keeps_nothing_locked(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOCKED_WITH_A_READER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as session:
        assert session.stdout is not None
        reader = int(session.stdout.readline())
        with pytest.raises(UserError, match=f"in use by process {session.pid} on"):
            lock_folder(tmp_path)
        session.kill()
        session.wait()
        os.kill(reader, 0)  # it is still there
        with folders_freed():
            lock_folder(tmp_path)
        os.kill(reader, signal.SIGKILL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCELERATE_USE_DEEPSPEED", "true"),
        ("ACCELERATE_USE_FSDP", "true"),
        ("ACCELERATE_USE_MEGATRON_LM", "true"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4"),
        ("ACCELERATE_DYNAMO_BACKEND", "inductor"),
        ("LOCAL_RANK", "0"),
        ("PMI_SIZE", "2"),
    ],
)
def test_a_variable_left_over_is_named(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    line = refused("eval", "imagenet", "--runs", tmp_path / "runs")
    assert f"{name} = {value}" in line and f"`unset {name}`" in line and "precision" not in line
    assert not (tmp_path / "runs").exists()


def test_a_tracker_without_a_login_is_told_before_a_folder_is_made(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, world: Path, tmp_path: Path
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    line = refused("eval", "vqa", "--data", world, "--runs", tmp_path / "r", "--track", "wandb")
    assert "--track wandb: " in line and "`wandb login`" in line
    assert not (tmp_path / "r").exists()


def test_reproduce_on_several_processes_says_what_to_start_instead(
    refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "reproduce runs in one process" in refused("reproduce", "beit3/4")


def test_a_system_without_affinity_runs_all_the_same(world: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\ndel os.sched_getaffinity\n")
    few = ("--limit", "8", "--set", "epochs=1", "--set", "batch_size=8")
    done = subprocess.run(
        [sys.executable, "-m", "evalsuite", "finetune", "vqa", "--data", world, *few],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_pretraining_is_not_called_fine_tuning(tmp_path: Path) -> None:
    write_world(tmp_path / "world", size="mini", benchmarks=("retrieval_coco",))
    few = ("--limit", "8", "--set", "epochs=1", "--set", "batch_size=8")
    done = subprocess.run(
        [sys.executable, "-m", "evalsuite", "pretrain", "--stage", "itc", "--data", "world", *few],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "pretraining 1/1" in done.stderr and "fine-tuning" not in done.stderr
