"""A machine as it is: read-only folders, files in the way, values that nothing can have."""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from test_bad_input import Refused
from test_bad_input import refused as refused

from evalsuite.records.cache import cache_folder
from evalsuite.tinyworld.write import write_world

IMPOSSIBLE = (
    "lr=-1",
    "epochs=0",
    "drop_path=2",
    "drop_path=-0.1",
    "layer_decay=0",
    "layer_decay=1.5",
    "betas=0.9,1.0",
    "weight_decay=-1",
    "clip_norm=0",
    "ema_decay=1",
    "warmup_epochs=-1",
    "micro_batch=0",
    "image_size=0",
    "max_text_tokens=0",
    "min_answer_count=0",
)


@pytest.mark.parametrize("setting", IMPOSSIBLE)
def test_values_that_no_recipe_can_have_are_refused_before_a_folder_is_made(
    refused: Refused, tmp_path: Path, setting: str
) -> None:
    line = refused("eval", "vqa", "--runs", tmp_path / "runs", "--set", setting)
    assert f"--set {setting.partition('=')[0]}=" in line and "expected " in line
    assert not (tmp_path / "runs").exists()


def test_a_file_in_place_of_the_runs_folder_is_named(refused: Refused, tmp_path: Path) -> None:
    write_world(tmp_path / "world", size="mini", benchmarks=("imagenet",))
    (tmp_path / "runs").write_text("x")
    line = refused("eval", "imagenet", "--data", tmp_path / "world", "--runs", tmp_path / "runs")
    assert str(tmp_path / "runs") in line


def test_a_picture_into_a_file_in_place_of_a_folder_is_named(
    refused: Refused, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("x")
    assert str(tmp_path / "in") in refused("radar", "-o", tmp_path / "in" / "r.svg")


def test_a_machine_without_a_folder_for_compiled_code_runs_all_the_same() -> None:
    # Numba is let look only where notebooks keep theirs: it finds no folder, as where package and
    # home are read-only.
    done = subprocess.run(
        [sys.executable, "-m", "evalsuite", "tasks"],
        env={**os.environ, "NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0 and "imagenet" in done.stdout


def run_alone(*words: object, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command line in a process of its own."""
    command = [sys.executable, "-m", "evalsuite", *map(str, words)]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **more)


def test_a_disk_that_is_full_while_the_tiny_world_is_drawn_is_one_line(tmp_path: Path) -> None:
    # No file may be longer than 20 kB: as on a full disk, writing stops half-way.
    done = run_alone(
        *("tinyworld", tmp_path / "world", "--size", "mini"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    line = done.stderr.splitlines()[-1]
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert line.startswith(f"evalsuite: {tmp_path / 'world'}") and "File too large" in line
    assert not list((tmp_path / "world").rglob(".*.tmp"))


def test_a_full_disk_behind_standard_output_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = run_alone("table", stdout=full)
    assert done.returncode == 2
    assert done.stderr.startswith("evalsuite: No space left on device")
    assert len(done.stderr.splitlines()) == 1


def test_nobody_who_reads_on_is_no_fault() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = run_alone("table", stdout=writing)
    os.close(writing)
    assert done.stderr == ""


@pytest.mark.parametrize(("number", "name"), [(2, "SIGINT"), (15, "SIGTERM")])
def test_a_run_that_is_stopped_says_how_to_go_on(tmp_path: Path, number: int, name: str) -> None:
    command = [sys.executable, "-m", "evalsuite", "tinyworld", str(tmp_path / "world")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        running.stderr.readline()  # it draws
        running.send_signal(number)
        told = running.stderr.read().splitlines()
    assert running.returncode == 128 + number
    assert told[-1].startswith(f"evalsuite: stopped by {name}: ") and "same command" in told[-1]
    assert not [line for line in told if "Traceback" in line]


def test_weights_are_converted_into_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    out = tmp_path / "new/folder/w.safetensors"
    done = run_alone("convert", "beit3_tiny_patch8_32", out, stdout=subprocess.DEVNULL)
    assert done.returncode == 0 and out.is_file()


def test_a_name_that_is_too_long_is_told(refused: Refused, tmp_path: Path) -> None:
    line = refused("tinyworld", tmp_path / ("x" * 300), "--size", "mini")
    assert "File name too long; name a shorter one" in line


def test_a_user_without_a_home_keeps_the_cache_among_temporary_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("EVALSUITE_CACHE")
    monkeypatch.setattr(Path, "home", Path("~nobody-of-this-name").expanduser)  # as without $HOME
    assert cache_folder().parent == Path(tempfile.gettempdir())


def test_weights_of_an_unknown_users_home_are_told_to_be_missing(refused: Refused) -> None:
    assert "~nobody-here/w.pth: no such file" in refused("convert", "~nobody-here/w.pth", "w.pth")
