"""Weights files: read without running code from them, and refused by name if something else."""

import json
import os
import pickle
import re
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from evalsuite.backbones.foreign_files import (
    LARGEST_HEADER,
    STOPPED,
    kind_of_weights,
    read_start,
    zip_kind,
)
from evalsuite.backbones.state_choice import Choice, chosen_state
from evalsuite.records.errors import UserError
from evalsuite.records.files import written_whole

OS_ERROR = re.compile(r"os error (\d+)")  # how the safetensors library quotes the system
BLOCKED = re.compile(r"(?:[Uu]nsupported (?:global: GLOBAL|GLOBAL|class)|callable|GLOBAL) ([\w.]+)")
# What training programs leave beside the weights; an inert object stands for each.
HARMLESS = (
    *("accelerate", "collections", "datetime", "easydict", "lightning", "lightning_fabric", "mmcv"),
    *("mmengine", "numpy", "omegaconf", "pathlib", "pytorch_lightning", "timm", "transformers"),
    "yacs",
)
DICTIONARY_NAME = re.compile(r"(?:[Dd]ict|CfgNode)$")


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Return the state dictionary of a `.pth` or `.safetensors` file, on the CPU.

    Raises:
        UserError: see `open_checkpoint`.
    """
    return dict(open_checkpoint(path).state)


def open_checkpoint(path: Path, wanted: str | None = None) -> Choice:
    """Return the state dictionary of a `.pth` or `.safetensors` file, and what was chosen in it.

    Only tensors, plain values and `argparse.Namespace` (official training files hold one) are
    unpickled, so a file cannot run code.

    Args:
        wanted: the name of the state dictionary in the file; None for the usual one.

    Raises:
        UserError: the file is missing, damaged, no checkpoint, or wants to run code.
    """
    try:
        start = read_start(path)
    except FileNotFoundError:
        message = f"{path}: no such file; expected weights (.safetensors or .pth)"
        raise UserError(message) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected weights") from None
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LARGEST_HEADER:
        return chosen_state(_read_safetensors(path), path, wanted)
    kind = zip_kind(path) if start.startswith(b"PK\x03\x04") else kind_of_weights(path, start)
    if kind is not None:
        raise UserError(f"{path}: {kind}")
    return chosen_state(_unpickled(path), path, wanted)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file."""
    try:
        return safetensors.torch.load_file(path)
    except (safetensors.SafetensorError, ValueError) as error:
        reason = str(error)[:200]
        raise UserError(
            f"{path}: a safetensors file that is cut short or damaged ({reason}); {STOPPED}"
        ) from None


def _unpickled(path: Path) -> Any:
    """Return what a torch file holds, refusing all but data."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            torch.serialization.safe_globals([Namespace, *_inert_objects(path)]),
        ):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        blocked = BLOCKED.search(str(error))
        if blocked is None:
            raise UserError(
                f"{path}: damaged, or a pickle of another kind than torch's; {STOPPED}"
            ) from None
        raise UserError(
            f"{path}: refused, it asks to run {blocked[1]} when opened, as a whole pickled model "
            "does; weights need only tensors. Use a file of its official source or, where you "
            "trust it, save its state_dict() alone"
        ) from None
    except Exception:  # a damaged pickle raises nearly anything
        raise UserError(f"{path}: cut short or damaged; {STOPPED}") from None


def _inert_objects(path: Path) -> list[tuple[Callable[..., Any], str]]:
    """Return a stand-in for each object of a known training program that a file asks for."""
    if not zipfile.is_zipfile(path):
        return []
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # damaged: told when it is loaded
        return []
    known = [name for name in names if name.split(".")[0] in HARMLESS]
    return [
        (type("Ignored", (_IgnoredDict if DICTIONARY_NAME.search(name) else _Ignored,), {}), name)
        for name in known
    ]


class _Ignored:
    """Stands for an object that only its program could build; holds nothing."""

    def __new__(cls, *_: object, **__: object) -> Any:
        return super().__new__(cls)

    def __init__(self, *_: object, **__: object) -> None: ...

    def __setstate__(self, _: object) -> None: ...


class _IgnoredDict:
    """Stands for a dictionary of a program's own class: becomes a plain one."""

    def __new__(cls, *_: object, **__: object) -> Any:
        return OrderedDict()


def save_checkpoint(path: Path, state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors as safetensors, under a temporary name first: never half a file.

    The same tensors and metadata make the same bytes. Tensors that share their memory (tied
    weights) are written each.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with written_whole(path) as temporary:
        try:
            safetensors.torch.save_file(_apart(state), temporary, dict(metadata))
        except safetensors.SafetensorError as error:
            number = OS_ERROR.search(str(error))
            if number is None:
                raise
            raise OSError(int(number[1]), os.strerror(int(number[1]))) from error
        _sort_metadata(temporary)


def _sort_metadata(path: Path) -> None:
    """Sort the metadata of a safetensors file in place: the library writes it in random order.

    A file begins with its header's size, 8 bytes, and the header, JSON that blanks may follow.
    """
    with path.open("r+b") as stream:
        size = int.from_bytes(stream.read(8), "little")
        header = json.loads(stream.read(size))
        if "__metadata__" not in header:
            return
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
        text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(text) <= size
        stream.seek(8)
        stream.write(text.ljust(size))


def _apart(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous tensors of which no two are the same memory."""
    apart: dict[str, Tensor] = {}
    places: set[tuple[int, int]] = set()
    for key, tensor in state.items():
        one = tensor.detach().contiguous()
        place = (one.untyped_storage().data_ptr(), int(one.storage_offset()))
        apart[key] = one.clone() if place in places else one
        places.add(place)
    return apart
