"""What a person has fixed or added counts in the next call, on the weights that are there."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from own_data import ADE, draw_label_maps, label_map
from test_bad_input import Refused
from test_bad_input import refused as refused

from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request


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
    first = evaluate(request_of(world, skip_bad=1)).report
    assert first is not None and len(first.failures) == 1
    path.write_bytes(good)
    second = evaluate(request_of(world, skip_bad=1)).report
    assert second is not None and not second.failures
    assert second.scores[0].n == first.scores[0].n + 1


def test_an_image_that_was_added_goes_on_from_the_weights(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = evaluate(request_of(world)).report
    path = sorted((world / "imagenet/val").glob("*/*"))[0]
    shutil.copy(path, path.with_name("added.JPEG"))
    second = evaluate(request_of(world)).report
    assert first is not None and second is not None
    assert second.scores[0].n == first.scores[0].n + 1
    assert "predicting it anew with the same weights" in capsys.readouterr().err
    folders = list((world.parent / "runs").iterdir())
    assert len(folders) == 1
    assert "finetune" in Run.open(folders[0]).facts["phases"]
    assert (folders[0] / "predictions/val.earlier-1").is_dir()


def journal(world: Path, split: str = "val") -> Path:
    (path,) = (world.parent / "runs").glob(f"*/predictions/{split}/rank-0.jsonl")
    return path


def entries(path: Path) -> dict[Any, Any]:
    """Return the predictions of a journal by id."""
    lines = map(json.loads, path.read_text().splitlines())
    return {line["id"]: line["prediction"] for line in lines}


def replaced_image(world: Path) -> tuple[str, str]:
    """Put another class's image in the place of one, with its dates; return the ids of both."""
    first, *_, last = sorted((world / "imagenet/val").glob("*/*"))
    before = first.stat()
    shutil.copy(last, first)
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))
    return first.stem, last.stem


def test_an_image_that_was_replaced_is_predicted_again(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(request_of(world))
    old = entries(journal(world))
    name, twin = replaced_image(world)
    capsys.readouterr()
    evaluate(request_of(world))
    said = capsys.readouterr().err
    assert f"1 of {len(old)} predictions of val were made from files that have changed" in said
    new = entries(journal(world))
    assert new.pop(name) == new[twin] != old.pop(name)
    assert new == old
    assert list(entries(journal(world, "val.earlier-1"))) == [name]
    evaluate(request_of(world))
    assert "that have changed since" not in capsys.readouterr().err


def test_a_copy_of_the_data_with_other_dates_is_not_predicted_again(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(request_of(world))
    before = journal(world).read_bytes()
    world.rename(world.with_name("moved"))
    shutil.copytree(world.with_name("moved"), world, copy_function=shutil.copyfile)
    capsys.readouterr()
    evaluate(request_of(world))
    assert journal(world).read_bytes() == before
    assert "that have changed since" not in capsys.readouterr().err


def test_a_run_without_marks_of_its_files_goes_on(
    world: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluate(request_of(world))
    lines = [json.loads(line) for line in journal(world).read_text().splitlines()]
    bare = [{key: line[key] for key in line if key != "files"} for line in lines]
    journal(world).write_text("".join(json.dumps(line) + "\n" for line in bare[:-1]))
    replaced_image(world)
    report = evaluate(request_of(world)).report
    assert report is not None and report.scores[0].n == len(lines)
    assert "that have changed since" not in capsys.readouterr().err


def test_a_label_map_that_was_mended_is_counted_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw_label_maps(tmp_path / "own", lambda: label_map(1, 2, 3, 4))
    settings = ("epochs=0.01", "batch_size=2")
    wishes = {"data": tmp_path / "own", "runs": tmp_path / "runs", "device": "cpu"}
    request = Request(task="segmentation", settings=settings, **wishes)  # type: ignore[arg-type]
    evaluate(request)
    first = entries(journal(tmp_path / "own"))["validation0"]
    path = tmp_path / "own" / ADE / "annotations/validation/validation0.png"
    label_map(4, 4).save(path)
    evaluate(request)
    assert "1 of 3 predictions of val were made from" in capsys.readouterr().err
    second = entries(journal(tmp_path / "own"))["validation0"]
    assert {true for true, _, _ in first} == {1, 2, 3, 4}
    assert {true for true, _, _ in second} == {4}


@pytest.mark.parametrize(("name", "value"), [("WORLD_SIZE", "4"), ("LOCAL_RANK", "0")])
def test_a_launchers_variable_that_is_left_over_is_named(
    refused: Refused, world: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    monkeypatch.setenv(name, value)
    line = refused("eval", "imagenet", "--data", world)
    assert f"the environment sets {name} = {value}" in line
    assert "precision" not in line
