"""Fine-tuning: the same weights from the same recipe and seed, whenever it was interrupted."""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from evalsuite.contracts.task import ComparesSamples, OpenTask
from evalsuite.data.index import SampleIndex
from evalsuite.engine.loading import Batches, BatchOutcome, Budget, Place, loader
from evalsuite.engine.model import TaskModel, blinded
from evalsuite.engine.optimizer import learning_rate, optimizer_for, set_learning_rate
from evalsuite.engine.plan import Plan, micro_batches
from evalsuite.engine.progress import Meter
from evalsuite.engine.trainer_state import resume, save_state
from evalsuite.records.errors import UserError
from evalsuite.records.recipe import Recipe
from evalsuite.records.training import TrainingPoint, note_training

SECONDS_BETWEEN_STATES = 60.0
STEPS_BETWEEN_LOGS = 10


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What one fine-tuning works with; `states` takes trainer states, `log` the loss.

    `title` names it in the progress.
    """

    task: OpenTask
    recipe: Recipe
    index: SampleIndex
    num_samples: int
    seed: int
    states: Path
    log: Path
    bad: Budget
    title: str = "fine-tuning"


def finetune_model(tuning: Tuning, model: TaskModel, accelerator: Accelerator) -> Meter:
    """Fine-tune the model in place, and return what this session of it took.

    Goes on from the last trainer state, on any number of processes.

    Raises:
        UserError: too many samples cannot be read, the loss is not finite, or the disk is full.
    """
    recipe = tuning.recipe
    plan = Plan.of(recipe, tuning.num_samples, tuning.seed)
    _check_shares(tuning, plan, accelerator.num_processes)
    optimizer = optimizer_for(model.backbone, model.head, recipe)
    trained, prepared_optimizer = accelerator.prepare(model, optimizer)
    average = _average(model, recipe)
    if average is not None:
        accelerator.register_for_checkpointing(average)
    first = resume(tuning.states, accelerator, tuning.title)
    saved = time.perf_counter()
    with Meter(tuning.title, plan.num_steps, first, shown=accelerator.is_main_process) as meter:
        for step, parts in _steps(tuning, plan, first, accelerator, meter):
            # Stochastic depth draws from torch's own generator: seeded by the step, a resumed run
            # draws the same.
            torch.manual_seed(hash((tuning.seed, step, accelerator.process_index)) % 2**63)
            rate = learning_rate(step, plan, recipe)
            set_learning_rate(optimizer, rate)
            loss = _accumulate(tuning, trained, parts, step, accelerator)
            if recipe.clip_norm is not None:
                accelerator.clip_grad_norm_(trained.parameters(), recipe.clip_norm)
            prepared_optimizer.step()
            prepared_optimizer.zero_grad()
            if average is not None:
                average.update_parameters(model)
            meter.advance(1, sum(len(part.ids) for part in parts) * accelerator.num_processes)
            if (step + 1) % STEPS_BETWEEN_LOGS and step + 1 < plan.num_steps:
                continue
            if accelerator.num_processes > 1:
                loss = accelerator.reduce(loss)
            _log(TrainingPoint(step + 1, float(loss), rate), tuning.log, meter, accelerator)
            is_due = time.perf_counter() - saved > SECONDS_BETWEEN_STATES
            if step + 1 < plan.num_steps and _decided_by_main(is_due, accelerator):
                save_state(tuning.states, step + 1, accelerator)
                saved = time.perf_counter()
    if average is not None:
        model.load_state_dict(average.module.state_dict())
    return meter


def _check_shares(tuning: Tuning, plan: Plan, world: int) -> None:
    """Check that every process has a share of a batch, whole where the loss compares its samples.

    Raises:
        UserError: one has none, or its share is cut.
    """
    if plan.batch_size < world:
        raise UserError(
            f"{world} processes share a batch of {plan.batch_size}: "
            "expected at least one sample each; use fewer processes or a larger batch_size"
        )
    share, size = math.ceil(plan.batch_size / world), tuning.recipe.micro_batch
    if isinstance(tuning.task, ComparesSamples) and tuning.task.needs_whole_batch and share > size:
        raise UserError(
            f"the loss compares all samples of a batch, so {world} process(es) that share one of "
            f"{plan.batch_size} need micro_batch={share} at least; found {size}: use more "
            "processes, --set micro_batch=... or a smaller --set batch_size=..."
        )


def _steps(
    tuning: Tuning, plan: Plan, first: int, accelerator: Accelerator, meter: Meter
) -> Iterator[tuple[int, list[BatchOutcome]]]:
    """Yield every step with this process's micro-batches, counting the time that reading took."""
    rank, world = accelerator.process_index, accelerator.num_processes
    size = tuning.recipe.micro_batch

    def places() -> Iterator[list[Place]]:
        for step, batch in enumerate(plan.batches(first), first):
            for part in micro_batches(batch, size, rank, world):
                yield [Place(int(position), plan.epoch_of(step)) for position in part]

    parts = math.ceil(math.ceil(plan.batch_size / world) / size)
    batches = Batches(places(), parts * (plan.num_steps - first))
    source = iter(loader(tuning.index, tuning.task, batches, seed=tuning.seed))
    for step in range(first, plan.num_steps):
        started = time.perf_counter()
        loaded = [next(source) for _ in range(parts)]
        meter.data_seconds += time.perf_counter() - started
        for part in loaded:
            tuning.bad.count(part.failures)
        yield step, loaded


