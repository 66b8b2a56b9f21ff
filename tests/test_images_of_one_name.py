"""Own image folders whose files are numbered inside each class: ids are paths below the split."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from own_data import photo
from test_bad_input import Refused
from test_bad_input import refused as refused
from test_checked_before_training import Run
from test_checked_before_training import run as run

CLASSES = ("bus", "cat", "dog", "hen", "owl", "pig")
Scored = Callable[[Path], dict[str, float]]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Draw six classes with images 000.jpg and 001.jpg in each."""
    for split in ("train", "val"):
        for place, name in enumerate(CLASSES):
            folder = tmp_path / "own/imagenet" / split / name
            folder.mkdir(parents=True)
            for number in range(2):
                photo(10 * place + number).save(folder / f"00{number}.jpg")
    return tmp_path / "own"


@pytest.fixture
def scored(run: Run, own: Path) -> Scored:
    def scored(file: Path) -> dict[str, float]:
        words = ("--predictions", file, "--data", own, "--no-interval", "--json")
        status, out, err = run("score", "imagenet", *words)
        assert status == 0, err
        return {one["name"]: one["value"] for one in json.loads(out)["scores"]}

    return scored


def right(form: str = "{}/{}.jpg") -> dict[str, list[str]]:
    """Return the right class first for every image but one."""
    best = {
        form.format(name, number): [name, *(one for one in CLASSES if one != name)][:5]
        for name in CLASSES
        for number in ("000", "001")
    }
    best[form.format("owl", "001")] = list(CLASSES[:5])
    return best


def test_they_are_trained_on_and_scored(run: Run, own: Path, tmp_path: Path) -> None:
    assert run("doctor", "imagenet", "--data", own)[0] == 0
    words = ("imagenet", "--data", own, "--runs", tmp_path / "runs", "--device", "cpu")
    status, out, err = run("eval", *words, "--set", "epochs=1", "--json")
    assert status == 0, err
    assert json.loads(out)["scores"][0]["n"] == 12
    (folder,) = (tmp_path / "runs").iterdir()
    lines = (folder / "predictions/val/rank-0.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["id"] == "bus/000"
    assert '"owl/001"' in (folder / "report.html").read_text()
    scored = json.loads(run("score", folder, "--json")[1])
    assert scored["scores"] == json.loads(out)["scores"]


FORMS = ("{}/{}.jpg", "{}/{}", "{}\\{}.JPEG", "/home/me/val/{}/{}.png", "imagenet/val/{}/{}.jpg")


@pytest.mark.parametrize("form", FORMS)
def test_result_files_name_them_by_path(scored: Scored, tmp_path: Path, form: str) -> None:
    (tmp_path / "p.json").write_text(json.dumps(right(form)))
    with (tmp_path / "p.csv").open("w", newline="") as file:
        csv.writer(file).writerows([name, *best] for name, best in right(form).items())
    for name in ("p.json", "p.csv"):
        assert scored(tmp_path / name)["top_1"] == pytest.approx(100 * 11 / 12)


def test_logits_name_them_by_path(scored: Scored, run: Run, own: Path, tmp_path: Path) -> None:
    names = list(right())[::-1]
    logits = np.array([[float(one in name) for one in CLASSES] for name in names], np.float32)
    logits[0] = np.arange(6) == 0  # the last owl
    np.savez(tmp_path / "p.npz", names=names, logits=logits)
    assert scored(tmp_path / "p.npz")["top_1"] == pytest.approx(100 * 11 / 12)
    words = ("--predictions", tmp_path / "p.npz", "--data", own, "--official")
    assert run("score", "imagenet", *words)[1].count("91.67") == 2


def test_a_name_without_its_folder_is_told_apart_or_refused(
    scored: Scored, refused: Refused, own: Path, tmp_path: Path
) -> None:
    photo().save(own / "imagenet/val/pig/one.jpg")
    best = {**right(), "one.jpg": ["pig", *CLASSES[:4]]}
    (tmp_path / "p.json").write_text(json.dumps(best))
    assert scored(tmp_path / "p.json")["top_1"] == pytest.approx(100 * 12 / 13)
    best["000.jpg"] = best.pop("dog/000.jpg")
    (tmp_path / "p.json").write_text(json.dumps(best))
    line = refused("score", "imagenet", "--predictions", tmp_path / "p.json", "--data", own)
    assert "p.json: image 000.jpg may be bus/000 or cat/000: write the full path" in line


def test_an_image_that_is_named_in_two_ways_comes_again(
    refused: Refused, own: Path, tmp_path: Path
) -> None:
    (tmp_path / "p.json").write_text(json.dumps({**right(), "val/cat/000": list(CLASSES[:5])}))
    line = refused("score", "imagenet", "--predictions", tmp_path / "p.json", "--data", own)
    assert "p.json: image cat/000 appears more than once; 1 such" in line


def test_images_that_differ_in_their_suffix_alone_are_named_with_it(
    scored: Scored, refused: Refused, own: Path, tmp_path: Path
) -> None:
    photo().save(own / "imagenet/val/pig/000.png")
    best = {**right(), "pig/000.png": ["pig", *CLASSES[:4]]}
    (tmp_path / "p.json").write_text(json.dumps(best))
    assert scored(tmp_path / "p.json")["top_1"] == pytest.approx(100 * 12 / 13)
    best["pig/000"] = best.pop("pig/000.jpg")
    (tmp_path / "p.json").write_text(json.dumps(best))
    line = refused("score", "imagenet", "--predictions", tmp_path / "p.json", "--data", own)
    assert "image pig/000 may be pig/000.jpg or pig/000.png: write the full path" in line
