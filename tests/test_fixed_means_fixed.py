"""What a person has fixed or added counts in the next call, on the weights that are there."""

import shutil
from pathlib import Path

import pytest
from test_bad_input import Refused
from test_bad_input import refused as refused

from evalsuite.evaluating import evaluate
from evalsuite.records.run import Run
from evalsuite.setting_up import Request
from evalsuite.tinyworld.write import write_world


@pytest.fixture
def world(tmp_path: Path) -> Path:
    write_world(tmp_path / "world", size="mini", benchmarks=("imagenet",))
    return tmp_path / "world"


def request_of(world: Path, skip_bad: int = 0) -> Request:
    return Request(
        task="imagenet",
        data=world,
        runs=world.parent / "runs",
        device="cpu",
        settings=("epochs=1",),
        skip_bad=skip_bad,
    )


def test_an_image_that_was_fixed_is_predicted_by_the_next_call(world: Path) -> None:
    path = sorted((world / "imagenet/val").glob("*/*"))[0]
    good = path.read_bytes()
    path.write_bytes(good[:40])
    first = evaluate(request_of(world, skip_bad=1))
    assert first is not None and len(first.failures) == 1
    path.write_bytes(good)
    second = evaluate(request_of(world, skip_bad=1))
    assert second is not None and not second.failures
    assert second.scores[0].n == first.scores[0].n + 1


def test_an_image_that_was_added_goes_on_from_the_weights(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = evaluate(request_of(world))
    path = sorted((world / "imagenet/val").glob("*/*"))[0]
    shutil.copy(path, path.with_name("added.JPEG"))
    second = evaluate(request_of(world))
    assert first is not None and second is not None
    assert second.scores[0].n == first.scores[0].n + 1
    assert "predicting it anew with the same weights" in capsys.readouterr().err
    folders = list((world.parent / "runs").iterdir())
    assert len(folders) == 1
    assert "finetune" in Run.open(folders[0]).facts["phases"]
    assert (folders[0] / "predictions/val.earlier-1").is_dir()


@pytest.mark.parametrize(("name", "value"), [("WORLD_SIZE", "4"), ("LOCAL_RANK", "0")])
def test_a_launchers_variable_that_is_left_over_is_named(
    refused: Refused, world: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv(name, value)
    line = refused("eval", "imagenet", "--data", world)
    assert f"the environment holds {name} = {value}" in line
    assert "precision" not in line
