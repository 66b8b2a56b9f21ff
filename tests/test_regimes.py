"""Regime and protocol: what a run did is what its report, its table and its verdict say."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import validate
from safetensors.torch import load_file, save_file

from evalsuite.__main__ import main
from evalsuite.backbones.weights import shipped_files
from evalsuite.tinyworld.write import write_world

Printed = Callable[..., str]
ITC = "beit3_tiny_itc_patch8_32.safetensors"
SHORT = ("--set", "epochs=0.05", "--set", "batch_size=16", "--set", "micro_batch=16")
OURS = r"beit3\_tiny (this suite)"
SCHEMA = Path(__file__).parents[1] / "evalsuite/report/schema.json"


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Printed:
    """Run a command line and return what it prints."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["evalsuite", *(str(word) for word in words)])
        with pytest.raises(SystemExit) as ending:
            main()
        out = capsys.readouterr()
        assert not ending.value.code, out.err
        return out.out

    return run


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    tasks = ("retrieval_coco", "retrieval_flickr30k", "imagenet", "nocaps")
    write_world(folder, size="mini", benchmarks=tasks)
    return folder


def only_run(runs: Path) -> Path:
    (path,) = runs.glob("*/run.json")
    return path.parent


def evaluated(printed: Printed, runs: Path, *words: object) -> dict[str, Any]:
    """Evaluate on one process and return the report."""
    report: dict[str, Any] = json.loads(printed("eval", *words, "--runs", runs, "--json"))
    facts = json.loads((only_run(runs) / "run.json").read_text())
    for name in ("regime", "protocol"):
        assert facts[name] == report[name]
    return report


def row_of(text: str) -> str:
    """Return our row of a printed table."""
    return next(line for line in text.splitlines() if OURS in line)


def test_a_zero_shot_run_fills_the_zero_shot_table_and_not_the_fine_tuned_one(
    printed: Printed, world: Path, tmp_path: Path
) -> None:
    words = ("retrieval_flickr30k", "--zero-shot", "--data", world)
    report = evaluated(printed, tmp_path, *words)
    assert (report["regime"], report["protocol"]) == ("zero-shot", "embed")
    assert "regime zero-shot; protocol embed; split test" in report["verdict"]["compared"]
    validate(report, json.loads(SCHEMA.read_text()))
    value = f"{report['scores'][0]['value']:.2f}"
    assert value in row_of(printed("table", "beit3/6", only_run(tmp_path)))
    assert value not in row_of(printed("table", "beit3/5", only_run(tmp_path)))
    scored = json.loads(printed("score", only_run(tmp_path), "--json"))
    assert (scored["regime"], scored["protocol"]) == ("zero-shot", "embed")


def test_contrastive_weights_at_384_pixels_get_no_fine_tuned_verdict(
    printed: Printed, world: Path, tmp_path: Path
) -> None:
    file = tmp_path / "beit3_base_itc_patch16_224.pth"
    file.write_bytes(shipped_files()[ITC].read_bytes())
    words = ("retrieval_flickr30k", "--zero-shot", "--weights", file, "--data", world)
    report = evaluated(printed, tmp_path / "runs", *words, "--set", "image_size=384", "--limit", 20)
    assert report["verdict"]["status"] == "not comparable"
    assert "other regime: measured zero-shot, published fine-tuned" in report["verdict"]["reason"]


def test_a_small_model_under_a_released_name_on_own_data_is_not_comparable(
    printed: Printed, world: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for path in world.iterdir():
        if path.name != "tinyworld.json":
            (own / path.name).symlink_to(path)
    file = tmp_path / "beit3_base_patch16_384_coco_retrieval.pth"
    file.write_bytes(shipped_files()[ITC].read_bytes())
    words = ("retrieval_coco", "--zero-shot", "--weights", file, "--backbone", "beit3_tiny")
    report = evaluated(printed, tmp_path / "runs", *words, "--data", own)
    assert report["regime"] == "fine-tuned"  # as the file's name says
    assert report["verdict"]["status"] == "not comparable"
    assert "where the official split has 25,010" in report["verdict"]["reason"]
    assert "parameters, beit3_base_patch16_384_coco_retrieval.pth has 222M" in str(report)


def test_a_file_of_no_known_name_says_nothing_of_its_regime(
    printed: Printed, world: Path, tmp_path: Path
) -> None:
    file = tmp_path / "mine.safetensors"
    save_file(load_file(shipped_files()[ITC]), file)  # without what the file says of itself
    words = ("retrieval_coco", "--weights", file, "--data", world)
    report = evaluated(printed, tmp_path / "runs", *words)
    assert report["regime"] is None
    assert "regime not known" in report["verdict"]["compared"]


@pytest.mark.parametrize(
    ("task", "words", "regime", "protocol"),
    [
        ("imagenet", ("--linear-probe",), "linear-probe", "classify"),
        ("imagenet", (), "fine-tuned", "classify"),
        ("nocaps", ("--limit", 4, "--set", "max_new=8"), "transfer", "generate"),
    ],
)
def test_what_a_run_did_is_its_regime(
    printed: Printed,
    world: Path,
    tmp_path: Path,
    task: str,
    words: tuple[object, ...],
    regime: str,
    protocol: str,
) -> None:
    report = evaluated(printed, tmp_path, task, *words, "--data", world, *SHORT)
    assert (report["regime"], report["protocol"]) == (regime, protocol)


def test_a_result_file_of_anybody_has_no_regime(
    printed: Printed, world: Path, tmp_path: Path
) -> None:
    images = sorted(path.stem for path in (world / "imagenet/val").glob("*/*"))
    file = tmp_path / "classes.json"
    file.write_text(json.dumps({name: [0, 1, 2, 3, 4] for name in images}))
    words = ("score", "imagenet", "--predictions", file, "--data", world, "--json")
    scored = json.loads(printed(*words))
    assert list(scored) == ["task", "split", "regime", "protocol", "scores"]
    assert scored["regime"] is scored["protocol"] is None


def test_an_older_run_gets_the_regime_that_is_certain(
    printed: Printed, world: Path, tmp_path: Path
) -> None:
    evaluated(printed, tmp_path, "imagenet", "--data", world, *SHORT)
    folder = only_run(tmp_path)
    for name in ("run.json", "report.json"):
        content = json.loads((folder / name).read_text())
        del content["regime"], content["protocol"]
        (folder / name).write_text(json.dumps({**content, "schema_version": 1}))
    assert "not comparable: measured on the drawn tiny world" in printed("table", "beit3/9", folder)
    printed("report", folder)
    report = json.loads((folder / "report.json").read_text())
    assert (report["regime"], report["protocol"]) == ("fine-tuned", "classify")


def test_runs_of_unlike_regimes_are_not_ranked_by_their_difference(
    printed: Printed, world: Path, tmp_path: Path
) -> None:
    runs: list[Path] = []
    for words in (("--zero-shot",), SHORT):
        evaluated(printed, tmp_path / str(len(runs)), "retrieval_coco", *words, "--data", world)
        runs.append(only_run(tmp_path / str(len(runs))))
    said = json.loads(printed("score", *runs, "--paired", "--json"))
    assert said["regime"] is said["paired"]["better"] is None
    assert "differ in regime (A: zero-shot, B: fine-tuned)" in said["paired"]["conclusion"]
