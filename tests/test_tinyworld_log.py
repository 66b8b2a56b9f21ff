"""Cells of the tiny world's table that are not of one kind are told apart, and said to be."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tinyworld import main
from tinyworld_cells import Finished, append_log
from tinyworld_numbers import table_of
from tinyworld_page import usual_arm, write_page
from tinyworld_rows import ROWS, SCRATCH

from evalsuite.catalog import task_named

SMALL, MINI = ({"seed": 0, "size": size} for size in ("small", "mini"))
RECIPE = task_named("vqa").recipe("beit3_tiny").to_json()


def cell(seed: int, value: float = 50.0, **changes: Any) -> Finished:
    score = {"name": "vqa_accuracy", "value": value, "unit": "percent", "n": 9, "interval": None}
    facts = {
        "arm": SCRATCH, "weights": None, "file": SCRATCH, "task": "vqa", "seed": seed,
        "settings": ["lr=0.001"], "tuning": False, "scores": {"vqa_accuracy": score},
        "baselines": {}, "run": "r", "seconds": 60.0, "samples": 640.0, "world": SMALL,
        "recipe": RECIPE,
    }  # fmt: skip
    return Finished(**{**facts, **changes})


def page_of(folder: Path, *log: Finished) -> str:
    page = folder / "page.md"
    write_page(log, [SCRATCH], page)
    return page.read_text()


def test_cells_of_another_world_are_not_averaged_with_the_last() -> None:
    log = [cell(0, 90, world=MINI), cell(1, 90, world=MINI), cell(0, 40), cell(2, 42)]
    found = table_of(log, []).summary(ROWS[0], SCRATCH)
    assert found is not None
    assert found.values == (40.0, 42.0)


def test_a_cell_of_another_world_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[dict[str, Any]] = []

    def run_cell(asked: Any, data: Path, out: Path) -> Finished:
        ran.append(asked)
        return cell(asked.seed, settings=list(asked.settings), world=MINI)

    monkeypatch.setattr("tinyworld.run_cell", run_cell)
    own = ["lr=0.0005", "lr=0.001", "lr=0.002", "lr=0.004", "lr=0.008"]
    for settings in own:
        (tmp_path / "out").mkdir(exist_ok=True)
        append_log(tmp_path / "out/log.jsonl", cell(0, settings=[settings]))
    words = ["--world", "mini", "--data", tmp_path / "world", "--out", tmp_path / "out"]
    words += ["--page", tmp_path / "page.md", "--record", tmp_path / "record.json"]
    words += ["--tasks", "vqa", "--arms", SCRATCH, "--seeds", "0"]
    for _ in range(2):
        assert main([str(word) for word in words]) == 0
    assert len(ran) == 1


def test_a_setting_of_an_unknown_task_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(tmp_path), "--page", str(tmp_path / "p.md"), "--tasks", "vqa"]
    assert main([*words, "--set", "vqqa:epochs=1"]) == 2
    assert "no task 'vqqa'" in capsys.readouterr().err


def test_the_page_says_where_recipes_differ(tmp_path: Path) -> None:
    alike = [cell(0), cell(1, recipe={**RECIPE, "lr": 9.0}), cell(2, recipe={})]
    assert "not all by the same recipe" not in page_of(tmp_path, *alike)
    other = cell(1, recipe={**RECIPE, "epochs": 9.0})
    assert "- vqa: 640 training samples, 1.0 minutes a run, **not all by the same recipe**" in (
        page_of(tmp_path, cell(0), other)
    )


def test_a_resumed_run_does_not_shrink_the_budget(tmp_path: Path) -> None:
    assert "- vqa: 640 training samples" in page_of(tmp_path, cell(0, samples=64.0), cell(1))


def test_a_rate_that_is_not_the_best_of_those_tried_is_marked(tmp_path: Path) -> None:
    tried = [
        cell(0, value, settings=[f"lr={rate}"], tuning=True)
        for rate, value in (("0.001", 60.0), ("0.002", 70.0))
    ]
    assert "(not the best of those tried)" in page_of(tmp_path, *tried)


def test_the_usual_arm_is_what_a_recipe_starts_from(monkeypatch: pytest.MonkeyPatch) -> None:
    recipes = task_named("vqa").recipes
    for weights, arm in ((None, SCRATCH), ("beit3_tiny_patch8_32.safetensors", "masked")):
        usual = replace(recipes["beit3_tiny"], weights=weights)
        monkeypatch.setitem(recipes, "beit3_tiny", usual)
        assert usual_arm(ROWS[0]) == arm