def _accumulate(
    tuning: Tuning, model: nn.Module, parts: list[BatchOutcome], step: int, accelerator: Accelerator
) -> torch.Tensor:
    """Add up the gradient of the global batch's mean loss; return this process's share of it.

    Every micro-batch weighs as many samples as it holds, and processes are averaged, so that the
    gradient does not depend on how the batch was cut.
    """
    world = accelerator.num_processes
    mine = sum(len(part.ids) for part in parts)
    everyone = mine
    if world > 1:
        counted = accelerator.reduce(torch.tensor(float(mine), device=accelerator.device))
        everyone = int(counted.item())
    total = torch.zeros((), device=accelerator.device)
    for place, part in enumerate(parts):
        if not part.ids:
            raise UserError("no image of a micro-batch can be read; run `evalsuite doctor`")
        batch = {name: tensor.to(accelerator.device) for name, tensor in part.batch.items()}
        batch["step"] = torch.full((len(part.ids),), step)
        if tuning.recipe.blind:
            batch = blinded(batch)
        is_last = place == len(parts) - 1
        with nullcontext() if is_last else accelerator.no_sync(model):
            loss = model(batch)
            accelerator.backward(loss * (len(part.ids) * world / everyone))
        total += loss.detach() * (len(part.ids) / everyone)
    return total


def _average(model: TaskModel, recipe: Recipe) -> AveragedModel | None:
    """Return the exponential moving average of the weights, where the recipe asks for one."""
    if recipe.ema_decay is None:
        return None
    averaging = get_ema_multi_avg_fn(recipe.ema_decay)  # type: ignore[no-untyped-call]
    return AveragedModel(model, multi_avg_fn=averaging)


def _log(point: TrainingPoint, log: Path, meter: Meter, accelerator: Accelerator) -> None:
    """Show, track and write down the state of a step.

    Raises:
        UserError: the loss is not finite.
    """
    step, loss, rate = point
    if not math.isfinite(loss):
        raise UserError(
            f"the loss is {loss} at step {step}; try a smaller learning rate "
            "(--set lr=...) or full precision (--set precision=no)"
        )
    meter.text = f"loss {loss:.4f} lr {rate:.2e}"
    values = {"loss": loss, "lr": rate, "samples_per_second": meter.samples_per_second}
    accelerator.log(values, step=step)
    if accelerator.is_main_process:
        note_training(log, point)


def _decided_by_main(wish: bool, accelerator: Accelerator) -> bool:
    """Return the main process's wish on every process: clocks differ between them."""
    if accelerator.num_processes == 1:
        return wish
    vote = torch.tensor(float(wish and accelerator.is_main_process), device=accelerator.device)
    return bool(accelerator.reduce(vote).item() > 0)
