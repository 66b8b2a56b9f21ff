"""The command line: reads the arguments, calls a verb, prints what it returns.

Verbs that need torch are imported when they are called, so that help, lists and scoring start at
once; no other module imports late.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

import evalsuite.cli.options as options
from evalsuite.catalog import benchmark_named
from evalsuite.cli.faults import say, told
from evalsuite.cli.printing import (
    Opening,
    print_benchmarks,
    print_difference,
    print_findings,
    print_report,
    print_reports,
    print_reproduced,
    print_scores,
)
from evalsuite.data.doctor import Scope, examine
from evalsuite.records.errors import UserError
from evalsuite.report.radar.series import PREVIOUS_SOTA, Scaling, published_series, run_series
from evalsuite.report.tables.definition import table_names
from evalsuite.report.tables.tables import Format
from evalsuite.report.tables.tables import table as paper_table
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.run_report import read_report
from evalsuite.verbs.score import (
    ScoreRequest,
    official_scores,
    paired_difference,
    scorable,
    score_predictions,
)

app = typer.Typer(
    help="Fine-tune one pretrained backbone on every benchmark, and score it as the official "
    "scorers do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # an error is one line, not a box
)

Stage = Literal["tokenizer", "masked", "itc", "grounding", "health"]


@app.command()
def tasks(as_json: options.AsJson = False, data: options.Data = None) -> None:
    """List the benchmarks: metric, splits, capability, and whether their files are in --data."""
    print_benchmarks(data, as_json=as_json)


@app.command()
def doctor(
    task: options.Task,
    data: Annotated[Path, typer.Option(help="Folder of the official files.")],
    split: options.OneSplit = None,
    hashes: options.Hashes = False,
    images: options.Images = None,
    max_pixels: options.MaxPixels = None,  # takes effect as it is read
    as_json: options.AsJson = False,
) -> None:
    """Check everything that eval would trip over; say what to fetch and from whom."""
    scope = Scope(split=split, images=images, hashes=hashes)
    findings = examine(benchmark_named(task), data, scope, Opening())
    print_findings(findings, as_json=as_json)
    problems = sum(finding.level == "problem" for finding in findings)
    if problems:
        raise UserError(f"{data}: {problems} problem(s) with the files of {task}, listed above")


@app.command(name="eval")
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
    world is drawn into data/tinyworld. The same command goes on where an interrupted one stopped.
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
    report = run_it(request)
    if report is not None:
        print_report(report, as_json=as_json)


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


@app.command()
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
    """Fine-tune on the training split, whatever head the weights hold; print the weights' path."""
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


@app.command()
def pretrain(
    stage: Annotated[
        Stage,
        typer.Option(help="tokenizer, masked, itc, grounding, in this order; health looks."),
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

    Without --data the full tiny world is drawn into data/tinyworld-full. The same command goes on
    where an interrupted one stopped. The stage health trains nothing: it prints how well --weights
    predict words of each kind, with the image and without, in the first --limit captions.
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


@app.command()
def score(
    target: Annotated[str, typer.Argument(help="A run folder, or a task with --predictions.")],
    other: Annotated[Path | None, typer.Argument(help="With --paired: the other run.")] = None,
    predictions: options.ResultFiles = None,
    data: options.Data = None,
    split: options.Split = None,
    official: options.Official = False,
    paired: options.Paired = False,
    no_interval: options.NoInterval = False,
    as_json: options.AsJson = False,
) -> None:
    """Score saved predictions: of a run, or of any model's result file; no weights, no torch."""
    request = ScoreRequest(
        target=target,
        other=other,
        predictions=tuple(predictions or ()),
        data=data,
        split=split,
        paired=paired,
    )
    found = scorable(request)
    facts = {"task": found.benchmark.card.name, "split": found.split, **found.answering._asdict()}
    if paired:
        if official:
            raise UserError("--official scores one set of predictions: leave out --paired")
        difference = paired_difference(found, request.names)
        print_difference(difference, as_json=as_json, facts=facts)
        return
    scores = score_predictions(found, not no_interval)
    try:
        theirs = official_scores(found, request) if official else None
    except UserError as reason:
        print_scores(facts, scores, (), as_json=as_json)  # ours are not lost with theirs
        raise UserError(f"--official: {reason}") from reason
    print_scores(facts, scores, theirs or (), as_json=as_json)
    if official and theirs is None:
        raise UserError(f"--official: {found.benchmark.official_hint}")


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder; the run's own, or report/.")
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Two runs: their paired difference.")
    ] = False,
    data: options.Data = None,
    as_json: options.AsJson = False,
) -> None:
    """Write runs as Markdown, JSON, one HTML page and a model card, or compare two of them."""
    from evalsuite.verbs.report import compare as compare_runs
    from evalsuite.verbs.report import report as report_runs

    if not compare:
        print(report_runs(runs, out, data=data))
        return
    if len(runs) != 2:
        raise UserError(f"--compare takes two run folders; found {len(runs)}")
    difference = compare_runs(runs[0], runs[1], out, data=data)
    print_difference(difference, as_json=as_json)
    say(str((out or Path("report")) / "comparison.html"))


