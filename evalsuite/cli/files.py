"""The commands about files: tasks, doctor, convert, tinyworld."""

from pathlib import Path
from typing import Annotated

import typer

import evalsuite.cli.options as options
from evalsuite.catalog import benchmark_named
from evalsuite.cli.faults import say
from evalsuite.cli.printing import OpeningProgress, print_benchmarks, print_findings
from evalsuite.data.doctor import Scope, examine
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.write import write_world


def tasks(as_json: options.AsJson = False, data: options.Data = None) -> None:
    """List the benchmarks: metric, splits, needs, and whether --data has their files."""
    print_benchmarks(data, as_json=as_json)


def doctor(
    task: options.Task,
    data: Annotated[Path, typer.Option(metavar="DIR", help="Folder with the official files.")],
    split: options.OneSplit = None,
    hashes: options.Hashes = False,
    images: options.Images = None,
    max_pixels: options.MaxPixels = None,  # takes effect as it is read
    as_json: options.AsJson = False,
) -> None:
    """Check everything that eval would trip over; say what to fetch, and where from."""
    scope = Scope(split=split, images=images, hashes=hashes)
    findings = examine(benchmark_named(task), data, scope, OpeningProgress())
    print_findings(findings, as_json=as_json)
    problems = sum(finding.level == "problem" for finding in findings)
    if problems:
        raise UserError(f"{data}: {problems} problem(s) with the files of {task}, listed above")


def convert(
    checkpoint: Annotated[
        str, typer.Argument(metavar="CHECKPOINT", help="A .pth: path, URL or released file's name.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The .safetensors to write.")],
    state: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="Weights to take from the file, such as model_ema."),
    ] = None,
) -> None:
    """Open a released .pth without running its pickle; write safetensors, print the key report."""
    from evalsuite.backbones.beit3.recognise import convert as run_it
    from evalsuite.backbones.weights import local_file

    print(run_it(local_file(checkpoint), out, state))


def tinyworld(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where to draw it.")],
    seed: options.Seed = 0,
    size: Annotated[str, typer.Option(metavar="SIZE", help="mini, small or full.")] = "small",
) -> None:
    """Draw the tiny world in every benchmark's official layout."""
    summary = write_world(folder, seed=seed, size=size, say=say)
    print(f"{summary.folder}: {summary.files:,} files")
