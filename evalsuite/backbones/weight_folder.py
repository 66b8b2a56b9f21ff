"""From a path that a user gives - a file, a folder, the index of shards - to weights files."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import NamedTuple

import torch
from torch import Tensor

from evalsuite.backbones.checkpoint import open_checkpoint
from evalsuite.backbones.state_choice import Choice
from evalsuite.records.errors import UserError
from evalsuite.records.files import file_sha256

INDEX = ".index.json"
FINAL = "final.safetensors"  # what a run of ours ends with, in its `checkpoints/`
# Names that Hugging Face's libraries and accelerate write, the first that is there is meant.
USUAL = ("model.safetensors", "pytorch_model.bin", FINAL)
ENDINGS = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
BESIDE = re.compile(r"optim|sched|scaler|random_states|training_args|rng|trainer")
SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(\.\w+)")
NUM_NAMED = 4


class Source(NamedTuple):
    """The files that hold one state dictionary, which of them was meant, and the index's word.

    `places` gives the shard of each key, by name, where there is an index.
    """

    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    places: Mapping[str, str] = {}

    @property
    def sha256(self) -> str:
        """The file's SHA-256; that of the shards' own, in the order of their names, where several.

        64 hexadecimal digits.
        """
        digests = [file_sha256(file) for file in self.files]
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def weight_source(path: Path) -> Source:
    """Return the files of weights that a path stands for.

    Raises:
        UserError: there are none, several could be meant, or a shard is missing.
    """
    try:
        if path.is_dir():
            return _in_folder(path)
        return _of_index(path) if path.name.endswith(INDEX) else Source((path,))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def one_file(path: Path) -> Path:
    """Return the one file of weights that a path stands for.

    Raises:
        UserError: there is none, or the weights are in shards.
    """
    source = weight_source(path)
    if len(source.files) > 1:
        raise UserError(
            f"{path}: weights in {len(source.files)} shards; expected one file: "
            f"`evalsuite convert {path} OUT.safetensors` joins them"
        )
    return source.files[0]


def open_source(source: Source, wanted: str | None = None) -> Choice:
    """Return the state dictionary of a source, its shards joined.

    Args:
        wanted: the name of the state dictionary in the file; None for the usual one.

    Raises:
        UserError: a file holds no weights, or the shards contradict each other or their index.
    """
    if len(source.files) == 1 and not source.places:
        opened = open_checkpoint(source.files[0], wanted)
        return Choice(opened.state, (*source.notes, *opened.notes))
    whole: dict[str, Tensor] = {}
    for file in source.files:
        state = open_checkpoint(file, wanted).state
        for key, tensor in state.items():
            if key in whole and not torch.equal(whole[key], tensor):
                raise UserError(f"{file}: {key} has other values than in a shard before it")
            whole[key] = tensor
        lacking = [k for k, name in source.places.items() if name == file.name and k not in state]
        if lacking:
            raise UserError(
                f"{file}: lacks {lacking[0][:60]}, which the index says is there; fetch the "
                "shards and their index again, all of one version"
            )
    return Choice(whole, (*source.notes, f"joined {len(source.files)} shards"))


def _in_folder(folder: Path) -> Source:
    """Return what a folder holds: a run's result, one file, or shards."""
    if (folder / "run.json").is_file():
        return _of_run(folder)
    names = sorted(one.name for one in folder.iterdir() if not one.name.startswith("._"))
    indexes = [name for name in names if name.endswith(INDEX) and "optim" not in name]
    usual = [name for name in USUAL if name in names]
    if usual and usual[0].endswith(".safetensors"):
        return _one_of(folder, usual[0])
    if indexes:
        tensors = [name for name in indexes if "safetensors" in name] or indexes
        if len(tensors) > 1:
            raise UserError(f"{folder}: holds the indexes {_listed(tensors)}; name one of them")
        return _of_index(folder / tensors[0])
    if usual:
        return _one_of(folder, usual[0])
    weights = [n for n in names if n.endswith(ENDINGS) and not BESIDE.search(n)]
    shards = [match for match in map(SHARD.fullmatch, weights) if match]
    if shards and len(shards) == len(weights):
        return _without_index(folder, shards)
    if len(weights) == 1:
        return _one_of(folder, weights[0])
    if weights:
        raise UserError(
            f"{folder}: holds {len(weights)} files of weights ({_listed(weights)}); name one"
        )
    raise UserError(f"{folder}: {_without_weights(folder, names)}")


