"""Arguments and options that the commands take, each with one meaning and one help text."""

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.catalog import backbone_names
from evalsuite.data.decode import MOST_PIXELS, allow_pixels
from evalsuite.data.doctor import SOME

Task = Annotated[
    str, typer.Argument(metavar="TASK", help="A benchmark; `evalsuite tasks` lists them.")
]
Data = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder with the official files.")]
Split = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Split to evaluate (default: the benchmark's usual one)."),
]
Backbone = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help=f"{', '.join(backbone_names())} (default: the one that --weights are of).",
    ),
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        help="Path, URL, name of a shipped or released file, or `scratch` (default: the recipe's).",
    ),
]
Runs = Annotated[Path, typer.Option(metavar="DIR", help="Where run folders are kept.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Evaluate only the first N samples; training uses all."),
]
TrainingLimit = Annotated[
    int | None,
    typer.Option("--limit", min=1, metavar="N", help="Train on the first N samples only."),
]
Device = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="cpu, cuda or mps (default: the fastest there is)."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Change a setting of the recipe; may be repeated."
    ),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, metavar="N", help="Random seed.")]
SkipBad = Annotated[
    int,
    typer.Option(min=0, metavar="N", help="Maximum unreadable images before the run stops."),
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        callback=allow_pixels,
        help=f"Refuse images with more than N pixels (default: {MOST_PIXELS:,}).",
    ),
]
Track = Annotated[
    str | None,
    typer.Option(metavar="TRACKER", help="Log losses and scores to tensorboard or wandb."),
]
NewHead = Annotated[
    bool, typer.Option("--new-head", help="Replace the head of the weights and fine-tune.")
]
ZeroShot = Annotated[
    bool,
    typer.Option("--zero-shot", help="Never fine-tune; the weights must have a head for the task."),
]
LinearProbe = Annotated[
    bool,
    typer.Option(
        "--linear-probe",
        help="Train only the head, where the recipe can (same as --set linear_probe=true).",
    ),
]
SaveMaps = Annotated[
    bool,
    typer.Option(
        "--save-maps",
        help="Keep label maps as PNGs, where the recipe can (same as --set save_maps=true).",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
NoInterval = Annotated[bool, typer.Option("--no-interval", help="Skip the 95% intervals.")]
OneSplit = Annotated[str | None, typer.Option(metavar="NAME", help="Check only this split.")]
Hashes = Annotated[bool, typer.Option("--hashes", help="Print the SHA-256 of each file.")]
Images = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Samples whose images and label maps to open, per split; -1 for all (default: all of "
        f"the split that is evaluated, {SOME:,} of every other).",
    ),
]
TokenizerFile = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Weights of the visual tokenizer, for the masked stage."),
]
ResultFiles = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Result file; twice if boxes and masks are separate."),
]
Official = Annotated[bool, typer.Option("--official", help="Also run the official scorer.")]
Paired = Annotated[
    bool, typer.Option("--paired", help="Difference A minus B of two runs or two --predictions.")
]
