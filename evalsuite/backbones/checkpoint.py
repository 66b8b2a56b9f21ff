"""Reading weights without running a file's code, strict loading, and writing them back."""

import os
import pickle
import re
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from evalsuite.records.errors import UserError

STATE_KEYS = ("model", "module")  # unilm beit3/utils.py load_model_and_may_interpolate @768a3c8
TORCH_STARTS = (b"PK\x03\x04", b"\x80")  # a zip archive (torch >= 1.6) or a bare pickle
BLOCKED = re.compile(r"(?:Unsupported (?:global: GLOBAL|class)|callable|GLOBAL) ([\w.]+)")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the state dictionary of a `.pth` or `.safetensors` file, on the CPU.

    Only tensors, plain values and `argparse.Namespace` (official training files hold one) are
    unpickled, so a file cannot run code.

    Raises:
        UserError: the file is missing, damaged, no checkpoint, or wants to run code.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected weights (.pth or .safetensors)")
    with path.open("rb") as file:
        start = file.read(9)
    if start[8:9] == b"{":
        return _read_safetensors(path)
    if start.startswith(TORCH_STARTS):
        return _state_of(_unpickled(path), path)
    kind = "a web page" if start.lstrip().startswith(b"<") else "neither .pth nor .safetensors"
    raise UserError(f"{path}: {kind}, not weights; download the file again")


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file."""
    try:
        return safetensors.torch.load_file(path)
    except safetensors.SafetensorError as error:
        raise UserError(f"{path}: damaged safetensors file ({error}); download it again") from None


def _unpickled(path: Path) -> Any:
    """Return what a torch file holds, refusing all but data."""
    try:
        with torch.serialization.safe_globals([Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        blocked = BLOCKED.search(str(error))
        if blocked is None:
            raise UserError(f"{path}: damaged or not a torch file; download it again") from None
        raise UserError(
            f"{path}: refused, it asks to run {blocked[1]} when opened; weights need only tensors. "
            "Use a file of its official source, or save its state dictionary as safetensors"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError):
        raise UserError(f"{path}: cut short or damaged; download the file again") from None


def _state_of(content: Any, path: Path) -> dict[str, Tensor]:
    """Return the state dictionary inside a file's content."""
    if isinstance(content, Mapping):
        for key in STATE_KEYS:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
        if content and all(isinstance(value, Tensor) for value in content.values()):
            return {str(key): value for key, value in content.items()}
        found = ", ".join(str(key) for key in list(content)[:5]) or "nothing"
    else:
        found = type(content).__name__
    raise UserError(f"{path}: holds no state dictionary under `model`, `module` or bare: {found}")


def save_checkpoint(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors, under a temporary name first: never half a file.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    contiguous = {key: tensor.detach().contiguous() for key, tensor in state.items()}
    try:
        safetensors.torch.save_file(contiguous, temporary, dict(metadata))
        temporary.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"{path}: cannot be written: {error}; free some room and repeat") from error
    finally:
        temporary.unlink(missing_ok=True)
