"""A run: a folder that anyone can reopen."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from evalsuite.records.errors import UserError
from evalsuite.records.files import read_json, write_json
from evalsuite.records.journal import Journal, Journaled, read_journals


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
            UserError: the folder holds no run.
        """
        path = folder / "run.json"
        if not path.is_file():
            raise UserError(f"{folder}: not a run folder, it holds no run.json")
        return cls(folder, read_json(path))

    @classmethod
    def continue_or_create(
        cls, folder: Path, identity: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> "Run":
        """Return the run of the folder that `folder_of` names, begun where there is none yet."""
        if (folder / "run.json").is_file():
            run = cls.open(folder)
            run.facts["sessions"].append(dict(provenance))
        else:
            run = cls(folder, {"identity": dict(identity), "sessions": [dict(provenance)]})
        run.save()
        return run

    @staticmethod
    def folder_of(runs: Path, identity: Mapping[str, Any]) -> Path:
        """Return the folder of the run of this identity below `runs`, there or not yet."""
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:8]
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
        """The loss of fine-tuning, step by step: see records/training.py."""
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

    def set_aside(self, split: str) -> Path | None:
        """Keep a split's journals under another name; return it, None where there are none."""
        folder = self.folder / "predictions" / split
        if not folder.is_dir():
            return None
        number = 1 + len(list(folder.parent.glob(f"{split}.earlier-*")))
        return folder.rename(folder.with_name(f"{split}.earlier-{number}"))

    def journaled(self, split: str) -> Journaled:
        """Return what all processes of all sessions predicted for a split so far."""
        return read_journals((self.folder / "predictions" / split).glob("rank-*.jsonl"))
