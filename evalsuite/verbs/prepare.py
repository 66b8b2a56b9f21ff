"""From a person's request to everything that fine-tuning and predicting need."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from accelerate import Accelerator
from torch import device

from evalsuite.backbones.beit3.model import Beit3, beit3
from evalsuite.backbones.loading import KeyReport, load_weights
from evalsuite.catalog import backbone_names, task_named
from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Benchmark
from evalsuite.contracts.task import OpenTask, Task
from evalsuite.data.index import SampleIndex, open_index
from evalsuite.engine.model import TaskModel
from evalsuite.engine.progress import say
from evalsuite.engine.session import accelerator_for, share_cores
from evalsuite.records.errors import UserError
from evalsuite.records.recipe import Recipe
from evalsuite.verbs.data_folder import data_folder, text_tokenizer
from evalsuite.verbs.starting_weights import (
    Weights,
    backbone_of,
    check_zero_shot,
    holds_head,
    recipe_of_weights,
    weights_named,
)
from evalsuite.verbs.tune import TrainingRequest


@dataclass(frozen=True, kw_only=True)
class Request(TrainingRequest):
    """What a person asks of one benchmark; None stands for the usual choice.

    `limit` evaluates the first samples of the split, and training sees all; where nothing is
    evaluated it cuts training. `zero_shot` never trains.
    """

    task: str
    split: str | None = None
    new_head: bool = False
    zero_shot: bool = False


@dataclass(frozen=True, kw_only=True)
class Work:
    """A request made concrete. `train_index` is None where the weights serve as they are."""

    accelerator: Accelerator
    benchmark: Benchmark
    data: Path
    open_task: OpenTask
    recipe: Recipe
    backbone_name: str
    weights: Weights
    key_report: KeyReport | None
    model: TaskModel
    train_index: SampleIndex | None


class _Start(NamedTuple):
    """What a request starts from, before a file of the data is opened."""

    task: Task
    backbone_name: str
    weights: Weights
    recipe: Recipe


class _Opened(NamedTuple):
    """The task at work, and whether its head is fine-tuned first."""

    task: OpenTask
    recipe: Recipe
    trains: bool


def prepare(request: Request, *, always_trains: bool) -> Work:
    """Return everything that a request needs, checked before any long work begins.

    Args:
        always_trains: fine-tune even where the weights hold a head for the task.

    Raises:
        UserError: anything that the user can fix.
    """
    start = _start(request)
    benchmark = start.task.benchmark
    accelerator = accelerator_for(start.recipe, request.device, request.track, request.runs)
    data = data_folder(request.data, accelerator, task=request.task)
    opened = _opened(start, request, data, always_trains=always_trains)
    model, report = _model(start, opened, request.seed)
    if report is not None and accelerator.is_main_process:
        say("\n".join((*start.weights.notes, str(report))))
    share_cores(model)
    train_split = opened.recipe.train_split or benchmark.card.train_split
    return Work(
        accelerator=accelerator,
        benchmark=benchmark,
        data=data,
        open_task=opened.task,
        recipe=opened.recipe,
        backbone_name=start.backbone_name,
        weights=start.weights,
        key_report=report,
        model=model,
        train_index=open_index(benchmark, data, train_split) if opened.trains else None,
    )


def _start(request: Request) -> _Start:
    """Return the task, the backbone, its weights, and the recipe with a person's settings.

    Raises:
        UserError: one is not known, or they do not go together.
    """
    task = task_named(request.task)
    given = None if request.weights is None else weights_named(request.weights, request.seed)
    name = backbone_of(request.backbone, given)
    check_capabilities(
        task.benchmark, name, {known: Beit3.capabilities for known in backbone_names()}
    )
    recipe = _recipe(task.recipe(name), request.settings)
    weights = given or weights_named(recipe.weights, request.seed, is_usual=True)
    return _Start(task, name, weights, recipe)


def _opened(start: _Start, request: Request, data: Path, *, always_trains: bool) -> _Opened:
    """Return the task at work: as the recipe trains it, or as the weights serve.

    Only the task at work knows its head, and so whether the weights hold it. Where they do, and
    were fine-tuned at another resolution, it is opened again at theirs.

    Raises:
        UserError: official files are missing, or the weights cannot serve as is asked.
    """
    task, name, weights, recipe = start
    tokenizer = text_tokenizer(name, data, task.benchmark)
    open_task = task.open(data, recipe, tokenizer)
    can_serve = _can_serve(weights, open_task, name, task)
    if request.zero_shot:
        check_zero_shot(task.benchmark.card, weights, can_serve, request.new_head)
    # The usual weights are there to be fine-tuned; those that a person names serve as they are.
    serves = can_serve and (request.zero_shot or not weights.is_usual)
    trains = always_trains or not serves or request.new_head
    served = recipe if trains else recipe_of_weights(recipe, weights, request.settings)
    if served != recipe:
        open_task = task.open(data, served, tokenizer)
    return _Opened(open_task, served, trains)


def _model(start: _Start, opened: _Opened, seed: int) -> tuple[TaskModel, KeyReport | None]:
    """Return the model with its starting weights, and what became of their keys."""
    name, weights = start.backbone_name, start.weights
    backbone = backbone_for(name, opened.recipe, start.task.final_norm, seed)
    head = opened.task.head(backbone, seed=seed)
    backbone.initialise_head(head, seed)
    report = None
    if weights.state is not None:
        new_head, source = opened.trains, weights.origin
        report = load_weights(backbone, head, weights.state, new_head=new_head, source=source)
    return TaskModel(backbone, head, opened.task), report


def _recipe(published: Recipe, settings: tuple[str, ...]) -> Recipe:
    """Return the recipe with a person's settings.

    The rate belongs to the batch: where only the batch is changed, the rate follows linearly
    (Goyal et al. 2017, arXiv:1706.02677), and that is said.
    """
    recipe = published.with_settings(settings)
    if recipe.batch_size == published.batch_size:
        return recipe
    changed = f"batch_size {recipe.batch_size} is not the recipe's {published.batch_size}"
    if any(setting.startswith("lr=") for setting in settings):
        say(f"{changed}: scores may differ from those of the recipe")
        return recipe
    lr = published.lr * recipe.batch_size / published.batch_size
    say(f"{changed}: lr follows, {lr:.3g} instead of {published.lr:.3g}; --set lr=... to choose")
    return replace(recipe, lr=lr)


def backbone_for(name: str, recipe: Recipe, final_norm: bool, seed: int | None) -> Backbone:
    """Return the named backbone as the recipe trains it."""
    return beit3(
        name,
        image_size=recipe.image_size,
        final_norm=final_norm,
        drop_path=recipe.drop_path,
        activation_checkpointing=recipe.activation_checkpointing,
        seed=seed,
    )


def _can_serve(weights: Weights, open_task: OpenTask, name: str, task: Task) -> bool:
    """Return whether weights hold the task's head, made without memory to learn its keys."""
    if weights.state is None:
        return False
    with device("meta"):
        backbone = backbone_for(name, task.recipe(name), task.final_norm, None)
        return holds_head(weights.state, open_task.head(backbone, seed=0))


def check_capabilities(
    benchmark: Benchmark, name: str, offered: Mapping[str, Collection[str]]
) -> None:
    """Check that a backbone can do the kinds of pass that a benchmark needs.

    Args:
        offered: the capabilities of every backbone by name.

    Raises:
        UserError: it cannot; those that can are named.
    """
    needs = set(benchmark.card.needs)
    if needs <= set(offered[name]):
        return
    able = [other for other, abilities in offered.items() if needs <= set(abilities)]
    raise UserError(
        f"{benchmark.card.name} needs a backbone that can do {', '.join(sorted(needs))}; {name} "
        f"can do {', '.join(sorted(offered[name])) or 'none'}; choose {', '.join(able) or 'none'}"
    )
