"""The commands that run a model: eval, finetune, pretrain, reproduce.

What they call needs torch, and is imported when they are called, so that help starts at once.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import evalsuite.cli.options as options
from evalsuite.cli.faults import say
from evalsuite.cli.printing import print_report, print_reports, print_reproduced
from evalsuite.records.errors import UserError

Stage = Literal["tokenizer", "masked", "itc", "grounding", "health"]


def evaluate(
    task: options.Task,
    backbone: options.Backbone = None,
    weights: options.WeightsOption = None,
    data: options.Data = None,
    split: options.Split = None,
    runs: options.Runs = Path("runs"),
    limit: options.Limit = None,
    device: options.Device = None,
    settings: options.Settings = None,
    seed: options.Seed = 0,
    skip_bad: options.SkipBad = 0,
    max_pixels: options.MaxPixels = None,  # takes effect as it is read
    track: options.Track = None,
    new_head: options.NewHead = False,
    zero_shot: options.ZeroShot = False,
    linear_probe: options.LinearProbe = False,
    save_maps: options.SaveMaps = False,
    as_json: options.AsJson = False,
) -> None:
    """Fine-tune where the weights hold no head for the task, then predict, score and report.

    TASK may be "all": every task, then the table, the radar and the page. Without --data the tiny
    world is drawn into data/tinyworld. The same command resumes an interrupted run.
    """
    from evalsuite.verbs.evaluate import evaluate as run_it
    from evalsuite.verbs.prepare import Request

    request = Request(
        task=task,
        backbone=backbone,
        weights=weights,
        data=data,
        split=split,
        runs=runs,
        limit=limit,
        device=device,
        settings=_with_switches(settings, linear_probe=linear_probe, save_maps=save_maps),
        seed=seed,
        skip_bad=skip_bad,
        track=track,
        new_head=new_head,
        zero_shot=zero_shot,
    )
    if task == "all":
        _evaluate_all(request, as_json=as_json)
        return
    report = run_it(request).report
    if report is not None:
        print_report(report, as_json=as_json)


def finetune(
    task: options.Task,
    backbone: options.Backbone = None,
    weights: options.WeightsOption = None,
    data: options.Data = None,
    runs: options.Runs = Path("runs"),
    limit: options.TrainingLimit = None,
    device: options.Device = None,
    settings: options.Settings = None,
    seed: options.Seed = 0,
    skip_bad: options.SkipBad = 0,
    max_pixels: options.MaxPixels = None,  # takes effect as it is read
    track: options.Track = None,
    linear_probe: options.LinearProbe = False,
) -> None:
    """Fine-tune, even if the weights already have a head; print the path of the new weights."""
    from evalsuite.verbs.evaluate import finetune as run_it
    from evalsuite.verbs.prepare import Request

    run = run_it(
        Request(
            task=task,
            backbone=backbone,
            weights=weights,
            data=data,
            runs=runs,
            limit=limit,
            device=device,
            settings=_with_switches(settings, linear_probe=linear_probe),
            seed=seed,
            skip_bad=skip_bad,
            track=track,
        )
    )
    print(run.weights)


def pretrain(
    stage: Annotated[
        Stage,
        typer.Option(
            metavar="STAGE",
            help="tokenizer, masked, itc, grounding: run in this order. `health` only inspects "
            "weights.",
        ),
    ] = "masked",
    backbone: options.Backbone = None,
    weights: options.WeightsOption = None,
    tokenizer: options.TokenizerFile = None,
    data: options.Data = None,
    runs: options.Runs = Path("runs"),
    limit: options.TrainingLimit = None,
    device: options.Device = None,
    settings: options.Settings = None,
    seed: options.Seed = 0,
    skip_bad: options.SkipBad = 0,
    max_pixels: options.MaxPixels = None,  # takes effect as it is read
    track: options.Track = None,
) -> None:
    """Pretrain on image-text pairs, one stage at a time; print the weights' path.

    Without --data the full tiny world is drawn into data/tinyworld-full. The same command resumes
    an interrupted run. The stage health trains nothing: it prints how well --weights predict words
    of each kind, with the image and without it, in the first --limit captions.
    """
    from evalsuite.pretraining.health import health_table
    from evalsuite.pretraining.preparing import PretrainRequest
    from evalsuite.pretraining.run import examine_words
    from evalsuite.pretraining.run import pretrain as run_it

    request = PretrainRequest(
        stage=stage,
        backbone=backbone,
        weights=weights,
        tokenizer=tokenizer,
        data=data,
        runs=runs,
        limit=limit,
        device=device,
        settings=tuple(settings or ()),
        seed=seed,
        skip_bad=skip_bad,
        track=track,
    )
    if stage == "health":
        print(health_table(examine_words(request)))
        return
    print(run_it(request).weights)


def reproduce(
    paper: Annotated[
        str, typer.Argument(metavar="PAPER", help="A paper (beit3) or one of its tables (beit3/4).")
    ],
    data: options.Data = None,
    weights_dir: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder with the released checkpoints (default: download them)."
        ),
    ] = None,
    runs: options.Runs = Path("runs"),
    device: options.Device = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure the numbers of a paper's tables with the released checkpoints.

    Without --data every task of the table is fine-tuned on the drawn tiny world.
    """
    from evalsuite.verbs.prepare import Request
    from evalsuite.verbs.reproduce import reproduce as run_it

    request = Request(task="", runs=runs, device=device)
    print_reproduced(list(run_it(paper, data, weights_dir, request)), as_json=as_json)


def _with_switches(settings: list[str] | None, **switches: bool) -> tuple[str, ...]:
    """Return the settings of the recipe, with those that have an option of their own."""
    return (*(settings or ()), *(f"{name}=true" for name, is_on in switches.items() if is_on))


def _evaluate_all(request: Any, *, as_json: bool) -> None:
    """Run every task and print what came of them.

    Raises:
        UserError: a task could not run; the others are finished and reported.
    """
    from evalsuite.verbs.evaluate_all import evaluate_all

    found = evaluate_all(request)
    print_reports(found.reports, as_json=as_json)
    say(f"{found.page}, with the radar and the table beside it")
    if found.failed:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.failed.items())
        raise UserError(f"{len(found.failed)} task(s) could not run: {reasons}")
