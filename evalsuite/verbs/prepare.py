"""From a person's request to everything that fine-tuning and predicting need."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator
from torch import device

from evalsuite.backbones.beit3.model import Beit3, beit3
from evalsuite.backbones.beit3.recognise import read_weights, recognise
from evalsuite.backbones.loading import KeyReport, load_weights
from evalsuite.backbones.weight_folder import weight_source
from evalsuite.backbones.weights import local_file
from evalsuite.catalog import backbone_names, task_named
from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Benchmark
from evalsuite.contracts.task import OpenTask, Task
from evalsuite.data.index import SampleIndex, open_index
from evalsuite.data.text import Tokenizer
from evalsuite.engine.model import TaskModel
from evalsuite.engine.progress import say
from evalsuite.engine.session import accelerator_for, share_cores
from evalsuite.records.errors import UserError
from evalsuite.records.recipe import Recipe
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.starting_weights import (
    TINY_BACKBONE,
    Weights,
    backbone_of,
    check_zero_shot,
    holds_head,
    recipe_of_weights,
    weights_named,
)
from evalsuite.verbs.tune import TrainingRequest

TINY_WORLD = Path("data/tinyworld")


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


def set_up(request: Request, *, always_trains: bool) -> Work:
    """Return everything that a request needs, checked before any long work begins.

    Args:
        always_trains: fine-tune even where the weights hold a head for the task.

    Raises:
        UserError: anything that the user can fix.
    """
    task = task_named(request.task)
    given = None if request.weights is None else weights_named(request.weights, request.seed)
    name = backbone_of(request.backbone, given)
    check_capabilities(
        task.benchmark, name, {known: Beit3.capabilities for known in backbone_names()}
    )
    recipe = _recipe(task.recipe(name), request.settings)
    weights = given or weights_named(recipe.weights, request.seed, is_usual=True)
    accelerator = accelerator_for(recipe, request.device, request.track, request.runs)
    data = data_folder(request.data, accelerator, task=request.task)
    open_task = task.open(data, recipe, text_tokenizer(name, data, task.benchmark))
    train_split = recipe.train_split or task.benchmark.card.train_split
    can_serve = _can_serve(weights, open_task, name, task)
    if request.zero_shot:
        check_zero_shot(task.benchmark.card, weights, can_serve, request.new_head)
    # The usual weights are there to be fine-tuned; those that a person names serve as they are.
    serves = can_serve and (request.zero_shot or not weights.is_usual)
    trains = always_trains or not serves or request.new_head
    if not trains:
        recipe = recipe_of_weights(recipe, weights, request.settings)
        open_task = task.open(data, recipe, text_tokenizer(name, data, task.benchmark))
    backbone = backbone_for(name, recipe, task.final_norm, request.seed)
    head = open_task.head(backbone, seed=request.seed)
    backbone.initialise_head(head, request.seed)
    report = None
    if weights.state is not None:
        report = load_weights(backbone, head, weights.state, new_head=trains, source=weights.origin)
        if accelerator.is_main_process:
            say("\n".join((*weights.notes, str(report))))
    model = TaskModel(backbone, head, open_task)
    share_cores(model)
    return Work(
        accelerator=accelerator,
        benchmark=task.benchmark,
        data=data,
        open_task=open_task,
        recipe=recipe,
        backbone_name=name,
        weights=weights,
        key_report=report,
        model=model,
        train_index=open_index(task.benchmark, data, train_split) if trains else None,
    )


def load_backbone(weights: str, *, image_size: int | None = None) -> Backbone:
    """Return the backbone of a weights file (a path, a URL or a released file's name).

    Args:
        image_size: pixels per side; the positions are interpolated where it is not the file's.

    Raises:
        UserError: the file is not there, not to be trusted, or of no known backbone.
    """
    path = local_file(weights)
    state, notes = read_weights(weight_source(path))
    for note in notes:
        say(note)
    found = recognise(state, str(path))
    if found.backbone is None:
        raise UserError(f"{path}: a BEiT-3 of no known size")
    size = image_size or found.image_size
    backbone = beit3(found.backbone, image_size=size, final_norm=found.final_norm, seed=None)
    load_weights(backbone, None, state, source=str(path))
    return backbone


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


def data_folder(
    given: Path | None,
    accelerator: Accelerator,
    *,
    task: str,
    world: Path = TINY_WORLD,
    size: str = "small",
) -> Path:
    """Return the data folder; a tiny world for the task is drawn where none is named.

    Raises:
        UserError: the folder does not exist.
    """
    if given is None:
        with accelerator.main_process_first():
            write_world(world, size=size, benchmarks=(task,), say=say)
        return world
    if not given.is_dir():
        raise UserError(
            f"{given}: no such folder; expected the official files of {task}, "
            f"see `evalsuite doctor {task} --data DIR`"
        )
    return given


def text_tokenizer(name: str, data: Path, benchmark: Benchmark) -> Tokenizer:
    """Return the backbone's text tokenizer; a `beit3.spm` in the data folder saves the download.

    Where only images are read the one at hand does: nothing is downloaded for it.
    """
    if name == TINY_BACKBONE or benchmark.card.needs == ("image",):
        return Tokenizer(tokenizer_path())
    beside = data / "beit3.spm"
    return Tokenizer(beside if beside.is_file() else local_file("beit3.spm"))
