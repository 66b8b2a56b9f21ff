"""Trainer states on disk: written under a temporary name, then renamed; the newest counts."""

import shutil
from pathlib import Path

from accelerate import Accelerator

from evalsuite.engine.progress import say
from evalsuite.records.errors import UserError

STEM = "step-"


def save_state(folder: Path, step: int, accelerator: Accelerator) -> None:
    """Write weights, optimizer and averages as of a step, and remove the states before it.

    Raises:
        UserError: the disk is full; the state before stays.
    """
    temporary = folder / f".{STEM}{step}.tmp"
    try:
        accelerator.save_state(str(temporary), safe_serialization=True)
    except (OSError, RuntimeError) as error:  # torch reports a full disk as RuntimeError
        shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(
            f"{temporary}: cannot be written: {error}; the state before it is kept, "
            "so free some room and repeat the command to resume"
        ) from error
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        temporary.replace(folder / f"{STEM}{step}")
        for old in _steps(folder):
            if old != step:
                shutil.rmtree(folder / f"{STEM}{old}", ignore_errors=True)
    accelerator.wait_for_everyone()


def resume(folder: Path, accelerator: Accelerator, title: str) -> int:
    """Load the newest state, and return the number of steps that it has behind it.

    Args:
        title: what resumes, for the progress.
    """
    if accelerator.is_main_process:
        for torn in folder.glob(f".{STEM}*.tmp"):
            shutil.rmtree(torn)
    accelerator.wait_for_everyone()
    steps = _steps(folder)
    if not steps:
        return 0
    accelerator.load_state(str(folder / f"{STEM}{steps[-1]}"))
    if accelerator.is_main_process:
        say(f"{title} resumes from step {steps[-1]} on {accelerator.num_processes} process(es)")
    return steps[-1]


def remove_states(folder: Path) -> None:
    """Remove every trainer state: the fine-tuned weights are written."""
    for step in _steps(folder):
        shutil.rmtree(folder / f"{STEM}{step}")


def _steps(folder: Path) -> list[int]:
    """Return the steps of the whole states in a folder, the newest last."""
    return sorted(int(path.name.removeprefix(STEM)) for path in folder.glob(f"{STEM}*"))
