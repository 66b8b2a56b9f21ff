"""A run: a folder that anyone can reopen."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict

from evalsuite.records.errors import UserError
from evalsuite.records.files import read_json, write_json
from evalsuite.records.journal import Journal, JournalEntries, move_entries, read_journals
from evalsuite.records.shapes import misfit

NAMED = re.compile(r".*-\d{8}-([0-9a-f]{8})")  # a folder that nobody has renamed: day and digest


class Settings(TypedDict, total=False):
    """What readers of a run look up in its recipe."""

    source: str | None
    image_size: int | None
    blind: bool | None
    linear_probe: bool | None


class Identity(TypedDict):
    """What decides a run's predictions."""

    task: str
    backbone: str
    recipe: Settings
    seed: int
    limit: int | None


class Session(TypedDict, total=False):
    """Where, when and how a run was worked on."""

    command: str
    commit: str | None
    precision: Literal["no", "bf16", "fp16"]
    versions: dict[str, str]


class Weights(TypedDict):
    """What a run started from."""

    origin: str
    sha256: NotRequired[str | None]
    fine_tuned_here: NotRequired[bool]
    num_parameters: NotRequired[int]


class SplitData(TypedDict):
    """Where the data of a split came from."""

    folder: str
    name: str
    fingerprint: str
    num_samples: int
    limit: NotRequired[int | None]
    checked: NotRequired[str | None]
    unlike: NotRequired[str | None]


class Facts(TypedDict):
    """What run.json holds, as far as it is read again."""

    identity: Identity
    sessions: list[Session]
    weights: Weights
    phases: dict[str, dict[str, float]]
    regime: NotRequired[str | None]
    protocol: NotRequired[str | None]
    split: NotRequired[str]
    splits: NotRequired[dict[str, SplitData]]


@dataclass(frozen=True)
class Run:
    """One backbone on one benchmark: `run.json`, checkpoints, journals of predictions, reports.

    `facts` is the content of run.json: `identity` (what decides the predictions) and provenance.
    """

    folder: Path
    facts: dict[str, Any]

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """Return the run of a folder.

        Raises:
            UserError: the folder holds no run, or its record is damaged.
        """
        path = folder / "run.json"
        if not path.is_file():
            raise UserError(f"{folder}: not a run folder, it holds no run.json")
        facts = read_json(path)
        problem = misfit(facts, Facts) or ("" if facts["sessions"] else "sessions is empty")
        named = NAMED.fullmatch(folder.resolve().name)
        if not problem and named and named[1] != _digest(facts["identity"]):
            problem = f"its identity was edited; {named[1]} in the folder's name is of another"
        if problem:
            raise UserError(
                f"{path}: not as evalsuite wrote it: {problem}; restore the file, or remove the "
                "folder and repeat the command"
            )
        return cls(folder, facts)

    @classmethod
    def continue_or_create(
        cls, folder: Path, identity: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> "Run":
        """Return the run of the folder that `folder_of` names; a new one is not saved yet."""
        if (folder / "run.json").is_file():
            run = cls.open(folder)
            run.facts["sessions"].append(dict(provenance))
        else:
            run = cls(folder, {"identity": dict(identity), "sessions": [dict(provenance)]})
        return run

    @staticmethod
    def folder_of(runs: Path, identity: Mapping[str, Any]) -> Path:
        """Return the folder of the run of this identity below `runs`, there or not yet."""
        digest = _digest(identity)
        stem = f"{identity['task']}-{identity['backbone']}"
        today = datetime.now(UTC).strftime("%Y%m%d")
        found = sorted(runs.glob(f"{stem}-*-{digest}/run.json"))
        return found[0].parent if found else runs / f"{stem}-{today}-{digest}"

    @property
    def is_continued(self) -> bool:
        """Whether an earlier session worked in this folder."""
        return len(self.facts["sessions"]) > 1

    @property
    def checkpoints(self) -> Path:
        """The folder of weights and trainer states."""
        return self.folder / "checkpoints"

    @property
    def training_log(self) -> Path:
        """The loss of fine-tuning, step by step: see training.py."""
        return self.folder / "train.jsonl"

    @property
    def weights(self) -> Path:
        """The fine-tuned weights; the file is there once fine-tuning has finished."""
        return self.checkpoints / "final.safetensors"

    def save(self) -> None:
        """Write run.json."""
        write_json(self.folder / "run.json", self.facts)

    def journal(self, split: str, rank: int) -> Journal:
        """Return the journal that the process of this rank appends to."""
        return Journal(self.folder / "predictions" / split / f"rank-{rank}.jsonl")

    def set_aside(self, split: str, ids: Collection[Any] | None = None) -> Path | None:
        """Keep what was predicted of a split, or of some of its samples, under another name.

        Returns:
            That name; None where nothing was predicted.
        """
        folder = self.folder / "predictions" / split
        if not folder.is_dir():
            return None
        number = 1 + len(list(folder.parent.glob(f"{split}.earlier-*")))
        kept = folder.with_name(f"{split}.earlier-{number}")
        if ids is None:
            return folder.rename(kept)
        for path in sorted(folder.glob("rank-*.jsonl")):
            move_entries(path, ids, kept / path.name)
        return kept

    def journaled(self, split: str) -> JournalEntries:
        """Return what all processes of all sessions predicted for a split so far."""
        return read_journals((self.folder / "predictions" / split).glob("rank-*.jsonl"))


def _digest(identity: Mapping[str, Any]) -> str:
    """Return the digest in the name of a run's folder."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