@app.command()
def reproduce(
    paper: Annotated[str, typer.Argument(help="A paper, as beit3, or a table, as beit3/4.")],
    data: options.Data = None,
    weights_dir: Annotated[
        Path | None, typer.Option(help="Folder of released checkpoints; else downloaded.")
    ] = None,
    runs: options.Runs = Path("runs"),
    device: options.Device = None,
    as_json: options.AsJson = False,
) -> None:
    """Measure what a paper's tables print with the released checkpoints.

    Without --data every task of the table is fine-tuned on the drawn tiny world.
    """
    from evalsuite.verbs.prepare import Request
    from evalsuite.verbs.reproduce import reproduce as run_it

    request = Request(task="", runs=runs, device=device)
    print_reproduced(list(run_it(paper, data, weights_dir, request)), as_json=as_json)


@app.command()
def convert(
    checkpoint: Annotated[str, typer.Argument(help="A .pth: path, URL or released file's name.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors to write.")],
    state: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Which weights of the file, such as model_ema."),
    ] = None,
) -> None:
    """Open a released .pth without running its pickle; write safetensors, print the key report."""
    from evalsuite.backbones.beit3.recognise import convert as run_it
    from evalsuite.backbones.weights import local_file

    print(run_it(local_file(checkpoint), out, state))


@app.command()
def tinyworld(
    folder: Annotated[Path, typer.Argument(help="Where to draw it.")],
    seed: options.Seed = 0,
    size: Annotated[str, typer.Option(help="mini, small or full.")] = "small",
) -> None:
    """Draw the tiny world in every benchmark's official layout."""
    summary = write_world(folder, seed=seed, size=size, say=say)
    print(f"{summary.folder}: {summary.files:,} files")


@app.command()
def table(
    name: Annotated[str | None, typer.Argument(help="As beit3/4; none lists all.")] = None,
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders.")] = None,
    table_format: Annotated[Format, typer.Option("--format", help="How to print it.")] = "md",
) -> None:
    """Print a paper's table, published rows beside yours."""
    if name is None:
        print("\n".join(table_names()))
        return
    print(paper_table(name, [read_report(run) for run in runs or ()], table_format))


@app.command()
def radar(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="A .svg, .png or .pdf file.")] = Path(
        "radar.svg"
    ),
    against: Annotated[list[str] | None, typer.Option(help="Published models.")] = None,
    scaling: Annotated[Scaling, typer.Option(help="What the rings mean.")] = "paper",
) -> None:
    """Draw runs against published systems, every axis with its own ticks."""
    from evalsuite.report.radar.draw import radar as draw

    models = [PREVIOUS_SOTA, "BEiT-3"] if against is None else against
    reports = [read_report(folder) for folder in runs or ()]
    series = [*(published_series(model) for model in models), *run_series(reports)]
    draw(series, path=out, scaling=scaling)
    print(out)


def main() -> None:
    """Run the command line; a person's mistake is one line and exit status 2."""
    with told():
        app()


if __name__ == "__main__":
    main()
