"""Run folders as `evaluate` leaves them, made without training: predictions are given."""

import json
from pathlib import Path
from typing import Any

from evalsuite.catalog import benchmark_named
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.records.training import TrainingPoint, note_training

HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


def saved_run(
    runs: Path,
    world: Path,
    seed: int,
    said: dict[Any, Any],
    split: str = "val",
    task: str = "vqa",
) -> Run:
    """A run folder as `evaluate` leaves it, with given predictions."""
    identity = {
        "task": task,
        "backbone": "beit3_tiny",
        "weights": None,
        "recipe": {"source": "none", "batch_size": 8, "lr": 0.1, "epochs": 1, "image_size": 32},
        "seed": seed,
        "limit": None,
        "data": "0" * 64,
    }
    sessions: dict[str, Any] = {
        "command": "evalsuite eval vqa --data <here>",
        "started": "now",
        "commit": None,
    }
    sessions |= {"device": "cpu", "processes": 1, "precision": "no", "versions": {"torch": "2"}}
    run = Run.continue_or_create(Run.folder_of(runs, identity), identity, sessions)
    origin = {"origin": "from scratch, seed 0", "sha256": None, "fine_tuned_here": True}
    data = {"folder": str(world), "name": "tinyworld", "fingerprint": "1" * 64}
    run.facts.update(weights={**origin, "keys": None}, phases={}, split=split)
    run.facts.setdefault("splits", {})[split] = {**data, "num_samples": len(said)}
    run.save()
    with run.journal(split, 0) as journal:
        journal.add(said, {})
    for step in range(10, 200, 10):
        note_training(run.training_log, TrainingPoint(step, 3 * 0.98**step, 1e-3))
    return run


def answers(world: Path, split: str = "val") -> dict[Any, str]:
    """Half of the questions answered as people do, the others by something hostile."""
    samples = list(benchmark_named("vqa").samples(world, split))
    usual = [sample.target["multiple_choice_answer"] or "yes" for sample in samples]
    return {
        sample.id: answer if place % 2 else HOSTILE
        for place, (sample, answer) in enumerate(zip(samples, usual, strict=True))
    }


def report_in(run: Run) -> Report:
    return Report.from_json(json.loads((run.folder / "report.json").read_text()))
