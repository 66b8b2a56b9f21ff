"""A machine as it is: read-only folders, files in the way, values that nothing can have."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_bad_input import Refused
from test_bad_input import refused as refused

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
