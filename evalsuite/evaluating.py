"""The verbs `evaluate` and `finetune`: one backbone, one benchmark, one run folder."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from accelerate.utils import broadcast_object_list

from evalsuite.backbones.checkpoint import read_checkpoint, save_checkpoint
from evalsuite.backbones.loading import load_weights, official_state
from evalsuite.data.index import SampleIndex, open_index
from evalsuite.engine.finetune import Tuning, finetune_model
from evalsuite.engine.loading import Budget
from evalsuite.engine.model import TaskModel
from evalsuite.engine.predict import Predicting, predict
from evalsuite.engine.progress import Meter, peak_memory_gib, say
from evalsuite.engine.session import environment
from evalsuite.engine.trainer_state import remove_states
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.scoring import report_of, split_of
from evalsuite.setting_up import Request, Work, set_up
from evalsuite.tracking import track_report


def evaluate(request: Request) -> Report | None:
    """Fine-tune where the weights hold no head for the task, predict, score, write the reports.

    The same request goes on where an earlier one stopped, on any number of processes. Returns the
    report on the main process and None on the others, which are done when they have predicted.

    Raises:
        UserError: anything that the person can mend; what was finished is kept.
    """
    work = set_up(request, always_trains=False)
    split = split_of(work.benchmark, request.split)
    index = open_index(work.benchmark, work.data, split)
    _check_unseen(work, split, index)
    run = _run(work, request)
    _note_split(work, run, split, index, request.limit)
    _track(work, run, request)
    _tune(work, run, request)
    predicting = Predicting(
        task=work.open_task,
        recipe=work.recipe,
        index=index,
        split=split,
        limit=request.limit,
        bad=Budget(request.skip_bad),
    )
    meter = predict(predicting, _loaded(work, run), run, work.accelerator)
    work.accelerator.wait_for_everyone()
    # Only the main process has trackers; they stay open for the scores.
    trackers, work.accelerator.trackers = work.accelerator.trackers, []
    work.accelerator.end_training()  # scoring needs no process group, and must not keep one waiting
    if not work.accelerator.is_main_process:
        return None
    note_phase(run, f"predict {split}", meter)
    report = report_of(run, split)
    track_report(trackers, report)
    for tracker in trackers:
        tracker.finish()
    return report


def finetune(request: Request) -> Run:
    """Fine-tune on the task's training split; return the run, whose `weights` are the result.

    Raises:
        UserError: anything that the person can mend; what was finished is kept.
    """
    work = set_up(request, always_trains=True)
    run = _run(work, request)
    _track(work, run, request)
    _tune(work, run, request)
    work.accelerator.end_training()
    return run


def _check_unseen(work: Work, split: str, index: SampleIndex) -> None:
    """Check that fine-tuning does not see the samples that are asked about.

    Raises:
        UserError: it does.
    """
    chosen = work.recipe.train_split
    if work.train_index is None or chosen is None:
        return
    if set(index.ids) & set(work.train_index.ids):
        raise UserError(f"--set train_split={chosen}: shares samples with {split}; choose another")


def _run(work: Work, request: Request) -> Run:
    """Return the run folder of this request, the same on every process."""
    identity = {
        "task": request.task,
        "backbone": work.backbone_name,
        "weights": work.weights.sha256,
        "recipe": work.recipe.to_json(),
        "seed": request.seed,
        "limit": request.limit,
        "data": work.train_index.fingerprint if work.train_index else str(work.data.resolve()),
    }
    folder: list[str | None] = [None]
    if work.accelerator.is_main_process:
        run = Run.continue_or_create(request.runs, identity, environment(work.accelerator))
        run.facts["weights"] = {
            "origin": work.weights.origin,
            "sha256": work.weights.sha256,
            "fine_tuned_here": work.train_index is not None,
            "keys": None if work.key_report is None else asdict(work.key_report),
        }
        run.facts.setdefault("phases", {})
        say(f"{run.folder}: {'continued' if run.is_continued else 'new run'}")
        run.save()
        folder = [str(run.folder)]
    broadcast_object_list(folder)
    assert folder[0] is not None
    return Run.open(Path(folder[0]))


def _track(work: Work, run: Run, request: Request) -> None:
    """Open the tracker that was asked for, under the run's name."""
    if request.track is not None:
        work.accelerator.init_trackers(run.folder.name, config=_flat(work.recipe.to_json()))


def _tune(work: Work, run: Run, request: Request) -> None:
    """Fine-tune unless the weights serve as they are, or an earlier session has finished it."""
    if work.train_index is None or run.weights.is_file():
        return
    tuning = Tuning(
        task=work.open_task,
        recipe=work.recipe,
        index=work.train_index,
        num_samples=min(len(work.train_index), request.limit or len(work.train_index)),
        seed=request.seed,
        states=run.checkpoints,
        log=run.training_log,
        bad=Budget(request.skip_bad),
    )
    accelerator = work.accelerator
    meter = finetune_model(tuning, work.model, accelerator)
    if accelerator.is_main_process:
        run.checkpoints.mkdir(exist_ok=True)
        state = official_state(work.model.backbone, work.model.head)
        metadata = {"task": request.task, "backbone": work.backbone_name, "run": run.folder.name}
        save_checkpoint(run.weights, state, metadata)
        remove_states(run.checkpoints)
        note_phase(run, "finetune", meter)
    accelerator.wait_for_everyone()


def _loaded(work: Work, run: Run) -> TaskModel:
    """Return the model to predict with, read from its file so that a repeat has the same bits."""
    if work.train_index is not None:
        state = read_checkpoint(run.weights)
        load_weights(work.model.backbone, work.model.head, state, source=str(run.weights))
    return work.model


def _note_split(work: Work, run: Run, split: str, index: SampleIndex, limit: int | None) -> None:
    """Write down which data the split was read from.

    Raises:
        UserError: the run has predicted a split of this name from other files.
    """
    known = run.facts.setdefault("splits", {})
    number = min(len(index), limit or len(index))
    entry = {
        "folder": str(work.data.resolve()),
        "name": "tinyworld" if (work.data / "tinyworld.json").is_file() else work.data.name,
        "fingerprint": index.fingerprint,
        "num_samples": number,
    }
    if split in known and known[split]["fingerprint"] != index.fingerprint:
        raise UserError(
            f"{run.folder}: predicted {split} from other files than those now in {work.data}; "
            "choose another --runs folder, or remove the run"
        )
    if work.accelerator.is_main_process:
        known[split] = entry
        run.facts["split"] = split
        run.save()


def note_phase(run: Run, name: str, meter: Meter) -> None:
    """Add what a phase took in this session to what it took in earlier ones."""
    phase = run.facts["phases"].setdefault(name, {"seconds": 0.0, "samples": 0.0})
    phase["seconds"] += meter.seconds
    phase["samples"] += meter.samples
    phase["samples_per_second"] = phase["samples"] / max(phase["seconds"], 1e-9)
    if meter.samples:
        phase["percent_reading"] = 100 * meter.data_seconds / max(meter.seconds, 1e-9)
    phase["peak_memory_gib"] = max(peak_memory_gib(), phase.get("peak_memory_gib", 0.0))
    run.save()


def _flat(settings: dict[str, Any]) -> dict[str, int | float | str]:
    """Return the settings as trackers take them: no lists, no None."""
    return {
        key: value if isinstance(value, int | float | str) else str(value)
        for key, value in settings.items()
    }
