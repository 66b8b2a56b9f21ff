"""What scoring would trip over is told before fine-tuning, by `doctor` and by `eval` alike."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_data import (
    ADE,
    coco_path,
    draw_classes,
    draw_label_maps,
    draw_objects,
    label_map,
    orientation,
    photo,
)
from PIL import Image

from evalsuite.__main__ import main

Draw = Callable[[Path], None]
Ran = tuple[int, str, str]
Run = Callable[..., Ran]
QUICK = ("--device", "cpu", "--set", "epochs=0.01", "--set", "batch_size=2")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line; return its exit status, its output and its lines of errors."""

    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["evalsuite", *(str(word) for word in words)])
        status: object = 0
        try:
            main()
        except SystemExit as ending:
            status = ending.code
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return int(str(status or 0)), printed.out, printed.err

    return run


def image_put(name: str, image: Image.Image, **saving: object) -> Draw:
    def draw(data: Path) -> None:
        draw_classes(data)
        image.save(data / "imagenet/val/a" / name, **saving)  # type: ignore[arg-type]

    return draw


def class_removed(split: str) -> Draw:
    def draw(data: Path) -> None:
        draw_classes(data)
        for path in (data / "imagenet" / split / "c").iterdir():
            path.unlink()
        (data / "imagenet" / split / "c").rmdir()

    return draw


def boxes_alone(value: object) -> Draw:
    def draw(data: Path) -> None:
        draw_objects(data, segmentation=value)

    return draw


def turned_photo(data: Path) -> None:
    draw_objects(data)
    upright = photo().transpose(Image.Transpose.ROTATE_90)
    upright.save(data / "coco/val2017/val2017_1.jpg", exif=orientation(6))


def category_changed(split: str, name: str) -> Draw:
    def draw(data: Path) -> None:
        draw_objects(data)
        path = coco_path(data, split)
        path.write_text(path.read_text().replace('"nut"', f'"{name}"'))

    return draw


def maps(labels: Callable[[], Image.Image]) -> Draw:
    return lambda data: draw_label_maps(data, labels)


def deep() -> Image.Image:
    return Image.fromarray(np.linspace(0, 65535, 1200).reshape(30, 40).astype(np.uint16))


