"""The command line: its commands, in the order of `--help`."""

from collections.abc import Callable

import typer

from evalsuite.cli.files import convert, doctor, tasks, tinyworld
from evalsuite.cli.models import evaluate, finetune, pretrain, reproduce
from evalsuite.cli.results import radar, report, score, table

app = typer.Typer(
    help="Fine-tune one pretrained backbone on every benchmark, and score it as the official "
    "scorers do.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # an error is one line, not a box
)
COMMANDS: dict[str, Callable[..., None]] = {
    "tasks": tasks,
    "doctor": doctor,
    "eval": evaluate,
    "finetune": finetune,
    "pretrain": pretrain,
    "score": score,
    "report": report,
    "reproduce": reproduce,
    "convert": convert,
    "tinyworld": tinyworld,
    "table": table,
    "radar": radar,
}
for name, command in COMMANDS.items():
    app.command(name)(command)
