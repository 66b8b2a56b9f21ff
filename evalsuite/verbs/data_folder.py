"""The folder of the official files, a drawn tiny world where none is named, and its tokenizer."""

from pathlib import Path

from accelerate import Accelerator

from evalsuite.backbones.weights import local_file
from evalsuite.contracts.benchmark import Benchmark
from evalsuite.data.text import Tokenizer
from evalsuite.engine.progress import say
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.starting_weights import TINY_BACKBONE

TINY_WORLD = Path("data/tinyworld")


def data_folder(
    given: Path | None,
    accelerator: Accelerator,
    *,
    task: str,
    world: Path = TINY_WORLD,
    size: str = "small",
) -> Path:
    """Return the data folder; a tiny world for the task is drawn where none is named.

    Raises:
        UserError: the folder does not exist.
    """
    if given is None:
        with accelerator.main_process_first():
            write_world(world, size=size, benchmarks=(task,), say=say)
        return world
    if not given.is_dir():
        raise UserError(
            f"{given}: no such folder; expected the official files of {task}, "
            f"see `evalsuite doctor {task} --data DIR`"
        )
    return given


def text_tokenizer(name: str, data: Path, benchmark: Benchmark) -> Tokenizer:
    """Return the backbone's text tokenizer; a `beit3.spm` in the data folder saves the download.

    Where only images are read the one at hand does: nothing is downloaded for it.
    """
    if name == TINY_BACKBONE or benchmark.card.needs == ("image",):
        return Tokenizer(tokenizer_path())
    beside = data / "beit3.spm"
    return Tokenizer(beside if beside.is_file() else local_file("beit3.spm"))
