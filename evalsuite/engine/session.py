"""The processes and the device that a run works on, and the record of them."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    is_tensorboard_available,
    is_wandb_available,
)
from torch import nn

from evalsuite.data.reading import shortened
from evalsuite.engine.processor import arithmetic
from evalsuite.engine.progress import say
from evalsuite.records.errors import UserError
from evalsuite.records.recipe import Recipe

RECORDED = ("evalsuite", "torch", "torchvision", "transformers", "accelerate", "numpy", "pillow")
SMALL_MODEL = 10_000_000  # parameters; beit3_tiny has one million, beit3_base 221
TRACKERS = {"tensorboard": is_tensorboard_available, "wandb": is_wandb_available}
# What launchers set; each alone makes accelerate wait for processes that nobody started.
LAUNCHED = ("WORLD_SIZE", "RANK", "LOCAL_RANK", "PMI_SIZE", "PMI_RANK", "OMPI_COMM_WORLD_SIZE")
# What `accelerate launch` sets for its own ways to train: each would change what is computed here.
CHANGING = (
    *(f"ACCELERATE_USE_{name}" for name in ("DEEPSPEED", "FSDP", "MEGATRON_LM", "SAGEMAKER")),
    *("ACCELERATE_USE_PARALLELISM_CONFIG", "ACCELERATE_GRADIENT_ACCUMULATION_STEPS"),
    *("ACCELERATE_DYNAMO_BACKEND", "ACCELERATE_TORCH_DEVICE", "ACCELERATE_CONFIG_DS_FIELDS"),
)
HARMLESS = ("", "0", "false", "no", "off")


def accelerator_for(
    recipe: Recipe, device: str | None, track: str | None, runs: Path
) -> Accelerator:
    """Return the distributed engine; it joins the processes of `torchrun` or `accelerate launch`.

    Raises:
        UserError: the device does not exist, or cannot compute in the recipe's precision, or the
            tracker is unknown or not installed.
    """
    if device not in (None, "cpu", "cuda", "mps"):
        raise UserError(f"--device {device}: expected cpu, cuda or mps")
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "--device cuda: torch sees no CUDA device here; leave it out to use the CPU"
        )
    if track is not None and track not in TRACKERS:
        raise UserError(f"--track {track}: expected one of {', '.join(TRACKERS)}")
    _refuse_left_over(recipe.precision)
    if track is not None and not TRACKERS[track]():
        raise UserError(
            f'--track {track}: {track} is not installed; pip install "evalsuite[track]"'
        )
    on_cpu = device == "cpu" or not (torch.cuda.is_available() or torch.backends.mps.is_available())
    precision = recipe.precision
    if on_cpu and precision == "fp16":
        say("fp16 needs an accelerator: computing in full precision on the CPU")
        precision = "no"
    # A second call in one process may ask for another precision; accelerate has no public reset.
    AcceleratorState._reset_state(reset_partial_state=True)
    try:
        return Accelerator(
            mixed_precision=precision,
            cpu=on_cpu,
            log_with=track,
            project_dir=str(runs),
            # A pass over images alone trains no text expert; nothing trains the mask token.
            kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
        )
    except (ImportError, ValueError) as error:
        if track is None:  # a device that cannot compute in bf16
            raise UserError(f"--set precision={precision}: {error}; try precision=no") from error
        raise UserError(f'--track {track}: {error}; pip install "evalsuite[track]"') from error


def _refuse_left_over(precision: str) -> None:
    """Raise UserError for a launcher's variable where nothing was launched, or is not supported."""
    for name in CHANGING:
        value = os.environ.get(name, "")
        is_one_step = name.endswith("ACCUMULATION_STEPS") and value == "1"
        if value.lower() not in HARMLESS and not is_one_step:
            raise UserError(
                f"the environment sets {name} = {shortened(value)}, with which accelerate would "
                f"train otherwise than the recipe says: `unset {name}` and repeat the command"
            )
    asked = os.environ.get("ACCELERATE_MIXED_PRECISION", precision)
    if asked != precision:
        say(
            f"ACCELERATE_MIXED_PRECISION = {shortened(asked)} is ignored: this run computes in "
            f"{precision}, as the recipe says; --set precision=... to choose"
        )
    left = [name for name in LAUNCHED if name in os.environ]
    if left and "MASTER_ADDR" not in os.environ:
        raise UserError(
            f"the environment sets {left[0]} = {os.environ[left[0]]}, but no MASTER_ADDR: left "
            f"over from another job? `unset {left[0]}`, or start several processes with torchrun"
        )


def own_cores() -> int:
    """Return the cores that this process may count on; ranks of one machine share them."""
    # macOS has no affinity.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, (cores or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def share_cores(model: nn.Module) -> None:
    """Let a small model compute on one core, and leave the others to reading.

    For so small a model thread synchronisation costs more than it saves: on two cores beit3_tiny
    trains on 400 samples per second with one thread; with two on 450, but on 37 while another
    program runs.
    """
    small = sum(parameter.numel() for parameter in model.parameters()) < SMALL_MODEL
    torch.set_num_threads(1 if small else int(os.environ.get("OMP_NUM_THREADS", own_cores())))


def environment(accelerator: Accelerator) -> dict[str, Any]:
    """Return what a reader needs to repeat a run: command, versions, commit, machine, time."""
    return {
        "command": shlex.join(["evalsuite", *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "device": _device_name(accelerator.device),
        **arithmetic(),
        "processes": accelerator.num_processes,
        "precision": accelerator.mixed_precision,
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in RECORDED},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed as a package"


def _commit() -> str | None:
    """Return the commit of the checkout that is running, with "+" for local changes."""
    folder = Path(__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        if not git("ls-files", Path(__file__).name):
            return None
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{device.type}, {os.cpu_count()} cores, {platform.machine()}"
