"""Label maps as people save them score as their plain twin."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from evalsuite.__main__ import main
from evalsuite.metrics.official_miou import official_miou

Maps = dict[str, NDArray[np.uint8]]
Scored = Callable[..., dict[str, float]]
NAMES = "Idx\tRatio\tTrain\tVal\tStuff\tName\n" + "".join(
    f"{label}\t0.25\t1\t1\t0\t{name}\n" for label, name in enumerate(("sky", "sea", "café"), 1)
)


@pytest.fixture
def maps() -> tuple[Maps, Maps]:
    """Return predicted and true maps of two images; the truth has unlabelled pixels."""
    generator = np.random.default_rng(0)
    said = {f"ADE_val_0000000{n}": generator.integers(1, 4, (9, 13)) for n in (1, 2)}
    true = {name: generator.choice([0, 1, 2, 3, 255], (9, 13)) for name in said}
    for name in said:
        said[name][:, :6] = true[name][:, :6] = 2
    return _bytes(said), _bytes(true)


def _bytes(found: dict[str, NDArray[Any]]) -> Maps:
    return {name: labels.astype(np.uint8) for name, labels in found.items()}


@pytest.fixture
def scored(
    tmp_path: Path,
    maps: tuple[Maps, Maps],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Scored:
    """Write the truth and the predictions, and score a folder by the command line."""
    root = tmp_path / "ADEChallengeData2016"
    for name, labels in maps[1].items():
        write(Image.fromarray(labels), root / f"annotations/validation/{name}.png")
        write(Image.new("RGB", (13, 9)), root / f"images/validation/{name}.jpg")
    (root / "objectInfo150.txt").write_text(NAMES, encoding="utf-8")
    for name, labels in maps[0].items():
        write(Image.fromarray(labels), tmp_path / f"p/{name}.png")

    def run(path: Path, status: int = 0) -> Any:
        words = ["score", "segmentation", "--predictions", str(path), "--data", str(tmp_path)]
        monkeypatch.setattr("sys.argv", ["evalsuite", *words, "--no-interval", "--json"])
        with pytest.raises(SystemExit) as ending:
            main()
        printed = capsys.readouterr()
        assert (ending.value.code or 0) == status
        if status:
            return printed.err
        sys.stderr.write(printed.err)  # for the tests of remarks
        return {one["name"]: one["value"] for one in json.loads(printed.out)["scores"]}

    return run


def write(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def official(maps: tuple[Maps, Maps]) -> dict[str, Any]:
    """Return what mmsegmentation says, which rounds to two decimals."""
    pytest.importorskip("mmseg", reason="mmsegmentation is the oracle")
    pairs = [(maps[0][name], maps[1][name]) for name in maps[1]]
    return {one.name: pytest.approx(one.value, abs=0.0051) for one in official_miou(pairs, 3)}


@pytest.mark.parametrize("side", ["p", "ADEChallengeData2016/annotations/validation"])
@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2"])
def test_label_maps_of_wider_pixels_hold_the_same_labels(
    scored: Scored, maps: tuple[Maps, Maps], tmp_path: Path, kind: str, side: str
) -> None:
    for name, labels in maps[0 if side == "p" else 1].items():
        write(Image.fromarray(labels.astype(kind)), tmp_path / side / f"{name}.png")
    assert scored(tmp_path / "p") == official(maps)


@pytest.mark.parametrize("nothing", [0, 255])
def test_no_label_under_an_unlabelled_pixel_counts_as_in_mmseg(
    scored: Scored, maps: tuple[Maps, Maps], tmp_path: Path, nothing: int
) -> None:
    for name, labels in maps[0].items():
        labels[(maps[1][name] == 0) | (maps[1][name] == 255)] = nothing
        write(Image.fromarray(labels), tmp_path / f"p/{name}.png")
    assert scored(tmp_path / "p") == official(maps)


def test_no_label_over_a_labelled_pixel_is_asked_about(
    scored: Scored, maps: tuple[Maps, Maps], tmp_path: Path
) -> None:
    for name, labels in maps[0].items():
        write(Image.fromarray(labels - np.uint8(1)), tmp_path / f"p/{name}.png")
    line = str(scored(tmp_path / "p", 2))
    assert "predicted label 0 in" in line and line.count("\n") == 1
    assert "expected a class, 1 to 3; labels count from 1; are yours from 0?" in line


def test_hidden_companions_and_other_files_are_left_aside(
    scored: Scored, maps: tuple[Maps, Maps], tmp_path: Path
) -> None:
    root = tmp_path / "ADEChallengeData2016"
    for folder in (tmp_path / "p", root / "annotations/validation", root / "images/validation"):
        for path in list(folder.iterdir()):
            (folder / f"._{path.name}").write_bytes(b"\0\5\x16\7")
        (folder / ".DS_Store").write_bytes(b"\0")
    (tmp_path / "p/notes.txt").write_text("mine")
    assert scored(tmp_path / "p") == official(maps)


@pytest.mark.parametrize("content", [None, NAMES.encode("latin-1"), b"no table", b""])
def test_missing_class_names_take_no_score_away(
    scored: Scored,
    maps: tuple[Maps, Maps],
    tmp_path: Path,
    content: bytes | None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "ADEChallengeData2016/objectInfo150.txt"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert scored(tmp_path / "p") == official(maps)
    assert re.search(
        "objectInfo150.txt.*the classes are numbered 1 to 150", capsys.readouterr().err
    )


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_class_names_of_any_unicode_encoding_are_read(
    scored: Scored, maps: tuple[Maps, Maps], tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "ADEChallengeData2016/objectInfo150.txt"
    path.write_text(NAMES, encoding=encoding)
    assert scored(tmp_path / "p") == official(maps)


def test_a_truth_from_zero_is_asked_about_and_not_shifted(
    scored: Scored, maps: tuple[Maps, Maps], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, labels in maps[1].items():
        maps[1][name] = np.where(labels == 255, labels, labels % 3).astype(np.uint8)
        path = tmp_path / f"ADEChallengeData2016/annotations/validation/{name}.png"
        write(Image.fromarray(maps[1][name]), path)
    assert scored(tmp_path / "p") == official(maps)
    assert re.search("labels 0 to 2, none of class 3, café.*yours from 0", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("content", "kind"), [(b"\x93NUMPY", "NumPy array"), (b"\x80\x04", "pickle"), (b"x", "a file")]
)
def test_a_file_in_place_of_a_folder_is_named(
    scored: Scored, tmp_path: Path, content: bytes, kind: str
) -> None:
    (tmp_path / "out").write_bytes(content)
    line = str(scored(tmp_path / "out", 2))
    assert kind in line and "expected a folder of label PNGs" in line
