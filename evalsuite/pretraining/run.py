"""The verb `pretrain`: one stage of pretraining, one run folder."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor

from evalsuite.backbones.beit3 import beit3
from evalsuite.backbones.checkpoint import read_checkpoint, save_checkpoint
from evalsuite.backbones.contract import Backbone
from evalsuite.backbones.convert import recognise
from evalsuite.backbones.fetch import local_file
from evalsuite.backbones.loading import KeyReport, load_weights, official_state
from evalsuite.data.images import ImageReader, eval_transform
from evalsuite.data.index import SampleIndex, open_index
from evalsuite.data.text import Tokenizer
from evalsuite.engine.finetune import Tuning, finetune_model
from evalsuite.engine.loading import Budget
from evalsuite.engine.model import TaskModel
from evalsuite.engine.progress import say
from evalsuite.engine.session import accelerator_for, environment, share_cores
from evalsuite.engine.trainer_state import remove_states
from evalsuite.evaluating import note_phase
from evalsuite.heads.dual_encoder import DualEncoder, RetrievalRecipe
from evalsuite.heads.words import WordHead
from evalsuite.pretraining.codes import HINT, check_same, read_codes
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.health import Examination, Health, health_table, word_health
from evalsuite.pretraining.objective import MaskedHead, OpenMasked
from evalsuite.pretraining.recipes import MaskedRecipe, Stage, TokenizerRecipe, recipe_of
from evalsuite.pretraining.tokenizer import OpenTokenizer, clustered_pixels
from evalsuite.records.errors import UserError
from evalsuite.records.files import file_sha256, write_json
from evalsuite.records.recipe import Recipe
from evalsuite.records.run import Run
from evalsuite.setting_up import load_backbone
from evalsuite.starting_weights import TINY_BACKBONE, Weights, backbone_of, weights_named
from evalsuite.task import OpenTask
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world

FULL_WORLD = Path("data/tinyworld-full")
TINY_TOKENIZER = "beit3_tiny_tokenizer.safetensors"
HEALTH_CAPTIONS = 500
STAGES: tuple[Stage, ...] = ("tokenizer", "masked", "itc")


@dataclass(frozen=True, kw_only=True)
class PretrainRequest:
    """What a person asks for; None stands for the usual choice.

    Without `data` the full tiny world is drawn, without `weights` the backbone starts from scratch.
    `tokenizer` makes the visual tokens of the masked stage. `limit` keeps the first samples.
    """

    stage: Stage = "masked"
    backbone: str | None = None
    weights: str | None = None
    tokenizer: str | None = None
    data: Path | None = None
    runs: Path = Path("runs")
    limit: int | None = None
    device: str | None = None
    settings: tuple[str, ...] = ()
    seed: int = 0
    skip_bad: int = 0
    track: str | None = None


@dataclass(frozen=True, kw_only=True)
class Work:
    """A request made concrete. `sources` are the files that decide the result, by their use."""

    accelerator: Accelerator
    recipe: Recipe
    backbone_name: str
    data: Path
    index: SampleIndex
    tokenizer: Tokenizer
    task: OpenTask
    model: TaskModel
    start: Weights
    sources: Mapping[str, str | None]
    key_report: KeyReport | None


def pretrain(request: PretrainRequest) -> Run:
    """Train one stage on the corpus; return the run, whose `weights` are the result.

    The same request goes on where an earlier one stopped, on any number of processes.

    Raises:
        UserError: anything that the person can mend; what was finished is kept.
    """
    if request.stage not in STAGES:
        raise UserError(f"--stage {request.stage}: expected one of {', '.join(STAGES)}")
    work = _set_up(request)
    run = _run(work, request)
    if request.track is not None:
        work.accelerator.init_trackers(run.folder.name, config={"source": work.recipe.source})
    if not run.weights.is_file():
        if isinstance(work.recipe, TokenizerRecipe) and work.recipe.codes == "pixels":
            _cluster(work, work.recipe, run, request)
        else:
            _train(work, run, request)
    if work.accelerator.is_main_process:
        _note_health(work, run)
    work.accelerator.wait_for_everyone()
    work.accelerator.end_training()
    return run


def examine_words(request: PretrainRequest) -> list[Health]:
    """Return what weights with a word head predict of each kind of hidden word.

    Captions come from the corpus's val split; `limit` says how many, 500 by default.

    Raises:
        UserError: the weights hold no word head, or files are missing.
    """
    if request.weights is None:
        raise UserError("--stage health looks at weights: give --weights FILE")
    start = weights_named(request.weights, request.seed)
    name = backbone_of(request.backbone, start)
    if start.state is None or "mlm_head.weight" not in start.state:
        raise UserError(
            f"{start.origin}: holds no mlm_head to predict words with; expected the weights of "
            "--stage masked"
        )
    recipe = recipe_of("masked", name).with_settings(request.settings)
    accelerator = accelerator_for(recipe, request.device, None, request.runs)
    data = _data(request, accelerator)
    size = recognise(start.state, start.origin).image_size
    backbone = beit3(name, image_size=size, seed=None)
    with torch.device("meta"):
        head = WordHead(backbone.width, len(start.state["mlm_head.weight"]))
    load_weights(backbone, head, start.state, source=start.origin)
    share_cores(backbone)
    work = Examination(
        backbone=backbone.to(accelerator.device),
        head=head.to(accelerator.device),
        tokenizer=_tokenizer(name, data),
        data=data,
        index=open_index(CORPUS, data, CORPUS.card.eval_split),
        max_text_tokens=recipe.max_text_tokens,
    )
    return word_health(work, request.limit or HEALTH_CAPTIONS)


def _set_up(request: PretrainRequest) -> Work:
    """Return everything that a request needs, checked before any long work begins.

    Raises:
        UserError: anything that the person can mend.
    """
    start = weights_named(request.weights, request.seed)
    name = backbone_of(request.backbone, start)
    recipe = recipe_of(request.stage, name).with_settings(request.settings)
    accelerator = accelerator_for(recipe, request.device, request.track, request.runs)
    data = _data(request, accelerator)
    tokenizer = _tokenizer(name, data)
    backbone = beit3(
        name,
        image_size=recipe.image_size,
        drop_path=recipe.drop_path,
        activation_checkpointing=recipe.activation_checkpointing,
        seed=request.seed,
    )
    sources = {"weights": start.sha256}
    task = _open(recipe, request, data, tokenizer, backbone, sources)
    head = task.head(backbone, seed=request.seed)
    backbone.initialise_head(head, request.seed)
    report = None
    if start.state is not None:
        report = load_weights(backbone, head, start.state, new_head=True, source=start.origin)
        if accelerator.is_main_process:
            say(str(report))
    model = TaskModel(backbone, head, task)
    share_cores(model)
    return Work(
        accelerator=accelerator,
        recipe=recipe,
        backbone_name=name,
        data=data,
        index=open_index(CORPUS, data, recipe.train_split or CORPUS.card.train_split),
        tokenizer=tokenizer,
        task=task,
        model=model,
        start=start,
        sources=sources,
        key_report=report,
    )


def _open(
    recipe: Recipe,
    request: PretrainRequest,
    data: Path,
    tokenizer: Tokenizer,
    backbone: Backbone,
    sources: dict[str, str | None],
) -> OpenTask:
    """Return the stage at work, and note the files that it reads in `sources`.

    Raises:
        UserError: a file is missing or does not fit, or settings do not fit each other.
    """
    if isinstance(recipe, RetrievalRecipe):
        return DualEncoder(data, recipe, tokenizer)
    if isinstance(recipe, TokenizerRecipe):
        teacher = None
        if recipe.teacher:
            sources["teacher"] = file_sha256(local_file(recipe.teacher))
            teacher = load_backbone(recipe.teacher, image_size=recipe.image_size)
            check_same(Path(recipe.teacher), "patches", teacher.patch_size, backbone.patch_size)
        return OpenTokenizer(data, recipe, teacher)
    assert isinstance(recipe, MaskedRecipe)
    path = _visual_tokenizer(request)
    sources["tokenizer"] = file_sha256(path)
    side = backbone.image_size // backbone.patch_size
    return OpenMasked(data, recipe, tokenizer, read_codes(path, backbone), side)


def _data(request: PretrainRequest, accelerator: Accelerator) -> Path:
    """Return the data folder; the full tiny world is drawn where none is named.

    Raises:
        UserError: the folder does not exist.
    """
    if request.data is None:
        with accelerator.main_process_first():
            write_world(FULL_WORLD, size="full", benchmarks=("retrieval_coco",), say=say)
        return FULL_WORLD
    if not request.data.is_dir():
        raise UserError(
            f"{request.data}: no such folder; expected COCO's images and Karpathy's splits, "
            "see `evalsuite doctor retrieval_coco --data DIR`"
        )
    return request.data


def _tokenizer(name: str, data: Path) -> Tokenizer:
    """Return the backbone's text tokenizer; a `beit3.spm` in the data folder saves the download."""
    if name == TINY_BACKBONE:
        return Tokenizer(tokenizer_path())
    beside = data / "beit3.spm"
    return Tokenizer(beside if beside.is_file() else local_file("beit3.spm"))


