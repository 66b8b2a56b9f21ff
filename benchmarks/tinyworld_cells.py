"""One cell of the tiny world's table: a fine-tuning of one arm on one task, run once and logged."""

import fcntl
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from tinyworld_rows import (
    DECAY_GRID,
    DISTINCT,
    LR_GRID,
    MORE_ROWS,
    ROWS,
    SCRATCH,
    SCRATCH_DECAY,
    SCRATCH_LR,
    TASKS_OF_ARM,
    ZERO_SHOT,
)

from evalsuite.backbones.beit3.recognise import recognise
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.backbones.weights import local_file
from evalsuite.catalog import benchmark_named
from evalsuite.contracts.benchmark import Benchmark
from evalsuite.records.errors import UserError
from evalsuite.records.files import file_sha256, read_json
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.records.score import Score
from evalsuite.tinyworld.marker import MARKER
from evalsuite.tinyworld.world import World, counts_of
from evalsuite.verbs.evaluate import evaluate
from evalsuite.verbs.prepare import Request

RETRIEVAL = "retrieval_coco"
DECAY = "layer_decay="


class Arm(NamedTuple):
    """A name in the table, and the weights it starts from; `sha256` is None for scratch."""

    name: str
    file: str
    sha256: str | None
    is_contrastive: bool