FAULTS: dict[str, tuple[str, Draw, str]] = {
    "deep grey": ("imagenet", image_put("x.png", deep()), "grey of more than 8 bits"),
    "val lacks a class": ("imagenet", class_removed("val"), "has no folder of the class c"),
    "train lacks a class": ("imagenet", class_removed("train"), "train: has no folder of the"),
    "no outlines": ("detection", boxes_alone([]), "score detection --predictions"),
    "no outline keys": ("detection", boxes_alone(...), "score detection --predictions"),
    "null outlines": ("detection", boxes_alone(None), "score detection --predictions"),
    "turned photo": ("detection", turned_photo, "orientation tag 6; rotate its pixels"),
    "other name": ("detection", category_changed("val2017", "gear"), "lacks category 2 ('gear')"),
    "colours": ("segmentation", maps(photo), "mode RGB"),
    "sizes": ("segmentation", maps(lambda: label_map(1, 2, size=(24, 16))), "24 x 16 labels"),
    "above": ("segmentation", maps(lambda: label_map(40, 80)), "give the classes the labels 1, 2"),
    "no class": ("segmentation", maps(lambda: label_map(0, 255)), "hold only 0 and 255, no class"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_doctor_names_every_fault_of_the_split(fault: str, run: Run, tmp_path: Path) -> None:
    task, draw, expected = FAULTS[fault]
    draw(tmp_path / "own")
    status, out, _ = run("doctor", task, "--data", tmp_path / "own")
    assert status == 2
    assert any("problem" in line and expected in line for line in out.splitlines())


@pytest.mark.parametrize("fault", ["val lacks a class", "no outlines", "turned photo", "above"])
def test_eval_names_it_before_it_trains(fault: str, run: Run, tmp_path: Path) -> None:
    task, draw, expected = FAULTS[fault]
    draw(tmp_path / "own")
    runs = tmp_path / "runs"
    status, _, err = run("eval", task, "--data", tmp_path / "own", "--runs", runs, *QUICK)
    assert status == 2 and expected in err.splitlines()[-1]
    assert not list(runs.rglob("train.jsonl"))


def test_a_split_without_fault_is_ok_though_another_is_missing(run: Run, tmp_path: Path) -> None:
    draw_objects(tmp_path)
    assert run("doctor", "detection", "--data", tmp_path)[0] == 2
    status, out, _ = run("doctor", "detection", "--data", tmp_path, "--split", "val")
    assert status == 0
    assert "train" not in out


def test_an_unknown_split_is_named(run: Run, tmp_path: Path) -> None:
    status, _, err = run("doctor", "imagenet", "--data", tmp_path, "--split", "test")
    assert (status, err) == (2, "evalsuite: imagenet has no split 'test'; there are train, val\n")


def test_labels_from_zero_are_asked_about(run: Run, tmp_path: Path) -> None:
    draw_label_maps(tmp_path, lambda: label_map(0, 1, 2, 3))
    _, out, _ = run("doctor", "segmentation", "--data", tmp_path, "--split", "val")
    assert "labels count from 1; are yours from 0?" in out


def test_a_score_over_labels_from_zero_asks_once(run: Run, tmp_path: Path) -> None:
    draw_label_maps(tmp_path, lambda: label_map(0, 1, 2, 3))
    runs = tmp_path / "runs"
    status, _, err = run("eval", "segmentation", "--data", tmp_path, "--runs", runs, *QUICK)
    assert (status, err.count("0 is taken as unlabelled")) == (0, 1), err


def test_labels_from_one_are_not(run: Run, tmp_path: Path) -> None:
    draw_label_maps(tmp_path, lambda: label_map(0, 1, 2, 3, 4))
    _, out, _ = run("doctor", "segmentation", "--data", tmp_path, "--split", "val")
    assert "from 0" not in out


def test_files_left_out_are_counted_and_named(run: Run, tmp_path: Path) -> None:
    image_put("x.gif", photo())(tmp_path)
    (tmp_path / "imagenet/val/b/.hidden.gif").touch()
    _, out, _ = run("doctor", "imagenet", "--data", tmp_path, "--split", "val")
    assert "1 file(s) (.gif) are left out, such as imagenet/val/a/x.gif" in out


def test_what_loaders_leave_aside_is_counted(run: Run, tmp_path: Path) -> None:
    image_put("x.jpg", photo(), exif=orientation(6))(tmp_path)
    _, out, _ = run("doctor", "imagenet", "--data", tmp_path, "--split", "val")
    assert "1 of 13 images are stored rotated, with an orientation tag" in out


def test_doctor_opens_the_label_maps_of_training_too(run: Run, tmp_path: Path) -> None:
    draw_label_maps(tmp_path, lambda: label_map(1, 2, 3, 4))
    label_map(9).save(tmp_path / ADE / "annotations/training/training1.png")
    status, out, _ = run("doctor", "segmentation", "--data", tmp_path)
    assert status == 2
    assert "training1.png: label 9 in" in out


def test_skip_bad_lets_as_many_pass(run: Run, tmp_path: Path) -> None:
    image_put("x.png", deep())(tmp_path)
    words = ("eval", "imagenet", "--data", tmp_path, "--runs", tmp_path / "runs", *QUICK)
    assert "1 unreadable, 0 allowed" in run(*words)[2]
    status, out, _ = run(*words, "--skip-bad", 1, "--json")
    assert status == 0
    assert json.loads(out)["scores"][0]["n"] == 12


def test_a_limit_leaves_later_faults_alone(run: Run, tmp_path: Path) -> None:
    draw_classes(tmp_path)
    (tmp_path / "imagenet/val/f/f_val_1.jpg").write_bytes(b"")
    words = ("--data", tmp_path, "--runs", tmp_path / "runs", *QUICK)
    assert run("eval", "imagenet", *words, "--limit", 6)[0] == 0


def test_a_checked_split_is_not_checked_again(run: Run, tmp_path: Path) -> None:
    draw_classes(tmp_path)
    for path in (tmp_path / "imagenet/train").rglob("*.jpg"):
        path.write_bytes(b"")
    words = ("eval", "imagenet", "--data", tmp_path, "--runs", tmp_path / "runs", *QUICK)
    first, again = run(*words), run(*words)
    assert (first[0], again[0]) == (2, 2)
    assert "checking val 12/12" in first[2]
    assert "checking val" not in again[2]