def _visual_tokenizer(request: PretrainRequest) -> Path:
    """Return the tokenizer's file, the shipped one where none is named.

    Raises:
        UserError: there is none.
    """
    if request.tokenizer is not None:
        return local_file(request.tokenizer)
    try:
        return local_file(TINY_TOKENIZER)
    except UserError:
        raise UserError(
            f"--stage masked predicts visual tokens and finds no {TINY_TOKENIZER}: "
            f"give --tokenizer FILE; {HINT}"
        ) from None


def _run(work: Work, request: PretrainRequest) -> Run:
    """Return the run folder of this request, the same on every process."""
    identity = {
        "task": f"pretrain_{request.stage}",
        "backbone": work.backbone_name,
        **work.sources,
        "recipe": work.recipe.to_json(),
        "seed": request.seed,
        "limit": request.limit,
        "data": work.index.fingerprint,
    }
    folder: list[str | None] = [None]
    if work.accelerator.is_main_process:
        run = Run.continue_or_create(request.runs, identity, environment(work.accelerator))
        run.facts["data"] = str(work.data.resolve())
        run.facts["num_samples"] = min(len(work.index), request.limit or len(work.index))
        run.facts["weights"] = {
            "origin": work.start.origin,
            "keys": None if work.key_report is None else asdict(work.key_report),
        }
        run.facts.setdefault("phases", {})
        say(f"{run.folder}: {'continued' if run.is_continued else 'new run'}")
        run.save()
        folder = [str(run.folder)]
    broadcast_object_list(folder)
    assert folder[0] is not None
    return Run.open(Path(folder[0]))


