"""The table of what pretraining buys: cells run once, honest intervals, a page that is kept."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tinyworld import TASKS_OF, main
from tinyworld_cells import Finished, arm_of, cells_of, distinct_texts, locked, read_log
from tinyworld_numbers import Summary, standing, summary_of, table_of
from tinyworld_page import KEPT, wins
from tinyworld_rows import ALL_TASKS, GOALS, MORE_ROWS, ROWS, SCRATCH, SCRATCH_LR, USUAL_TASKS

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.backbones.loading import official_state
from evalsuite.catalog import benchmark_named, task_named, task_names
from evalsuite.heads.matching import RetrievalHead
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Random weights of both kinds, as pretraining leaves them."""
    folder = tmp_path_factory.mktemp("weights")
    backbone = official_state(beit3("beit3_tiny", final_norm=True, seed=3), None)
    codes = {"mim_head.weight": torch.zeros(8, 96)}
    heads = {"masked": codes, "masked + itc": RetrievalHead(96, seed=3).state_dict()}
    files = {name: folder / f"{name}.safetensors" for name in heads}
    for name, head in heads.items():
        save_checkpoint(files[name], backbone | head, {})
    return files


@pytest.fixture(scope="module")
def words(weights: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The arguments of a table of three tasks on the mini world."""
    folder = tmp_path_factory.mktemp("table")
    tasks = "retrieval_coco,zero_shot,imagenet"
    words = ["--world", "mini", "--data", str(folder / "world"), "--out", str(folder / "out")]
    words += ["--page", str(folder / "tinyworld.md"), "--tasks", tasks, "--seeds", "0,1"]
    words += ["--budget", "0.5"]
    words += ["--record", str(folder / "from_scratch.json")]
    for setting in (
        "retrieval_coco:batch_size=16",
        "imagenet:epochs=1",
        "imagenet:warmup_epochs=0",
    ):
        words += ["--set", setting]
    return words + [f"--arm={name}={path}" for name, path in weights.items()]


@pytest.fixture(scope="module")
def page(words: list[str]) -> Path:
    assert main(words) == 0
    return Path(words[words.index("--page") + 1])


def test_every_cell_is_run_once_and_stands_in_the_table(words: list[str], page: Path) -> None:
    log = page.parent / "out/log.jsonl"
    finished = read_log(log)
    # Two fine-tuned tasks x three arms x two seeds, and one zero-shot evaluation.
    assert len(finished) == 13
    assert len({one.run for one in finished}) == 13
    contrastive = [one for one in finished if one.task == "zero_shot"]
    assert [one.arm for one in contrastive] == ["masked + itc"]
    assert contrastive[0].samples == 0
    assert all(one.samples > 0 for one in finished if one.task == "retrieval_coco")
    command = finished[0].environment["command"]
    assert command.startswith("evalsuite eval retrieval_coco --weights")
    assert command.endswith("--seed 0 --new-head")
    text = page.read_text()
    assert "| COCO zero-shot | mean of both R@1 | 11.1 | - |" in text
    assert "| **rows above scratch** |" in text
    assert "settings epochs=0.2 warmup_epochs=0.025 batch_size=16" in text
    assert "<svg" in page.with_suffix(".svg").read_text()
    before = log.read_bytes()
    assert main(words) == 0
    assert log.read_bytes() == before


def test_what_is_written_by_hand_is_kept(words: list[str], page: Path) -> None:
    page.write_text(page.read_text() + "Shape words were never learnt.\n")
    assert main([*words, "--page-only"]) == 0
    assert page.read_text().endswith(f"{KEPT}\nShape words were never learnt.\n")


def test_tuning_tries_the_grid_and_shares_the_tables_runs(words: list[str], page: Path) -> None:
    tuning = [*words, "--tune", "--tasks", "imagenet"]
    assert main(tuning) == 0
    finished = [one for one in read_log(page.parent / "out/log.jsonl") if one.tuning]
    rates = [float(one.settings[-1].removeprefix("lr=")) for one in finished]
    assert rates == [5e-4, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2]
    row = next(line for line in page.read_text().splitlines() if line.startswith("| imagenet |"))
    assert row.count("-") == 0
    runs = list((page.parent / "out").glob("imagenet-*"))
    assert len(runs) == 6 + 5  # the table's own rate was there already


def cell(
    arm: str, value: float, seed: int = 0, sha: str | None = None, task: str = "vqa"
) -> Finished:
    names = {row.score: row for row in ROWS if row.task == task}
    score = {"value": value, "unit": "percent", "n": 100, "direction": "higher"}
    scores = {name: {**score, "name": name, "interval": [value - 1, value + 1]} for name in names}
    return Finished(
        arm=arm, weights=sha, file="f", task=task, seed=seed, settings=[], tuning=False,
        scores=scores, baselines={}, run="r", seconds=60, samples=10, world={},
    )  # fmt: skip


def test_the_interval_holds_the_sampling_error_and_that_of_the_seeds() -> None:
    # Student's t at 97.5% with two degrees of freedom is 4.303 (any printed table).
    scores = [
        Score(name="x", value=v, unit="percent", n=9, interval=(v - 3, v + 3)) for v in (1, 2, 3)
    ]
    seeds = 4.303 / 3**0.5
    found = summary_of([replace(one, interval=None) for one in scores], 100)
    assert found.high - found.mean == pytest.approx(seeds, abs=1e-3)
    found = summary_of(scores, 100)
    assert found.high - found.mean == pytest.approx((9 + seeds**2) ** 0.5, abs=1e-3)
    assert found.low == 0  # no score is less
    alone = summary_of(scores[1:2], 100)
    assert (alone.low, alone.high) == (0, 5)


def test_arms_are_told_apart_only_by_intervals_that_do_not_meet() -> None:
    low, middle, high = Summary(1, 0, 2, (1,)), Summary(2, 2, 3, (2,)), Summary(5, 4, 6, (5,))
    assert standing(high, middle) == "above"
    assert standing(middle, high) == "below"
    assert standing(middle, low) == "overlap"


def test_only_cells_of_the_weights_used_last_count() -> None:
    log = [cell("masked", 10, 0, "old"), cell("masked", 50, 0, "new"), cell("masked", 52, 1, "new")]
    table = table_of(log, ["masked"])
    found = table.summary(ROWS[0], "masked")
    assert found is not None
    assert list(found.values) == [50.0, 52.0]
    # One row of ten is above: the others have no cell.
    log += [cell(SCRATCH, 40, seed) for seed in (0, 1)]
    assert wins(table_of(log, []), "masked") == 0  # two seeds that differ by 2 say little
    log += [cell("masked", 50, 1, "new")]
    assert wins(table_of(log, []), "masked") == 1


def test_a_cell_is_one_processes_own(tmp_path: Path) -> None:
    with locked(tmp_path / "cell") as mine, locked(tmp_path / "cell") as theirs:
        assert (mine, theirs) == (True, False)


def test_images_with_the_same_things_count_once(tmp_path: Path) -> None:
    # Images 3600 and 6309 of the small world show one big red ring at the top right, 3642 another.
    texts = {3600: "A red ring.", 3642: "A green square.", 6309: "A red hoop."}
    images = [
        {"filepath": "val2014", "filename": f"COCO_val2014_{number:012d}.jpg", "split": "test",
         "cocoid": number, "sentences": [{"raw": text, "sentid": 10 * number}]}
        for number, text in texts.items()
    ]  # fmt: skip
    (tmp_path / "karpathy").mkdir()
    (tmp_path / "karpathy/dataset_coco.json").write_text(json.dumps({"images": images}))
    (tmp_path / "tinyworld.json").write_text(json.dumps({"seed": 0, "size": "small"}))
    kept = distinct_texts(benchmark_named("retrieval_coco"), tmp_path, "test")
    assert kept == {36000, 36420}


def test_rows_goals_and_rates_name_what_there_is() -> None:
    names = {row.name for row in (*ROWS, *MORE_ROWS)}
    assert len(ROWS) == 10
    assert {name for wanted, _ in GOALS.values() for name in wanted} <= names
    tasks = {TASKS_OF.get(task, task) for task in ALL_TASKS}
    assert set(SCRATCH_LR) == tasks <= set(task_names())
    arms = [arm_of(SCRATCH, SCRATCH)]
    cells = cells_of(arms, USUAL_TASKS, (0, 1, 2), {})
    assert len(cells) == 7 * 3
    for one in cells:
        task_named(one.task).recipe("beit3_tiny").with_settings(one.settings)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--tasks", "vqqa"], "no task 'vqqa'"),
        (["--arms", "masked,none"], "no arm 'none'"),
        (["--arm", "masked"], "expected --arm NAME=FILE"),
        (["--arm", "masked=gone.safetensors"], "gone.safetensors: no such file"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path), "--page", str(tmp_path / "p.md"), *more]) == 2
    assert said in capsys.readouterr().err


def test_a_broken_log_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=r"log\.jsonl line 1: no finished cell"):
        read_log(tmp_path / "log.jsonl")
