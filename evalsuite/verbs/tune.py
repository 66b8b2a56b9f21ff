"""What fine-tuning and pretraining share: the request, the run folder, and what is kept in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.contracts.task import OpenTask
from evalsuite.data.index import SampleIndex
from evalsuite.data.reading import shortened
from evalsuite.engine.finetune import Tuning
from evalsuite.engine.loading import Budget
from evalsuite.engine.progress import Meter, peak_memory_gib, say
from evalsuite.engine.session import environment
from evalsuite.engine.trainer_state import remove_states
from evalsuite.records.errors import UserError
from evalsuite.records.lock import lock_folder
from evalsuite.records.recipe import Recipe
from evalsuite.records.run import Run


@dataclass(frozen=True, kw_only=True)
class TrainingRequest:
    """What a person may ask of any training; None stands for the usual choice.

    Without `data` a tiny world is drawn, without `weights` the backbone starts from those of the
    recipe ("scratch": from none), and `backbone` follows from the weights. `limit` trains on
    the first samples alone. `skip_bad` is how many unreadable images are allowed.
    """

    backbone: str | None = None
    weights: str | None = None
    data: Path | None = None
    runs: Path = Path("runs")
    limit: int | None = None
    device: str | None = None
    settings: tuple[str, ...] = ()
    seed: int = 0
    skip_bad: int = 0
    track: str | None = None


def open_run(
    request: TrainingRequest,
    recipe: Recipe,
    accelerator: Accelerator,
    *,
    identity: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> Run:
    """Return the run of an identity, the same on every process, locked, and tracked if asked for.

    Args:
        identity: what decides the weights, beside the recipe, the seed and the limit.
        facts: what else the run's record is to hold.

    Raises:
        UserError: another session works in the folder, it cannot be written, or the tracker
            cannot start.
    """
    whole = {
        **identity,
        "recipe": recipe.to_json(),
        "seed": request.seed,
        "limit": request.limit,
    }
    outcome: list[Path | UserError | None] = [None]
    if accelerator.is_main_process:
        folder = Run.folder_of(request.runs, whole)
        try:
            _start_trackers(request.track, folder.name, recipe, accelerator)
            lock_folder(folder)
            run = Run.continue_or_create(folder, whole, environment(accelerator))
            run.facts.update(facts)
            run.facts.setdefault("phases", {})
            say(f"{run.folder}: {'continued' if run.is_continued else 'new run'}")
            if request.limit is not None:
                number = request.limit
                say(f"--limit {number} cuts training: it sees the first {number} samples")
            run.save()
            outcome = [folder]
        except UserError as error:  # the others end with this one instead of waiting for it
            outcome = [error]
    broadcast_object_list(outcome)
    if isinstance(outcome[0], UserError):
        raise outcome[0]
    assert outcome[0] is not None
    return Run.open(outcome[0])


def _start_trackers(track: str | None, name: str, recipe: Recipe, accelerator: Accelerator) -> None:
    """Start the tracker that is asked for, before a run folder is made.

    Raises:
        UserError: nobody is logged in, or there is no network.
    """
    if track is None:
        return
    try:
        accelerator.init_trackers(name, config=_flat(recipe.to_json()))
    except Exception as error:  # the tracker's own kinds
        reason = shortened(str(error)).rstrip(".")
        raise UserError(
            f"--track {track}: {reason}; log in (`wandb login`), set WANDB_MODE to offline, or "
            "leave --track out"
        ) from error


def tuning_of(
    request: TrainingRequest, run: Run, task: OpenTask, recipe: Recipe, index: SampleIndex
) -> Tuning:
    """Return what a training of a request works with."""
    return Tuning(
        task=task,
        recipe=recipe,
        index=index,
        num_samples=min(len(index), request.limit or len(index)),
        seed=request.seed,
        states=run.checkpoints,
        log=run.training_log,
        bad=Budget(request.skip_bad),
    )


def keep_training(run: Run, state: Mapping[str, Tensor], phase: str, meter: Meter) -> None:
    """Write what a training came to, on the main process, and note what it took.

    Raises:
        UserError: the disk is full.
    """
    save_weights(run, state)
    remove_states(run.checkpoints)
    note_phase(run, phase, meter)


def save_weights(run: Run, state: Mapping[str, Tensor]) -> None:
    """Write the result of a run, marked with where it comes from."""
    run.checkpoints.mkdir(exist_ok=True)
    identity = run.facts["identity"]
    metadata = {"task": identity["task"], "backbone": identity["backbone"], "run": run.folder.name}
    if run.facts.get("regime"):
        metadata["regime"] = run.facts["regime"]
    save_checkpoint(run.weights, state, metadata)


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
