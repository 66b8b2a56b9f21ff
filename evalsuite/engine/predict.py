"""Predicting: one journal line per sample, whatever the batch size and the number of processes."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from evalsuite.contracts.benchmark import Sample
from evalsuite.contracts.task import Decision, MeasuresSamples, OpenTask
from evalsuite.data.fingerprint import contents_mark
from evalsuite.data.index import SampleIndex
from evalsuite.engine.loading import Batches, BatchOutcome, Budget, Place, files_of, loader
from evalsuite.engine.model import TaskModel, blinded
from evalsuite.engine.progress import Meter, say
from evalsuite.records.journal import Journal
from evalsuite.records.near_ties import TOLERANCES
from evalsuite.records.recipe import Recipe
from evalsuite.records.run import Run


@dataclass(frozen=True, kw_only=True)
class PredictionWork:
    """What predicting a split works with; `limit` keeps the first samples only."""

    task: OpenTask
    recipe: Recipe
    data: Path
    index: SampleIndex
    split: str
    limit: int | None
    bad: Budget


def predict(work: PredictionWork, model: TaskModel, run: Run, accelerator: Accelerator) -> Meter:
    """Predict what the run has not yet predicted of a split, and return what it took.

    What failed in an earlier session is tried again.

    Raises:
        UserError: too many samples cannot be read, or the disk is full.
    """
    wanted = list(enumerate(work.index.ids))[: work.limit]
    known = run.journaled(work.split).predictions.keys()
    accelerator.wait_for_everyone()  # every process has read the journals before one writes
    left = _by_length(work, [place for place, name in wanted if name not in known])
    done = len(wanted) - len(left)
    if done and left and accelerator.is_main_process:
        say(f"predicting resumes: {done} of {len(wanted)} samples are journaled")
    mine = left[accelerator.process_index :: accelerator.num_processes]
    batches = _batches(mine, work.recipe.micro_batch)
    model.to(accelerator.device).eval()
    shown = accelerator.is_main_process and bool(mine)
    with (
        run.journal(work.split, accelerator.process_index) as journal,
        Meter(f"predicting {work.split}", len(mine), shown=shown) as meter,
        torch.inference_mode(),
    ):
        sources = Batches(batches, len(batches))
        source = iter(loader(work.index, work.task, sources, mark=partial(_mark, work)))
        for _ in range(len(batches)):
            started = time.perf_counter()
            loaded = next(source)
            meter.data_seconds += time.perf_counter() - started
            predictions = []
            if loaded.ids:
                batch = {name: t.to(accelerator.device) for name, t in loaded.batch.items()}
                if work.recipe.blind:
                    batch = blinded(batch)
                with accelerator.autocast():
                    predictions = work.task.predict(model.backbone, model.head, batch)
            _note(journal, loaded, predictions, TOLERANCES[accelerator.mixed_precision])
            work.bad.count(loaded.failures)
            meter.advance(len(loaded.ids) + len(loaded.failures), len(loaded.ids))
    return meter


def _note(journal: Journal, loaded: BatchOutcome, predictions: list[Any], tolerance: float) -> None:
    """Write a batch to the journal, and which of its predictions are near-ties."""
    found = dict(zip(loaded.ids, predictions, strict=True))
    margins = {name: one.margin for name, one in found.items() if isinstance(one, Decision)}
    plain = {
        name: one.prediction if isinstance(one, Decision) else one for name, one in found.items()
    }
    near_ties = {name: margin < tolerance for name, margin in margins.items()}
    journal.add(plain, loaded.failures, near_ties, loaded.marks)


def _mark(work: PredictionWork, sample: Sample) -> str:
    """Return the state of the files that a sample's prediction comes from."""
    return contents_mark(work.data, files_of(work.task, sample))


def _by_length(work: PredictionWork, positions: list[int]) -> list[int]:
    """Return the positions, the longest samples first where the task says how long they are."""
    if not isinstance(work.task, MeasuresSamples):
        return positions
    lengths = {place: work.task.length(work.index[place]) for place in positions}
    return sorted(positions, key=lambda place: -lengths[place])


def _batches(positions: Sequence[int], size: int) -> list[list[Place]]:
    """Return the positions in evaluation batches."""
    places = [Place(position, None) for position in positions]
    return [places[start : start + size] for start in range(0, len(places), size)]
