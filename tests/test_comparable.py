"""No made-up model and no other data, settings or file stand as a published number's equal."""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from evalsuite.__main__ import main
from evalsuite.backbones.weights import shipped_files
from evalsuite.contracts.benchmark import Ids, OfficialFile, Split
from evalsuite.report.official_data import official_check
from evalsuite.tinyworld.write import write_world

ITC = "beit3_tiny_itc_patch8_32.safetensors"
Evaluated = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Draw a world that does not say that it is drawn."""
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("retrieval_coco",))
    (folder / "tinyworld.json").unlink()
    return folder


@pytest.fixture
def evaluated(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, world: Path
) -> Evaluated:
    """Evaluate the tiny model under the name of a released file; return the report."""

    def run(name: str, *words: object) -> dict[str, Any]:
        file = tmp_path / name
        file.write_bytes(shipped_files()[ITC].read_bytes())
        asked = (*words, "--weights", file, "--backbone", "beit3_tiny", "--runs", tmp_path / "runs")
        command = ["evalsuite", "eval", *asked, "--data", world, "--json"]
        monkeypatch.setattr(sys, "argv", [str(word) for word in command])
        with pytest.raises(SystemExit) as ending:
            main()
        out = capsys.readouterr()
        assert not ending.value.code, out.err
        report: dict[str, Any] = json.loads(out.out)
        return report

    return run


def official(tmp_path: Path, content: bytes, digest_of: bytes) -> dict[str, Any]:
    """Check a split of two samples whose file has a known digest."""
    (tmp_path / "val.json").write_bytes(content)
    file = OfficialFile(
        path="val.json", what="labels", source="", sha256=hashlib.sha256(digest_of).hexdigest()
    )
    split = Split(num_samples=2, files=(file,), ids=Ids(r"\d+", "0"))
    return official_check(split, [1, 2], tmp_path)


def test_labels_that_somebody_changed_are_seen_by_the_digest_of_their_file(tmp_path: Path) -> None:
    found = official(tmp_path, b'[{"id": 1}, {"id": 9}]', b'[{"id": 1}, {"id": 2}]')
    assert found["unlike"].startswith("val.json is not the official file, whose sha256 is ")
    same = official(tmp_path, b'[{"id": 1}, {"id": 2}]', b'[{"id": 1}, {"id": 2}]')
    assert same["unlike"] is None
    assert same["checked"].endswith(", val.json by its sha256")


def test_ids_of_another_form_are_not_official_whatever_their_number(tmp_path: Path) -> None:
    split = Split(num_samples=2, files=(), ids=Ids(r"ADE_val_\d{8}", "ADE_val_00000001"))
    assert (
        official_check(split, ["ADE_val_00000001", "ADE_val_00000002"], tmp_path)["unlike"] is None
    )
    mine = official_check(split, ["ADE_val_00000001", "mine"], tmp_path)
    assert mine["unlike"] == "the id 'mine' is not official, such as ADE_val_00000001"


def test_a_released_name_on_another_model_brings_no_verdict(evaluated: Evaluated) -> None:
    name = "beit3_base_patch16_384_coco_retrieval.pth"
    report = evaluated(name, "retrieval_coco", "--zero-shot")
    digest = hashlib.sha256(shipped_files()[ITC].read_bytes()).hexdigest()
    assert report["weights"]["sha256"] == digest
    assert f"sha256 {digest[:12]}" in report["verdict"]["compared"]
    assert report["verdict"]["status"] == "not comparable"
    assert f"parameters, {name} has 222M" in report["verdict"]["reason"]


def test_settings_of_answering_that_are_not_the_recipes_bring_no_verdict(
    evaluated: Evaluated,
) -> None:
    name = "beit3_base_patch16_384_coco_retrieval.pth"
    words = ("retrieval_coco", "--zero-shot", "--limit", 8, "--set", "max_text_tokens=8")
    report = evaluated(name, *words)
    assert report["changed"] == {"max_text_tokens": [32, 8]}
    reason = report["verdict"]["reason"]
    assert "answered with max_text_tokens=8, the published recipe has 32" in reason
    assert "only the first 8 samples were measured (--limit)" in reason


def test_settings_of_training_that_are_not_the_recipes_bring_no_verdict(
    evaluated: Evaluated,
) -> None:
    changed = ("--set", "epochs=1", "--set", "activation_checkpointing=true")
    report = evaluated("mine.safetensors", "retrieval_coco", "--new-head", *changed)
    assert set(report["changed"]) == {"epochs"}
    assert "trained with epochs=1.0, the published recipe has 0.4" in report["verdict"]["reason"]
    assert "settings epochs=1.0 (recipe: 0.4)" in report["verdict"]["compared"]
