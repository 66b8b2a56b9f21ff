"""Arguments and options that the commands take, each with one meaning and one help text."""

from pathlib import Path
from typing import Annotated

import typer

from evalsuite.catalog import backbone_names
from evalsuite.data.decode import MOST_PIXELS, allow_pixels
from evalsuite.data.doctor import SOME

Task = Annotated[str, typer.Argument(help="A benchmark; `evalsuite tasks` lists them.")]
Data = Annotated[Path | None, typer.Option(help="Folder of the official files.")]
Split = Annotated[str | None, typer.Option(help="Which split; the usual one where not given.")]
Backbone = Annotated[
    str | None, typer.Option(help=f"One of {', '.join(backbone_names())}; follows from --weights.")
]
WeightsOption = Annotated[
    str | None,
    typer.Option(
        "--weights",
        help="A path, a URL, the name of a shipped or released file, or scratch; the recipe's "
        "where not given.",
    ),
]
Runs = Annotated[Path, typer.Option(help="Folder of all run folders.")]
Limit = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Evaluate the first N samples; training sees all."),
]
TrainingLimit = Annotated[
    int | None, typer.Option("--limit", min=1, metavar="N", help="Train on the first N samples.")
]
Device = Annotated[str | None, typer.Option(help="cpu, cuda or mps; the best where not given.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="key=value of the recipe; may be repeated.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Random seed.")]
SkipBad = Annotated[
    int, typer.Option(min=0, help="Maximum unreadable images before the run stops.")
]
MaxPixels = Annotated[
    int | None,
    typer.Option(
        min=1,
        metavar="N",
        callback=allow_pixels,
        help=f"Refuse images of more pixels (default: {MOST_PIXELS:,}).",
    ),
]
Track = Annotated[str | None, typer.Option(help="tensorboard or wandb.")]
NewHead = Annotated[bool, typer.Option("--new-head", help="Fine-tune a new head.")]
ZeroShot = Annotated[
    bool, typer.Option("--zero-shot", help="Never fine-tune; the weights must hold a head.")
]
LinearProbe = Annotated[
    bool,
    typer.Option(
        "--linear-probe", help="imagenet: train the head alone; as --set linear_probe=true."
    ),
]
SaveMaps = Annotated[
    bool,
    typer.Option(
        "--save-maps", help="segmentation: keep label maps as PNGs; as --set save_maps=true."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
NoInterval = Annotated[bool, typer.Option("--no-interval", help="Skip the 95% intervals.")]
OneSplit = Annotated[str | None, typer.Option(help="Look at this one alone.")]
Hashes = Annotated[bool, typer.Option("--hashes", help="Give the SHA-256 of files.")]
Images = Annotated[
    int | None,
    typer.Option(
        help="Samples of each split whose images and label maps are opened; -1 for all. Where not "
        f"given, all of the split that is evaluated, and {SOME:,} of each other."
    ),
]
TokenizerFile = Annotated[
    str | None, typer.Option(help="Visual tokenizer of the masked stage: a weights file.")
]
ResultFiles = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="Results; twice where boxes and masks are in two."),
]
Official = Annotated[bool, typer.Option("--official", help="Run the official engine beside ours.")]
Paired = Annotated[
    bool, typer.Option("--paired", help="A minus B, of two runs or of two --predictions.")
]
