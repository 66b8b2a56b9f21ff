"""ImageNet results as people save them score as their plain twin."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evalsuite.__main__ import main

NAMES = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 13)]
LABELS = [number % 6 for number in range(12)]
Scored = Callable[[Path], dict[str, float]]


@pytest.fixture
def scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Scored:
    """Score a result file of twelve images of six classes by the command line."""
    for name, label in zip(NAMES, LABELS, strict=True):
        path = tmp_path / f"imagenet/val/n0000000{label}/{name}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2)).save(path)

    def run(path: Path) -> dict[str, float]:
        words = ["score", "imagenet", "--predictions", str(path), "--data", str(tmp_path)]
        monkeypatch.setattr("sys.argv", ["evalsuite", *words, "--no-interval", "--json"])
        with pytest.raises(SystemExit) as ending:
            main()
        assert not ending.value.code
        scores = json.loads(capsys.readouterr().out)["scores"]
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


def test_real_labels_of_a_thousand_classes_are_not_counted_over_six(
    scored: Scored, tmp_path: Path
) -> None:
    (tmp_path / "imagenet/real.json").write_text(json.dumps([[0]] * 50_000))
    rows = {n: [(label + s) % 6 for s in range(5)] for n, label in zip(NAMES, LABELS, strict=True)}
    (tmp_path / "p.json").write_text(json.dumps(rows))
    with pytest.warns(UserWarning, match="numbers 1000 classes, here are 6: no ReaL accuracy"):
        scores = scored(tmp_path / "p.json")
    assert scores == {"top_1": 100.0, "top_5": 100.0}
