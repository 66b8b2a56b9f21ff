"""Batch size and number of processes change nothing but what the report counts as near-ties."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.backbones.loading import official_state
from evalsuite.catalog import benchmark_named
from evalsuite.data.index import open_index
from evalsuite.kinds.deciding import decided
from evalsuite.kinds.retrieval.features import features_of
from evalsuite.kinds.retrieval.near_ties import count_near_ties
from evalsuite.kinds.retrieval.results import ranks_of_predictions
from evalsuite.records.journal import JournalEntries, read_journals
from evalsuite.records.near_ties import NearTies
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request, prepare

TASKS = ("captioning", "imagenet", "nlvr2", "nocaps", "retrieval_coco")
SHORT_CAPTIONS = "max_new=12"
# One launch for all tasks, as imports take longest; it joins its processes once.
DRIVER = f"""
import sys
from pathlib import Path
from accelerate import Accelerator
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request
Accelerator.end_training = lambda self: None
world, weights, runs = map(Path, sys.argv[1:])
for file in sorted(weights.iterdir()):
    settings = ("{SHORT_CAPTIONS}",) if file.stem in ("captioning", "nocaps") else ()
    evaluate(Request(task=file.stem, data=world, runs=runs, weights=str(file), settings=settings))
"""


class Place(NamedTuple):
    world: Path
    weights: Path
    runs: Path


class Evaluated(NamedTuple):
    report: Report
    run: Run

    @property
    def journaled(self) -> JournalEntries:
        return self.run.journaled(self.report.split)

    @property
    def near_ties(self) -> NearTies:
        assert self.report.near_ties is not None
        return self.report.near_ties


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("near_ties")
    place = Place(folder / "world", folder / "weights", folder / "runs")
    place.weights.mkdir()
    write_world(place.world, size="mini", benchmarks=TASKS)
    for task in TASKS:
        write_weights(place, task)
    return place


@torch.no_grad()
def write_weights(place: Place, task: str) -> None:
    """Write random weights whose predictions differ from sample to sample."""
    request = Request(task=task, data=place.world, runs=place.runs, weights="scratch")
    work = prepare(request, always_trains=True)
    generator = torch.Generator().manual_seed(1)
    head, backbone = work.model.head, work.model.backbone.eval()
    for parameter in head.parameters():
        if parameter.ndim > 1:
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
    if task in ("nlvr2", "imagenet"):
        index = open_index(work.benchmark, place.world, work.benchmark.card.eval_split)
        items = [work.open_task.inputs(index[number], None) for number in range(16)]
        opened: Any = work.open_task
        logits_BC = opened.logits(backbone, head, opened.collate(items))
        list(head.parameters())[-1].sub_(logits_BC.mean(dim=0))
    save_checkpoint(place.weights / f"{task}.safetensors", official_state(backbone, head), {})


def evaluated(place: Place, task: str, size: int, precision: str = "no") -> Evaluated:
    settings = [f"micro_batch={size}", f"precision={precision}"]
    settings += [SHORT_CAPTIONS] if task in ("captioning", "nocaps") else []
    report = evaluate(
        Request(
            task=task,
            data=place.world,
            runs=place.runs / f"{size}-{precision}",
            weights=str(place.weights / f"{task}.safetensors"),
            settings=tuple(settings),
            device="cpu",
        )
    ).report
    assert report is not None
    return Evaluated(report, Run.open(next((place.runs / f"{size}-{precision}").glob(f"{task}-*"))))


def check_near_ties_only(one: Evaluated, other: Evaluated) -> None:
    """Check that two runs differ in nothing that neither counts as a near-tie."""
    first, second = one.journaled, other.journaled
    assert first.predictions.keys() == second.predictions.keys()
    if one.report.task == "retrieval_coco":
        assert hits_that_differ(one, other) <= one.near_ties.count
        return
    counted = {id for near in (first.near_ties, second.near_ties) for id in near if near[id]}
    differ = {id for id in first.predictions if kept(first, id) != kept(second, id)}
    assert differ <= counted
    if not differ:
        assert one.report.scores == other.report.scores


def kept(journaled: JournalEntries, id: int | str) -> object:
    """Return a prediction as it is scored: of a ranking, the first class and the first five."""
    found = journaled.predictions[id]
    return (found[0], set(found)) if isinstance(found, list) else found


def hits_that_differ(one: Evaluated, other: Evaluated) -> int:
    folder = Path(one.report.data["folder"])
    pool = benchmark_named("retrieval_coco").references(folder, one.report.split)
    found = [ranks_of_predictions(run.journaled.predictions, pool) for run in (one, other)]
    first, second = (np.concatenate(ranks)[:, None] < [1, 5, 10] for ranks in found)
    return int((first != second).any(axis=1).sum())


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("size", [1, 7])
def test_the_batch_size_changes_only_near_ties(place: Place, task: str, size: int) -> None:
    whole, parts = evaluated(place, task, 64), evaluated(place, task, size)
    check_near_ties_only(whole, parts)
    assert len(set(map(str, whole.journaled.predictions.values()))) > 1
    # None here, one in two hundred on a larger split: gaps of 1e-5 are rarer still.
    assert whole.near_ties.count <= whole.near_ties.of / 200
    if task == "retrieval_coco":
        pool = benchmark_named(task).references(place.world, whole.report.split)
        one, other = (features_of(run.journaled.predictions, pool) for run in (whole, parts))
        assert np.abs(one.images_ID - other.images_ID).max() <= 1e-6
        assert np.abs(one.texts_TD - other.texts_TD).max() <= 1e-6


@pytest.mark.parametrize("task", ["imagenet", "retrieval_coco"])
def test_half_precision_has_near_ties_and_no_other_changes(place: Place, task: str) -> None:
    whole, parts = evaluated(place, task, 64, "bf16"), evaluated(place, task, 1, "bf16")
    check_near_ties_only(whole, parts)
    count, of, tolerance = whole.near_ties.count, whole.near_ties.of, 2**-6
    assert 0 < count < of
    assert json.loads((whole.run.folder / "report.json").read_text())["near_ties"] == {
        "count": count,
        "of": of,
        "tolerance": tolerance,
    }
    said = f"{count} of {of} decisions are narrower than 0.016"
    for name in ("report.md", "report.html"):
        assert said in (whole.run.folder / name).read_text()


def test_two_processes_change_only_near_ties(place: Place, tmp_path: Path) -> None:
    driver = tmp_path / "driver.py"
    driver.write_text(DRIVER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    runs = tmp_path / "runs"
    words = [str(driver), str(place.world), str(place.weights), str(runs)]
    done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for task in TASKS:
        run = Run.open(next(runs.glob(f"{task}-*")))
        report = Report.from_json(json.loads((run.folder / "report.json").read_text()))
        journals = sorted((run.folder / "predictions" / report.split).iterdir())
        assert [path.name for path in journals] == ["rank-0.jsonl", "rank-1.jsonl"]
        check_near_ties_only(evaluated(place, task, 64), Evaluated(report, run))


def test_accelerate_launches_two_processes(place: Place, tmp_path: Path) -> None:
    # --multi_gpu means torchrun; with --cpu alone accelerate 1.15 starts one process.
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    command += ["--num_processes=2", "--num_machines=1", "--mixed_precision=no"]
    command += ["--dynamo_backend=no", "--main_process_port=0", "-m", "evalsuite", "eval", "nlvr2"]
    command += ["--data", str(place.world), "--weights", str(place.weights / "nlvr2.safetensors")]
    command += ["--runs", str(tmp_path), "--device", "cpu", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = Report.from_json(json.loads(done.stdout))
    assert report.environment["processes"] == 2
    run = Run.open(next(tmp_path.glob("nlvr2-*")))
    check_near_ties_only(evaluated(place, "nlvr2", 64), Evaluated(report, run))


def test_the_count_survives_a_restart_on_other_processes(place: Place) -> None:
    before = evaluated(place, "imagenet", 7, "bf16")
    path = before.run.folder / "predictions" / before.report.split / "rank-0.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]))
    path.with_name("rank-1.jsonl").write_text("".join(lines[5:12]))
    after = evaluated(place, "imagenet", 7, "bf16")
    assert len(path.read_text().splitlines()) == 5 + len(lines) - 12
    assert (after.near_ties, after.report.scores) == (before.near_ties, before.report.scores)


def test_journals_from_before_the_count_are_not_counted(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    path.write_text(
        '{"id": 1, "prediction": "yes"}\n{"id": 2, "prediction": "no", "near_tie": true}\n'
        '{"id": 1, "prediction": "no", "near_tie": true}\n'
    )
    held = read_journals([path])
    assert held.predictions == {1: "yes", 2: "no"}
    assert held.near_ties == {2: True}


def test_a_margin_is_relative_to_the_largest_score_but_at_least_to_one() -> None:
    logits_BC = torch.tensor([[8.0, 6.0, -16.0], [0.5, 0.25, 0.0], [3.0, 3.0, 1.0]])
    found = decided(["a", "b", "c"], logits_BC)
    assert [one.prediction for one in found] == ["a", "b", "c"]
    assert [one.margin for one in found] == [0.125, 0.25, 0.0]
    assert decided(["a"], torch.tensor([[7.0]]))[0].margin == math.inf


def test_a_ranking_hangs_on_its_first_and_on_its_last() -> None:
    logits_BC = torch.tensor([[1.0, 0.5, 0.5, 0.25, 0.0], [1.0, 0.875, 0.5, 0.25, 0.0]])
    margins = [one.margin for one in decided(["", ""], logits_BC, borders=(1, 3))]
    assert margins == [0.25, 0.125]
    assert decided([""], torch.tensor([[1.0, 0.5]]), borders=(1, 5))[0].margin == 0.5


def test_lists_that_a_rounding_turns_are_those_found_by_moving_the_right_answer() -> None:
    rng = np.random.default_rng(0)
    owners = np.array([n // 3 for n in range(60)])
    # Few distinct numbers: many scores are equal or just apart.
    images = rng.integers(-2, 3, (20, 4)).astype(np.float32)
    texts = rng.integers(-2, 3, (60, 4)).astype(np.float32)
    scores = (images @ texts.T).astype(np.float64)
    is_own = owners[None] == np.arange(20)[:, None]
    for tolerance in (0.5, 1.5, 2.5):
        expected = 0
        for row, own in [*zip(scores, is_own, strict=True), *zip(scores.T, is_own.T, strict=True)]:
            right = row[own].max()
            ranks = [int((row[~own] > right + moved).sum()) for moved in (tolerance, -tolerance)]
            expected += any((ranks[0] < at) != (ranks[1] < at) for at in (1, 5, 10))
        for block in (7, 64):
            assert count_near_ties(images, texts, owners, tolerance, block=block) == expected
