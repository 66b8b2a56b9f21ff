"""From a person's request to everything that a stage of pretraining needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from evalsuite.backbones.beit3.model import beit3
from evalsuite.backbones.beit3.recognise import recognise
from evalsuite.backbones.loading import KeyReport, load_weights
from evalsuite.backbones.weight_folder import one_file
from evalsuite.backbones.weights import local_file
from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.task import OpenTask
from evalsuite.data.index import SampleIndex, open_index
from evalsuite.data.text import Tokenizer
from evalsuite.engine.model import TaskModel
from evalsuite.engine.progress import say
from evalsuite.engine.session import accelerator_for, share_cores
from evalsuite.heads.words import WordHead
from evalsuite.kinds.retrieval.embed import DualEncoder
from evalsuite.kinds.retrieval.recipes import RetrievalRecipe
from evalsuite.pretraining.codes import HINT, check_same, read_codes
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.grounding import OpenGrounding
from evalsuite.pretraining.health import Examination
from evalsuite.pretraining.objective import OpenMasked
from evalsuite.pretraining.recipes import (
    GroundingRecipe,
    MaskedRecipe,
    Stage,
    TokenizerRecipe,
    recipe_of,
)
from evalsuite.pretraining.tokenizer import OpenTokenizer
from evalsuite.records.errors import UserError
from evalsuite.records.files import file_sha256
from evalsuite.records.recipe import Recipe
from evalsuite.verbs.data_folder import data_folder, text_tokenizer
from evalsuite.verbs.load_backbone import load_backbone
from evalsuite.verbs.prepare import backbone_for
from evalsuite.verbs.starting_weights import Weights, backbone_of, weights_named
from evalsuite.verbs.tune import TrainingRequest

FULL_WORLD = Path("data/tinyworld-full")
TINY_TOKENIZER = "beit3_tiny_tokenizer.safetensors"


@dataclass(frozen=True, kw_only=True)
class PretrainRequest(TrainingRequest):
    """What a person asks of a stage of pretraining; None stands for the usual choice.

    Without `data` the full tiny world is drawn. `tokenizer` makes the visual tokens of the masked
    stage.
    """

    stage: Stage = "masked"
    tokenizer: str | None = None


@dataclass(frozen=True, kw_only=True)
class StageWork:
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


def prepare_stage(request: PretrainRequest) -> StageWork:
    """Return everything that a request needs, checked before any long work begins.

    Raises:
        UserError: anything that the user can fix.
    """
    given = None if request.weights is None else weights_named(request.weights, request.seed)
    name = backbone_of(request.backbone, given)
    recipe = recipe_of(request.stage, name).with_settings(request.settings)
    start = given or weights_named(recipe.weights, request.seed, is_usual=True)
    accelerator = accelerator_for(recipe, request.device, request.track, request.runs)
    data = _data(request, accelerator)
    tokenizer = text_tokenizer(name, data, CORPUS)
    backbone = backbone_for(name, recipe, True, request.seed)
    files = _files(recipe, request)
    split = recipe.train_split or CORPUS.card.train_split
    task = _open(recipe, data, split, tokenizer, backbone, files)
    head = task.head(backbone, seed=request.seed)
    backbone.initialise_head(head, request.seed)
    report = None
    if start.state is not None:
        report = load_weights(backbone, head, start.state, new_head=True, source=start.origin)
        if accelerator.is_main_process:
            say("\n".join((*start.notes, str(report))))
    model = TaskModel(backbone, head, task)
    share_cores(model)
    return StageWork(
        accelerator=accelerator,
        recipe=recipe,
        backbone_name=name,
        data=data,
        index=open_index(CORPUS, data, split),
        tokenizer=tokenizer,
        task=task,
        model=model,
        start=start,
        sources={"weights": start.sha256} | {use: file_sha256(files[use]) for use in files},
        key_report=report,
    )


def _files(recipe: Recipe, request: PretrainRequest) -> dict[str, Path]:
    """Return the files beside the weights that decide the stage's result, by their use.

    Raises:
        UserError: one is not there, or the stage reads none.
    """
    if request.tokenizer is not None and not isinstance(recipe, MaskedRecipe):
        raise UserError(f"--tokenizer: --stage {request.stage} reads none; leave it out")
    if isinstance(recipe, MaskedRecipe):
        return {"tokenizer": _visual_tokenizer(request)}
    if isinstance(recipe, TokenizerRecipe) and recipe.teacher:
        return {"teacher": one_file(local_file(recipe.teacher))}
    return {}


def _open(
    recipe: Recipe,
    data: Path,
    split: str,
    tokenizer: Tokenizer,
    backbone: Backbone,
    files: Mapping[str, Path],
) -> OpenTask:
    """Return the stage at work.

    Raises:
        UserError: a file does not fit the backbone, or settings do not fit each other.
    """
    if isinstance(recipe, RetrievalRecipe):
        return DualEncoder(data, recipe, tokenizer)
    if isinstance(recipe, GroundingRecipe):
        return OpenGrounding(data, recipe, split, backbone.patch_size)
    if isinstance(recipe, TokenizerRecipe):
        if "teacher" not in files:
            return OpenTokenizer(data, recipe, None)
        teacher = load_backbone(str(files["teacher"]), image_size=recipe.image_size)
        check_same(files["teacher"], "patches", teacher.patch_size, backbone.patch_size)
        return OpenTokenizer(data, recipe, teacher)
    assert isinstance(recipe, MaskedRecipe)
    side = backbone.image_size // backbone.patch_size
    codes = read_codes(files["tokenizer"], backbone)
    return OpenMasked(data, recipe, tokenizer, codes, side)


def _data(request: PretrainRequest, accelerator: Accelerator) -> Path:
    """Return the folder of the image-text pairs, which are those of COCO retrieval."""
    return data_folder(
        request.data, accelerator, task="retrieval_coco", world=FULL_WORLD, size="full"
    )


def _visual_tokenizer(request: PretrainRequest) -> Path:
    """Return the tokenizer's file, the shipped one where none is named.

    Raises:
        UserError: there is none.
    """
    if request.tokenizer is not None:
        return one_file(local_file(request.tokenizer))
    try:
        return local_file(TINY_TOKENIZER)
    except UserError:
        raise UserError(
            f"--stage masked predicts visual tokens and finds no {TINY_TOKENIZER}: "
            f"give --tokenizer FILE; {HINT}"
        ) from None


def prepare_examination(request: PretrainRequest) -> Examination:
    """Return what examining the words of a request's weights needs.

    Raises:
        UserError: the weights hold no word head, files are missing, or an option is given that
            only training reads.
    """
    training_only = {
        "--tokenizer": request.tokenizer,
        "--track": request.track,
        "--skip-bad": request.skip_bad,
    }
    for option, value in training_only.items():
        if value:
            raise UserError(f"{option}: --stage health trains nothing; leave it out")
    if request.weights is None:
        raise UserError("--stage health examines weights: give --weights FILE")
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
    return Examination(
        backbone=backbone.to(accelerator.device),
        head=head.to(accelerator.device),
        tokenizer=text_tokenizer(name, data, CORPUS),
        data=data,
        index=open_index(CORPUS, data, CORPUS.card.eval_split),
        max_text_tokens=recipe.max_text_tokens,
    )
