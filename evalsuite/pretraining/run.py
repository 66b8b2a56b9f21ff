"""The verb `pretrain`: one stage of pretraining, one run folder."""

from dataclasses import asdict, replace

import torch
from torch import Tensor

from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.backbones.loading import load_weights, official_state
from evalsuite.data.images import ImageReader, eval_transform
from evalsuite.data.index import open_index
from evalsuite.engine.finetune import finetune_model
from evalsuite.engine.model import TaskModel
from evalsuite.engine.progress import say
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.grounding import GroundingHead
from evalsuite.pretraining.health import Examination, Health, health_table, word_health
from evalsuite.pretraining.objective import MaskedHead
from evalsuite.pretraining.preparing import (
    PretrainRequest,
    StageWork,
    prepare_examination,
    prepare_stage,
)
from evalsuite.pretraining.recipes import MaskedRecipe, Stage, TokenizerRecipe
from evalsuite.pretraining.tokenizer import clustered_pixels
from evalsuite.records.errors import UserError
from evalsuite.records.files import write_json
from evalsuite.records.lock import folders_freed
from evalsuite.records.run import Run
from evalsuite.verbs.tune import keep_training, open_run, save_weights, tuning_of

HEALTH_CAPTIONS = 500
STAGES: tuple[Stage, ...] = ("tokenizer", "masked", "itc", "grounding")


@folders_freed()
def pretrain(request: PretrainRequest) -> Run:
    """Train one stage on the corpus; return the run, whose `weights` are the result.

    The same request resumes where an earlier one stopped, on any number of processes.

    Raises:
        UserError: anything that the user can fix; what was finished is kept.
    """
    if request.stage not in STAGES:
        raise UserError(f"--stage {request.stage}: expected one of {', '.join(STAGES)}")
    work = prepare_stage(request)
    run, accelerator = _run(work, request), work.accelerator
    if not run.weights.is_file():
        if isinstance(work.recipe, TokenizerRecipe) and work.recipe.codes == "pixels":
            _cluster(work, work.recipe, run, request)
        else:
            tuning = tuning_of(request, run, work.task, work.recipe, work.index)
            meter = finetune_model(replace(tuning, title="pretraining"), work.model, accelerator)
            if accelerator.is_main_process:
                keep_training(run, _official(work.model), request.stage, meter)
            accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        _note_health(work, run)
    accelerator.wait_for_everyone()
    accelerator.end_training()
    return run


def examine_words(request: PretrainRequest) -> list[Health]:
    """Return what weights with a word head predict of each kind of hidden word.

    Captions come from the corpus's val split; `limit` says how many, 500 by default.

    Raises:
        UserError: the weights hold no word head, or files are missing.
    """
    return word_health(prepare_examination(request), request.limit or HEALTH_CAPTIONS)


def _run(work: StageWork, request: PretrainRequest) -> Run:
    """Return the run folder of this request, the same on every process."""
    identity = {
        "task": f"pretrain_{request.stage}",
        "backbone": work.backbone_name,
        **work.sources,
        "data": work.index.fingerprint,
    }
    facts = {
        "data": str(work.data.resolve()),
        "num_samples": min(len(work.index), request.limit or len(work.index)),
        "weights": {
            "origin": work.start.origin,
            "keys": None if work.key_report is None else asdict(work.key_report),
        },
    }
    return open_run(request, work.recipe, work.accelerator, identity=identity, facts=facts)


def _official(model: TaskModel) -> dict[str, Tensor]:
    """Return the weights as the released files hold them."""
    head = model.head
    if isinstance(head, MaskedHead):
        return official_state(model.backbone, None) | head.official_state()
    if isinstance(head, GroundingHead):
        return official_state(model.backbone, None)
    return official_state(model.backbone, head)


def _cluster(work: StageWork, recipe: TokenizerRecipe, run: Run, request: PretrainRequest) -> None:
    """Cluster the pixels of drawn images, on the main process, and write the codes."""
    if work.accelerator.is_main_process:
        generator = torch.Generator().manual_seed(request.seed)
        read = ImageReader(work.data, eval_transform(recipe.image_size), None)
        places = torch.randperm(run.facts["num_samples"], generator=generator)
        drawn = [work.index[place].images[0] for place in places[: recipe.cluster_images].tolist()]
        image_BCHW = torch.stack([read(name, None) for name in drawn])
        patch_size = work.model.backbone.patch_size
        save_weights(run, clustered_pixels(image_BCHW, recipe, patch_size, generator))
    work.accelerator.wait_for_everyone()


def _note_health(work: StageWork, run: Run) -> None:
    """Write and say what a finished masked stage predicts of each kind of word, once."""
    path = run.folder / "health.json"
    if not isinstance(work.recipe, MaskedRecipe) or path.is_file():
        return
    model = work.model
    state = read_checkpoint(run.weights)
    load_weights(model.backbone, model.head, state, new_head=True, source=str(run.weights))
    examination = Examination(
        backbone=model.backbone.to(work.accelerator.device),
        head=model.head.to(work.accelerator.device),
        tokenizer=work.tokenizer,
        data=work.data,
        index=open_index(CORPUS, work.data, CORPUS.card.eval_split),
        max_text_tokens=work.recipe.max_text_tokens,
    )
    try:
        found = word_health(examination, HEALTH_CAPTIONS)
    except UserError as error:  # the weights are finished, with or without images to ask about
        say(f"its words could not be examined: {error}")
        return
    write_json(path, [one._asdict() for one in found])
    say(health_table(found))
