"""What scratch reaches at equal fine-tuning: recorded, shown beside equal runs only."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from tinyworld_cells import Finished, completed
from tinyworld_record import write_record
from tinyworld_rows import SCRATCH

import evalsuite.report.from_scratch as from_scratch
from evalsuite.catalog import task_named
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.from_scratch import ScratchRecord, parted, recorded, with_from_scratch
from evalsuite.report.markdown import markdown, terminal_table
from evalsuite.report.pages.page import _rivals
from evalsuite.report.pages.parts import score_block

WORLD = {"seed": 0, "size": "small"}
RECIPE = task_named("detection").recipe("beit3_tiny").to_json()
VALUES = {"box_ap": (61.0, 64.5, 70.25), "box_ap50": (88.0, 90.0, 95.5)}


def score(name: str, value: float) -> Score:
    return Score(name=name, value=value, unit="percent", n=400, interval=(value - 1.5, value + 2))


def cell(seed: int, **changes: Any) -> Finished:
    """A finished cell of scratch on detection."""
    scores = {name: score(name, values[seed]).to_json() for name, values in VALUES.items()}
    facts = {
        "arm": SCRATCH, "weights": None, "file": SCRATCH, "task": "detection", "seed": seed,
        "settings": ["lr=0.002"], "tuning": False, "scores": scores, "baselines": {},
        "run": f"run-{seed}", "seconds": 1.0, "samples": 1.0, "world": WORLD, "split": "val",
        "recipe": {**RECIPE, "lr": 0.002}, "fingerprint": "1" * 64,
    }  # fmt: skip
    return Finished(**{**facts, **changes})


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScratchRecord:
    """The record of a hand-made log, in the place of the shipped one."""
    path = tmp_path / "record.json"
    notes = write_record([cell(seed) for seed in (0, 1, 2)], path)
    assert not [note for note in notes if note.startswith("detection")]
    found = tuple(ScratchRecord.from_json(one) for one in json.loads(path.read_text()))
    monkeypatch.setattr(from_scratch, "recorded", lambda: found)
    return found[0]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """The report of a pretrained backbone, fine-tuned by the recipe on the drawn world."""
    world = tmp_path / "world"
    world.mkdir()
    (world / "tinyworld.json").write_text(json.dumps({**WORLD, "parts": {}}))
    data = {"folder": str(world), "name": "tinyworld", "fingerprint": "1" * 64, "num_samples": 400}
    return Report(
        task="detection", title="COCO", split="val", backbone="beit3_tiny", recipe=dict(RECIPE),
        weights={"origin": "a.safetensors", "sha256": "0" * 64, "fine_tuned_here": True},
        seed=0, data=data, limit=None, scores=[score("box_ap", 80.0), score("box_ap50", 97.0)],
        baselines=[score("nothing", 0.0)], verdict={"status": "not comparable", "reason": "drawn"},
    )  # fmt: skip


def test_the_record_holds_mean_and_interval_over_seeds(record: ScratchRecord) -> None:
    assert (record.split, record.seeds, record.world) == ("val", [0, 1, 2], WORLD)
    assert [one.name for one in record.scores] == ["box_ap", "box_ap50"]
    for one in record.scores:
        values = np.array(VALUES[one.name])
        low, high = stats.t.interval(0.95, 2, loc=values.mean(), scale=stats.sem(values))
        assert one.value == pytest.approx(values.mean(), abs=1e-4)
        assert one.interval is not None
        # The single seeds' sampling error, 1.5 below and 2 above, is added to it in quadrature.
        assert one.interval[0] == pytest.approx(
            values.mean() - np.hypot(values.mean() - low, 1.5), abs=1e-4
        )
        above = values.mean() + np.hypot(high - values.mean(), 2)
        assert one.interval[1] == pytest.approx(min(100, above), abs=1e-4)


def test_a_run_equal_but_for_its_weights_shows_what_scratch_reaches(
    record: ScratchRecord, report: Report
) -> None:
    found = with_from_scratch(report)
    rows = {one.name: one.value for one in found.baselines}
    assert rows == {
        "nothing": 0.0,
        "from_scratch/box_ap": pytest.approx(np.mean(VALUES["box_ap"]), abs=1e-4),
        "from_scratch/box_ap50": pytest.approx(np.mean(VALUES["box_ap50"]), abs=1e-4),
    }
    # Its rate is its own, as scratch's is.
    assert with_from_scratch(replace(report, recipe={**RECIPE, "lr": 5e-4})).from_scratch
    assert Report.from_json(json.loads(json.dumps(found.to_json()))).from_scratch == record.said


@pytest.mark.parametrize(
    "changes",
    [
        {"recipe": {**RECIPE, "epochs": 9.0}},
        {"recipe": {**RECIPE, "batch_size": 4}},
        {"recipe": {**RECIPE, "image_size": 32}},
        {"recipe": {**RECIPE, "blind": True}},
        {"limit": 100},
        {"failures": {"1": "cannot be read"}},
        {"backbone": "beit3_base"},
        {"split": "train"},
        {"weights": {"origin": "a", "sha256": "0" * 64, "fine_tuned_here": False}},
    ],
    ids=lambda changes: json.dumps(changes)[:20] + next(iter(changes)),
)
def test_a_run_that_differs_otherwise_does_not(
    record: ScratchRecord, report: Report, changes: dict[str, Any]
) -> None:
    found = with_from_scratch(replace(report, **changes))
    assert found.from_scratch is None
    assert [one.name for one in found.baselines] == ["nothing"]


@pytest.mark.parametrize("world", [{"size": "mini"}, {"seed": 1}, None], ids=str)
def test_nor_does_a_run_on_other_data(
    record: ScratchRecord, report: Report, world: dict[str, Any] | None
) -> None:
    marker = Path(report.data["folder"]) / "tinyworld.json"
    if world is None:
        marker.unlink()
    else:
        marker.write_text(json.dumps({**WORLD, **world}))
    assert with_from_scratch(report) == report


def test_nor_does_a_run_on_files_of_another_version_of_the_world(
    record: ScratchRecord, report: Report
) -> None:
    assert with_from_scratch(report).from_scratch
    drawn_later = replace(report, data={**report.data, "fingerprint": "2" * 64})
    assert with_from_scratch(drawn_later) == drawn_later


def test_a_score_of_other_samples_has_no_row(record: ScratchRecord, report: Report) -> None:
    other = [replace(one, n=399) if one.name == "box_ap" else one for one in report.scores]
    found = with_from_scratch(replace(report, scores=other))
    assert [one.name for one in found.baselines] == ["nothing", "from_scratch/box_ap50"]


def test_reports_tell_what_is_recorded_from_what_does_not_look(
    record: ScratchRecord, report: Report
) -> None:
    found = with_from_scratch(report)
    blind, above = markdown(found).split(record.said)
    assert "| nothing | 0.00" in blind
    assert "from_scratch/" not in blind
    assert "| from_scratch/box_ap50 | 91.17 |" in above
    html = str(score_block(found))
    assert "From scratch, box AP50<small> recorded</small>".lower() in html.lower()
    assert html.count("without looking") == 1
    assert "mean of 3 seeds, their rate tuned for it (lr 0.002, layer decay 0.3)" in html
    assert record.said in str(terminal_table(found).caption)
    # The overview's column is "without looking".
    assert [one.name for one in _rivals(found)] == ["nothing"]
    assert [len(part) for part in parted(found.baselines)] == [1, 2]


def test_cells_that_are_not_alike_are_not_averaged(tmp_path: Path) -> None:
    def said(*cells: Finished) -> str:
        notes = write_record(cells, tmp_path / "record.json")
        assert json.loads((tmp_path / "record.json").read_text()) == []
        return next(note for note in notes if note.startswith("detection"))

    assert "2 seeds of scratch are finished, 3 are needed" in said(cell(0), cell(1))
    older = cell(2, recipe={**RECIPE, "lr": 0.002, "epochs": 9.0})
    assert "different recipes" in said(cell(0), cell(1), older)
    assert "neither the log" in said(*(cell(seed, recipe={}) for seed in (0, 1, 2)))


def test_a_record_that_no_run_can_show_is_named(tmp_path: Path) -> None:
    cells = [cell(seed, recipe={**RECIPE, "epochs": 9.0}) for seed in (0, 1, 2)]
    notes = write_record(cells, tmp_path / "record.json")
    assert "detection: recorded with another recipe than today's: no report shows it" in notes


def test_an_older_log_is_completed_from_the_run_folders(tmp_path: Path, report: Report) -> None:
    known = [score("box_ap", 61.0), score("box_ap50", 88.0)]
    facts = replace(report, scores=known).to_json()
    (tmp_path / "run-0").mkdir()
    (tmp_path / "run-0" / "report.json").write_text(json.dumps(facts))
    old = cell(0, recipe={}, split="", scores={"box_ap": known[0].to_json()})
    found = completed(old, tmp_path)
    assert found.score("box_ap50") == known[1]
    assert (found.split, found.recipe["epochs"]) == ("val", RECIPE["epochs"])
    # Not where the run has since been asked about something else.
    other = replace(old, scores={"box_ap": score("box_ap", 5.0).to_json()})
    assert completed(other, tmp_path) == other
    assert completed(old, tmp_path / "nowhere") == old


def test_the_shipped_record_can_be_read() -> None:
    for one in recorded():
        benchmark = task_named(one.task).benchmark
        assert one.split in benchmark.card.splits
        assert len(one.seeds) >= 3
        assert one.has_recipe(one.recipe)
        for mean in one.scores:
            assert mean.interval is not None
            assert mean.interval[0] <= mean.value <= mean.interval[1]