def _of_run(run: Path) -> Source:
    """Return the weights that a run of ours ended with."""
    final = run / "checkpoints" / FINAL
    if final.is_file():
        return _one_of(run / "checkpoints", FINAL)
    raise UserError(
        f"{run}: a run folder without checkpoints/{FINAL}: it has not finished fine-tuning, or "
        "scored weights as they were; finish it with the command that began it, or name a file"
    )


def _one_of(folder: Path, name: str) -> Source:
    return Source((folder / name,), (f"weights: {folder / name}",))


def _of_index(path: Path) -> Source:
    """Return the shards that an index names, which stand beside it.

    Raises:
        UserError: it is no index, a shard is missing, or one is named outside the index's folder.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; expected the index of shards of weights") from None
    except (ValueError, RecursionError):
        raise UserError(
            f"{path}: not JSON; expected the index of shards of weights, with a weight_map"
        ) from None
    places = content.get("weight_map") if isinstance(content, dict) else None
    if not isinstance(places, dict) or not places or not all(map(_is_text, places.values())):
        raise UserError(f"{path}: has no weight_map of keys and files; expected an index of shards")
    names = sorted(set(places.values()))
    for name in names:
        parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
        if ".." in parts or PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive:
            raise UserError(f"{path}: names {name[:80]!r}, outside its own folder; not opened")
    missing = [name for name in names if not (path.parent / name).is_file()]
    if missing:
        raise UserError(
            f"{path}: names {len(names)} shards, {len(missing)} of them not beside it: "
            f"{_listed(missing)}; fetch what is missing"
        )
    shards = tuple(path.parent / name for name in names)
    return Source(shards, (f"weights: {path}",), places)


def _without_index(folder: Path, shards: list[re.Match[str]]) -> Source:
    """Return shards whose own names say that they are complete."""
    first = shards[0]
    if any((s[1], s[3], s[4]) != (first[1], first[3], first[4]) for s in shards):
        names = _listed([shard[0] for shard in shards])
        raise UserError(f"{folder}: holds shards of several models ({names}); keep those of one")
    present = {int(shard[2]) for shard in shards}
    missing = [n for n in range(1, int(first[3]) + 1) if n not in present]
    if missing:
        names = _listed([f"{first[1]}-{n:05d}-of-{first[3]}{first[4]}" for n in missing])
        raise UserError(f"{folder}: lacks the shards {names}; fetch what is missing")
    files = tuple(folder / shard[0] for shard in shards)
    return Source(files, (f"weights: {folder / first[0]} and the other shards",))


def _without_weights(folder: Path, names: list[str]) -> str:
    """Return what a folder without weights holds, and what to do."""
    if any(name.endswith(".distcp") for name in names):
        return (
            "a distributed PyTorch checkpoint (.distcp), which is not read here; make one file of "
            "it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER OUT.pth"
        )
    if "zero_to_fp32.py" in names or any(name.startswith("global_step") for name in names):
        return "a DeepSpeed checkpoint in parts; make one file with the zero_to_fp32.py inside it"
    if "saved_model.pb" in names or any(".data-0000" in name for name in names):
        return "a TensorFlow model; expected .safetensors or a PyTorch file (.pth)"
    if names == []:
        return "an empty folder; expected weights (.safetensors, .pth)"
    below = [name for name in names if _holds_weights(folder / name)]
    if below:
        return f"no weights in the folder itself, but in {_listed(below)} below; name that"
    return (
        f"a folder without weights; expected .safetensors, .pth or shards with their index, found "
        f"{_listed(names)}"
    )


def _holds_weights(folder: Path) -> bool:
    return folder.is_dir() and any(_weight_names(folder))


def _weight_names(folder: Path) -> Iterator[str]:
    for one in folder.iterdir():
        if one.name.endswith((*ENDINGS, ".distcp")) and not BESIDE.search(one.name):
            yield one.name


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _listed(names: list[str]) -> str:
    more = len(names) - NUM_NAMED
    listed = ", ".join(name[:60] for name in names[:NUM_NAMED])
    return f"{listed} and {more} more" if more > 0 else listed