class Cell(NamedTuple):
    """One arm on one task with one seed; `tuning` cells choose scratch's learning rate."""

    arm: Arm
    task: str
    seed: int
    settings: tuple[str, ...]
    tuning: bool = False

    @property
    def key(self) -> str:
        """A file name for the run of this cell: cells of one run, as in tuning, share it."""
        words = (self.task, (self.arm.sha256 or SCRATCH)[:12], f"seed{self.seed}", *self.settings)
        return re.sub(r"[^\w.=,-]+", "_", "-".join(words))


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A finished cell as the log keeps it, one JSON line each.

    `scores` are those of the table's rows, `baselines` those that the report brings. `seconds` and
    `samples`, which fine-tuning saw, are of the sessions that came to an end: of a killed one they
    are lost. `split`, `recipe` and `fingerprint` (of the split's official files) are empty in older
    logs; `completed` finds them.
    """

    arm: str
    weights: str | None
    file: str
    task: str
    seed: int
    settings: list[str]
    tuning: bool
    scores: dict[str, dict[str, Any]]
    baselines: dict[str, float]
    run: str
    seconds: float
    samples: float
    world: dict[str, Any]
    environment: dict[str, Any] = field(default_factory=dict)
    split: str = ""
    recipe: dict[str, Any] = field(default_factory=dict)
    fingerprint: str = ""

    def score(self, name: str) -> Score:
        """Return the score of a row."""
        return Score.from_json(self.scores[name])


def arm_of(name: str, file: str) -> Arm:
    """Return an arm with what its file is.

    Raises:
        UserError: there is no such file, or it holds no backbone.
    """
    if file == SCRATCH:
        return Arm(name, file, None, False)
    path = local_file(file)
    kind = recognise(read_checkpoint(path), file).task
    return Arm(name, file, file_sha256(path), kind == "retrieval")


def cells_of(
    arms: Sequence[Arm], tasks: Sequence[str], seeds: Sequence[int], shared: dict[str, list[str]]
) -> list[Cell]:
    """Return the cells in the order they are run: a whole table of the first seed first.

    Zero-shot evaluation knows no seed, and only contrastive weights can do it.

    Args:
        shared: settings of a task's recipe for every arm.
    """
    cells = []
    for seed in seeds:
        for task in tasks:
            for arm in arms:
                if task == ZERO_SHOT and (seed != seeds[0] or not arm.is_contrastive):
                    continue
                if task not in TASKS_OF_ARM.get(arm.name, tasks):
                    continue
                own = () if task == ZERO_SHOT else tuple(shared.get(task, ()))
                if arm.sha256 is None:
                    own += _scratch_settings(SCRATCH_LR[task], SCRATCH_DECAY.get(task))
                cells.append(Cell(arm, task, 0 if task == ZERO_SHOT else seed, own))
    return cells


def tuning_cells(arm: Arm, tasks: Sequence[str], shared: dict[str, list[str]]) -> list[Cell]:
    """Return the cells that choose scratch's rate and layer decay: the grid on seed 0."""
    return [
        Cell(arm, task, 0, (*shared.get(task, ()), *_scratch_settings(lr, decay)), tuning=True)
        for task in tasks
        if task != ZERO_SHOT
        for decay in (DECAY_GRID if task in SCRATCH_DECAY else (None,))
        for lr in LR_GRID
    ]


def _scratch_settings(lr: float, decay: float | None) -> tuple[str, ...]:
    """Return the settings of scratch's own; the rate comes last."""
    return (*(() if decay is None else (f"{DECAY}{decay:g}",)), f"lr={lr:g}")


def run_cell(cell: Cell, data: Path, out: Path) -> Finished:
    """Run a cell, going on where an earlier call stopped, and return what it reached.

    Raises:
        UserError: the task cannot run.
    """
    is_zero_shot = cell.task == ZERO_SHOT
    request = Request(
        task=RETRIEVAL if is_zero_shot else cell.task,
        weights=cell.arm.file,
        data=data,
        runs=out,
        device="cpu",
        settings=cell.settings,
        seed=cell.seed,
        zero_shot=is_zero_shot,
        new_head=not is_zero_shot,  # or contrastive weights would serve retrieval as they are
    )
    with _command(request):
        run, report = evaluate(request)
    assert report is not None
    scores, baselines = list(report.scores), list(report.baselines)
    if request.task == RETRIEVAL:
        more = distinct_scores(run, data, report.split)
        scores += more[0]
        baselines += more[1]
    wanted = scores_wanted(cell.task)
    return Finished(
        arm=cell.arm.name,
        weights=cell.arm.sha256,
        file=Path(cell.arm.file).name,
        task=cell.task,
        seed=cell.seed,
        settings=list(cell.settings),
        tuning=cell.tuning,
        scores={score.name: score.to_json() for score in scores if score.name in wanted},
        baselines={score.name: score.value for score in baselines},
        run=run.folder.name,
        seconds=sum(phase["seconds"] for phase in report.phases.values()),
        samples=report.phases.get("finetune", {}).get("samples", 0.0),
        world=world_of(data),
        environment=report.environment,
        split=report.split,
        recipe=report.recipe,
        fingerprint=report.data["fingerprint"],
    )


def world_of(data: Path) -> dict[str, Any]:
    """Return seed and size of the world that was drawn into a folder."""
    marker = read_json(data / MARKER)
    return {key: marker[key] for key in ("seed", "size")}


def scores_wanted(task: str) -> set[str]:
    """Return the names of the scores that the log keeps of a task."""
    return {row.score for row in (*ROWS, *MORE_ROWS) if row.task == task}


def distinct_scores(run: Run, data: Path, split: str) -> tuple[list[Score], list[Score]]:
    """Return retrieval's scores and chance without images that hold the same things as another.

    Of images with the same things (shape, colour, size and cell; the ground is not counted) the
    first stays. Names begin with `distinct/`; `n` says how many are left.
    """
    benchmark = benchmark_named(RETRIEVAL)
    kept = distinct_texts(benchmark, data, split)
    predictions = {id: one for id, one in run.journaled(split).predictions.items() if id in kept}
    pool = benchmark.references(data, split, only=predictions.keys())
    scores = benchmark.score(predictions, pool)
    chance = benchmark.baselines(data, split, only=predictions.keys())
    return _renamed(scores), _renamed(chance)


def distinct_texts(benchmark: Benchmark, data: Path, split: str) -> set[Any]:
    """Return the ids of the texts whose image is the first with its things."""
    marker = read_json(data / MARKER)
    world = World(data, marker["seed"], counts_of(marker["size"]))
    things = {
        number: frozenset((t.shape, t.colour, t.size, t.row, t.column) for t in scene.things)
        for number, scene in world.scenes("val2014")  # Karpathy's val and test are of it
    }
    first: dict[frozenset[Any], int] = {}
    kept = set()
    for sample in benchmark.samples(data, split):
        image = sample.target["image_id"]
        if first.setdefault(things[image], image) == image:
            kept.add(sample.id)
    return kept


def _renamed(scores: Iterable[Score]) -> list[Score]:
    return [replace(score, name=DISTINCT + score.name) for score in scores]


@contextmanager
def _command(request: Request) -> Iterator[None]:
    """Let run.json name the command that repeats this one cell, not that of the whole table."""
    words = ["evalsuite", "eval", request.task, "--weights", str(request.weights)]
    words += ["--data", str(request.data), "--runs", str(request.runs), "--device", "cpu"]
    words += [word for setting in request.settings for word in ("--set", setting)]
    words += ["--seed", str(request.seed), "--zero-shot" if request.zero_shot else "--new-head"]
    own, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = own


def read_log(path: Path) -> list[Finished]:
    """Return the finished cells of a log, oldest first.

    Raises:
        UserError: a line is not a finished cell.
    """
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            found.append(Finished(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise UserError(
                f"{path} line {number}: no finished cell ({error}); remove the line"
            ) from None
    return found


def completed(finished: Finished, out: Path) -> Finished:
    """Return a cell of an older log with what its run's report holds besides, if it is there."""
    lacking = scores_wanted(finished.task) - finished.scores.keys()
    path = out / finished.run / "report.json"
    if (finished.recipe and not lacking) or not path.is_file():
        return finished
    report = Report.from_json(read_json(path))
    scores = {score.name: score.to_json() for score in report.scores}
    if any(scores.get(name, one) != one for name, one in finished.scores.items()):
        return finished  # the run has been asked about something else since
    more = {name: scores[name] for name in sorted(lacking & scores.keys())}
    return replace(
        finished,
        scores={**finished.scores, **more},
        split=report.split,
        recipe=report.recipe,
        fingerprint=report.data["fingerprint"],
    )


def append_log(path: Path, finished: Finished) -> None:
    """Add a finished cell: one write of one line, so that several processes may share the file."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(asdict(finished), ensure_ascii=False) + "\n")
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def locked(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a file's lock, which ends with the process; the value is False if another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
