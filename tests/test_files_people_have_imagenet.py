"""ImageNet results as people save them score as their plain twin."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite.__main__ import main

NAMES = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 13)]
LABELS = [number % 6 for number in range(12)]
Scored = Callable[..., dict[str, float]]


@pytest.fixture
def scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Scored:
    """Score a result file of twelve images of six classes by the command line."""
    for name, label in zip(NAMES, LABELS, strict=True):
        path = tmp_path / f"imagenet/val/n0000000{label}/{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)

    def run(path: Path, data: Path = tmp_path) -> dict[str, float]:
        words = ["score", "imagenet", "--predictions", str(path), "--data", str(data)]
        monkeypatch.setattr("sys.argv", ["evalsuite", *words, "--no-interval", "--json"])
        with pytest.raises(SystemExit) as ending:
            main()
        assert not ending.value.code
        printed = capsys.readouterr()
        sys.stderr.write(printed.err)  # for the tests of remarks
        scores = json.loads(printed.out)["scores"]
        return {one["name"]: one["value"] for one in scores}

    return run


@pytest.mark.parametrize("kind", ["<f2", ">f2", ">f4", ">f8", "f8", "longdouble"])
def test_logits_of_any_float_type_are_scored(scored: Scored, tmp_path: Path, kind: str) -> None:
    logits = np.random.default_rng(0).integers(-20, 20, (12, 6)) + np.arange(6) / 8
    right = 100 * float((logits.argmax(1) == LABELS).mean())
    np.savez(tmp_path / "p.npz", names=NAMES, logits=logits.astype(kind))
    assert scored(tmp_path / "p.npz")["top_1"] == pytest.approx(right)


@pytest.mark.parametrize("form", ["{}.jpg", "{}.JPEG", "C:\\val\\{}.jpeg", "val/{}.png", "{}"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_names_are_read_as_people_write_them(
    scored: Scored, tmp_path: Path, form: str, encoding: str
) -> None:
    rows = [
        [form.format(name), *((label + step) % 6 for step in range(5))]
        for name, label in zip(NAMES, LABELS, strict=True)
    ]
    text = "".join(",".join(map(str, row)) + "\n" for row in rows)
    (tmp_path / "p.csv").write_text(text, encoding=encoding)
    assert scored(tmp_path / "p.csv")["top_1"] == 100.0


@pytest.fixture
def numbered(tmp_path: Path) -> Callable[[int], dict[str, int]]:
    """Make twelve classes in folders that are named by numbers; return each image's folder."""

    def make(first: int) -> dict[str, int]:
        for folder in range(first, first + 12):
            path = tmp_path / f"own/imagenet/val/{folder}/image_{folder}.jpg"
            path.parent.mkdir(parents=True)
            Image.new("RGB", (2, 2)).save(path)
        return {f"image_{folder}": folder for folder in range(first, first + 12)}

    return make


def top_1(run: Scored, folder: Path, rows: dict[str, list[int]]) -> float:
    """Return the score of rows of classes, the same as .json and .csv."""
    (folder / "own.json").write_text(json.dumps(rows))
    lines = [",".join([name, *map(str, row)]) for name, row in rows.items()]
    (folder / "own.csv").write_text("\n".join(lines))
    values = {run(folder / name, folder / "own")["top_1"] for name in ("own.json", "own.csv")}
    return values.pop() if len(values) == 1 else -1.0


@pytest.mark.parametrize(("first", "shift"), [(0, 0), (1, 0), (1, -1), (5, 0)])
def test_numbers_are_those_of_folders_named_by_number(
    scored: Scored,
    numbered: Callable[[int], dict[str, int]],
    tmp_path: Path,
    first: int,
    shift: int,
) -> None:
    rows = {
        name: [(folder - first + step) % 12 + first + shift for step in range(5)]
        for name, folder in numbered(first).items()
    }
    assert top_1(scored, tmp_path, rows) == 100.0


def test_numbers_that_may_be_folders_or_places_are_refused(
    numbered: Callable[[int], dict[str, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = list(numbered(1))
    (tmp_path / "p.json").write_text(json.dumps({name: [1, 2, 3, 4, 5] for name in names}))
    np.savez(tmp_path / "p.npz", names=names, logits=np.eye(12, dtype=np.float32))
    for file, said in (
        ("p.json", "class 1: the folder of that name, or"),
        ("p.npz", "timm numbers"),
    ):
        words = ["score", "imagenet", "--predictions", str(tmp_path / file)]
        monkeypatch.setattr("sys.argv", ["evalsuite", *words, "--data", str(tmp_path / "own")])
        with pytest.raises(SystemExit) as ending:
            main()
        line = capsys.readouterr().err
        assert (ending.value.code, line.count("\n")) == (2, 1)
        assert said in line


@pytest.mark.parametrize("content", [b"[[1],", b"{}", b'[["cat"]]', "[[é]]".encode("latin-1")])
def test_real_labels_that_cannot_be_read_take_no_score_away(
    scored: Scored, tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "imagenet/real.json").write_bytes(content)
    rows = {n: [(label + s) % 6 for s in range(5)] for n, label in zip(NAMES, LABELS, strict=True)}
    (tmp_path / "p.json").write_text(json.dumps(rows))
    assert scored(tmp_path / "p.json") == {"top_1": 100.0, "top_5": 100.0}
    assert re.search(r"real\.json.*no ReaL accuracy", capsys.readouterr().err)


def test_real_labels_of_a_thousand_classes_are_not_counted_over_six(
    scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "imagenet/real.json").write_text(json.dumps([[0]] * 50_000))
    rows = {n: [(label + s) % 6 for s in range(5)] for n, label in zip(NAMES, LABELS, strict=True)}
    (tmp_path / "p.json").write_text(json.dumps(rows))
    scores = scored(tmp_path / "p.json")
    assert re.search("n00000000 is none of their wnids .6 such.: no ReaL", capsys.readouterr().err)
    assert scores == {"top_1": 100.0, "top_5": 100.0}


@pytest.mark.parametrize("header", ["filename,a,b,c,d,e", "Image,1,2,3,4,5"])
def test_a_header_line_is_no_image(scored: Scored, tmp_path: Path, header: str) -> None:
    rows = [
        [n, *((label + s) % 6 for s in range(5))] for n, label in zip(NAMES, LABELS, strict=True)
    ]
    text = "\n".join([header, *(",".join(map(str, row)) for row in rows)])
    (tmp_path / "p.csv").write_text(text)
    assert scored(tmp_path / "p.csv")["top_1"] == 100.0


def test_every_kind_of_image_counts_and_others_are_named(
    scored: Scored, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, names = tmp_path / "imagenet/val/n00000000", ["b.bmp", "t.tif", "T2.TIFF", "w.webp"]
    for name in names:
        Image.new("RGB", (2, 2)).save(folder / name)
    for name in ("._b.bmp", ".DS_Store", "x.heic", "y.txt"):
        (folder / name).write_bytes(b"x")
    rows = {n: [(label + s) % 6 for s in range(5)] for n, label in zip(NAMES, LABELS, strict=True)}
    (tmp_path / "p.json").write_text(json.dumps(rows | {name: [0, 1, 2, 3, 4] for name in names}))
    assert scored(tmp_path / "p.json")["top_1"] == 100.0
    assert re.search(r"x\.heic: 2 file\(s\) that are no images", capsys.readouterr().err)
