"""The verbs `evaluate` and `finetune`: one backbone, one benchmark, one run folder."""

from dataclasses import asdict, replace
from typing import NamedTuple

from torch import nn

from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.backbones.loading import load_weights, official_state
from evalsuite.catalog import split_named, task_named
from evalsuite.data.index import SampleIndex, open_index
from evalsuite.engine.changed import set_changed_aside
from evalsuite.engine.checking import check_split
from evalsuite.engine.finetune import finetune_model
from evalsuite.engine.loading import Budget
from evalsuite.engine.model import TaskModel
from evalsuite.engine.predict import PredictionWork, predict
from evalsuite.engine.progress import say
from evalsuite.records.errors import UserError
from evalsuite.records.lock import folders_freed
from evalsuite.records.recipe import changed_settings
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.report.official_data import official_check
from evalsuite.tinyworld.marker import TINY_WORLD, is_tinyworld
from evalsuite.verbs.prepare import Request, Work, prepare
from evalsuite.verbs.regimes import regime_of
from evalsuite.verbs.run_files import report_of
from evalsuite.verbs.tracking import track_report
from evalsuite.verbs.tune import keep_training, note_phase, open_run, tuning_of


class Outcome(NamedTuple):
    """A run, and what it reached.

    `report` is None on all processes but the main one: they are done when they have predicted.
    """

    run: Run
    report: Report | None


@folders_freed()
def evaluate(request: Request) -> Outcome:
    """Fine-tune where the weights hold no head for the task, predict, score, write the reports.

    The same request resumes where an earlier one stopped, on any number of processes.

    Raises:
        UserError: anything that the user can fix; what was finished is kept.
    """
    work = prepare(request, always_trains=False)
    split = split_named(work.benchmark, request.split)
    index = open_index(work.benchmark, work.data, split)
    _check_unseen(work, split, index)
    training = replace(request, limit=None)  # the weights are the same, whatever is evaluated
    run = _run(work, training)
    predicting = _predicting(work, request, split, index)
    _note_split(work, run, predicting)
    if _is_untrained(work, run):
        check_split(predicting, work.benchmark, work.data, run, work.accelerator)
        _tune(work, run, training)
    set_changed_aside(predicting, run, work.accelerator)
    meter = predict(predicting, _loaded(work, run), run, work.accelerator)
    work.accelerator.wait_for_everyone()
    # Only the main process has trackers; they stay open for the scores.
    trackers, work.accelerator.trackers = work.accelerator.trackers, []
    work.accelerator.end_training()  # scoring needs no process group, and must not keep one waiting
    if not work.accelerator.is_main_process:
        return Outcome(run, None)
    note_phase(run, f"predict {split}", meter)
    report = report_of(run, split)
    track_report(trackers, report)
    for tracker in trackers:
        tracker.finish()
    return Outcome(run, report)


@folders_freed()
def finetune(request: Request) -> Run:
    """Fine-tune on the task's training split; return the run, whose `weights` are the result.

    Raises:
        UserError: anything that the user can fix; what was finished is kept.
    """
    work = prepare(request, always_trains=True)
    run = _run(work, request)
    if _is_untrained(work, run):
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
        "data": work.train_index.fingerprint if work.train_index else str(work.data.resolve()),
    }
    weights = {
        "origin": work.weights.origin,
        "sha256": work.weights.sha256,
        "fine_tuned_here": work.train_index is not None,
        "keys": None if work.key_report is None else asdict(work.key_report),
        "num_parameters": sum(weight.numel() for weight in work.model.parameters()),
        "head_outputs": _outputs(work.model.head),
    }
    card = work.benchmark.card
    settings = work.recipe.to_json()
    regime = regime_of(card, weights, settings, is_zero_shot=request.zero_shot)
    published = task_named(request.task).recipe(work.backbone_name)
    is_trained = work.train_index is not None
    changed = changed_settings(published, work.recipe, is_trained=is_trained)
    facts = {"regime": regime, "protocol": card.protocol, "weights": weights, "changed": changed}
    return open_run(request, work.recipe, work.accelerator, identity=identity, facts=facts)


def _outputs(head: nn.Module) -> int | None:
    """Return the width of a head's last layer, None where it has none."""
    layers = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
    return layers[-1].out_features if layers else None


def _is_untrained(work: Work, run: Run) -> bool:
    """Whether weights are to be fine-tuned, and no earlier session has finished it."""
    return work.train_index is not None and not run.weights.is_file()


def _tune(work: Work, run: Run, request: Request) -> None:
    """Fine-tune, and write the weights."""
    assert work.train_index is not None
    tuning = tuning_of(request, run, work.open_task, work.recipe, work.train_index)
    meter = finetune_model(tuning, work.model, work.accelerator)
    if work.accelerator.is_main_process:
        state = official_state(work.model.backbone, work.model.head)
        keep_training(run, state, "finetune", meter)
    work.accelerator.wait_for_everyone()


def _predicting(work: Work, request: Request, split: str, index: SampleIndex) -> PredictionWork:
    """Return what predicting the split works with."""
    is_part = request.limit is not None and request.limit < len(index)
    return PredictionWork(
        task=work.open_task,
        recipe=work.recipe,
        data=work.data,
        index=index,
        split=split,
        limit=request.limit if is_part else None,
        bad=Budget(request.skip_bad),
    )


def _loaded(work: Work, run: Run) -> TaskModel:
    """Return the model to predict with, read from its file so that a repeat has the same bits."""
    if work.train_index is not None:
        state = read_checkpoint(run.weights)
        load_weights(work.model.backbone, work.model.head, state, source=str(run.weights))
    return work.model


def _note_split(work: Work, run: Run, predicting: PredictionWork) -> None:
    """Write down which data the split is read from.

    Where its files are others than before, nothing predicted counts any longer; the fine-tuned
    weights do, since they depend on the training split alone.
    """
    split, index, limit = predicting.split, predicting.index, predicting.limit
    known = run.facts.setdefault("splits", {})
    entry = {
        "folder": str(work.data.resolve()),
        "name": TINY_WORLD if is_tinyworld(work.data) else work.data.name,
        "fingerprint": index.fingerprint,
        "num_samples": limit or len(index),
        "limit": limit,
        **official_check(work.benchmark.card.splits[split], index.ids, work.data),
    }
    if work.accelerator.is_main_process:
        if split in known and known[split]["fingerprint"] != index.fingerprint:
            kept = run.set_aside(split)
            where = f" (the earlier predictions are kept in {kept})" if kept else ""
            say(
                f"{split} is read from other files than before: predicting it anew with the same "
                f"weights{where}"
            )
        known[split] = entry
        run.facts["split"] = split
        run.save()
    work.accelerator.wait_for_everyone()  # before anybody reads the journals