def _train(work: Work, run: Run, request: PretrainRequest) -> None:
    """Train the stage and write its weights."""
    tuning = Tuning(
        task=work.task,
        recipe=work.recipe,
        index=work.index,
        num_samples=min(len(work.index), request.limit or len(work.index)),
        seed=request.seed,
        states=run.checkpoints,
        log=run.training_log,
        bad=Budget(request.skip_bad),
    )
    accelerator = work.accelerator
    meter = finetune_model(tuning, work.model, accelerator)
    if accelerator.is_main_process:
        _save(work, run, _official(work.model))
        remove_states(run.checkpoints)
        note_phase(run, request.stage, meter)
    accelerator.wait_for_everyone()


def _official(model: TaskModel) -> dict[str, Tensor]:
    """Return the weights as the released files hold them."""
    head = model.head
    if isinstance(head, MaskedHead):
        return official_state(model.backbone, None) | head.official_state()
    return official_state(model.backbone, head)


def _save(work: Work, run: Run, state: Mapping[str, Tensor]) -> None:
    """Write the stage's result."""
    run.checkpoints.mkdir(parents=True, exist_ok=True)
    stage = run.facts["identity"]["task"]
    metadata = {"stage": stage, "backbone": work.backbone_name, "run": run.folder.name}
    save_checkpoint(run.weights, state, metadata)


def _cluster(work: Work, recipe: TokenizerRecipe, run: Run, request: PretrainRequest) -> None:
    """Cluster pixels, on the main process, and write the codes."""
    if work.accelerator.is_main_process:
        read = ImageReader(work.data, eval_transform(recipe.image_size), None)
        patch_size = work.model.backbone.patch_size
        _save(work, run, clustered_pixels(work.index, read, recipe, patch_size, seed=request.seed))
    work.accelerator.wait_for_everyone()


def _note_health(work: Work, run: Run) -> None:
    """Write and say what a finished masked stage predicts of each kind of word, once."""
    path = run.folder / "health.json"
    if not isinstance(work.recipe, MaskedRecipe) or path.is_file():
        return
    model = work.model
    state = read_checkpoint(run.weights)
    load_weights(model.backbone, model.head, state, new_head=True, source=str(run.weights))
    found = word_health(
        Examination(
            backbone=model.backbone.to(work.accelerator.device),
            head=model.head.to(work.accelerator.device),
            tokenizer=work.tokenizer,
            data=work.data,
            index=open_index(CORPUS, work.data, CORPUS.card.eval_split),
            max_text_tokens=work.recipe.max_text_tokens,
        ),
        HEALTH_CAPTIONS,
    )
    write_json(path, [one._asdict() for one in found])
    say(health_table(found))
