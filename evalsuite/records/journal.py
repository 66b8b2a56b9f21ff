"""The journal of predictions: one JSON line per sample, append only."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple, Self

from evalsuite.records.errors import UserError
from evalsuite.records.files import said, write_text


class Journal:
    """Appends the predictions of one process; what was flushed survives a kill or a full disk.

    A torn last line, left by a kill, is ended on opening, so that it cannot swallow the next one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("ab", buffering=0)
        if path.stat().st_size and _last_byte(path) != b"\n":
            self._write(b"\n")

    def add(
        self,
        predictions: Mapping[Any, Any],
        failures: Mapping[Any, str],
        near_ties: Mapping[Any, bool] = MappingProxyType({}),
        marks: Mapping[Any, str] = MappingProxyType({}),
    ) -> None:
        """Write a batch of predictions, and the samples that could not be read with the reason.

        Args:
            near_ties: whether a prediction is a near-tie, where the task says it.
            marks: the state of the files that a prediction comes from.

        Raises:
            UserError: the disk is full; what was written before stays readable.
        """
        lines = [
            {"id": name, "prediction": value}
            | ({"near_tie": near_ties[name]} if name in near_ties else {})
            | ({"files": marks[name]} if marks.get(name) else {})
            for name, value in predictions.items()
        ]
        lines += [{"id": name, "error": reason} for name, reason in failures.items()]
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        self._write(text.encode())

    def _write(self, content: bytes) -> None:
        try:
            view = memoryview(content)
            while view:  # an unbuffered write may stop half-way when the disk fills up
                view = view[self._stream.write(view) :]
            os.fsync(self._stream.fileno())
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be written: {said(error)}; what is in it stays readable"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()


class JournalEntries(NamedTuple):
    """What the journals of one split hold, by sample id.

    `near_ties` says of each prediction whether it is one (near_ties.py), where that was
    looked at: some tasks do not, nor did evalsuite before it counted them. `marks` tell the
    state of the files that a prediction comes from, where that was noted.
    """

    predictions: dict[Any, Any]
    failures: dict[Any, str]
    near_ties: dict[Any, bool]
    marks: dict[Any, str]

    def of(self, ids: Collection[Any]) -> "JournalEntries":
        """Return what they hold of some samples."""
        return JournalEntries(
            {key: said for key, said in self.predictions.items() if key in ids},
            {key: reason for key, reason in self.failures.items() if key in ids},
            {key: is_one for key, is_one in self.near_ties.items() if key in ids},
            {key: mark for key, mark in self.marks.items() if key in ids},
        )


def read_journals(paths: Iterable[Path]) -> JournalEntries:
    """Return everything that the journals hold; torn lines are dropped, the first entry wins.

    Raises:
        UserError: one cannot be read.
    """
    predictions: dict[Any, Any] = {}
    failures: dict[Any, str] = {}
    near_ties: dict[Any, bool] = {}
    marks: dict[Any, str] = {}
    for path in sorted(paths):
        for line in _content(path).split(b"\n"):
            entry = _entry(line)
            if "prediction" in entry and entry["id"] not in predictions:
                predictions[entry["id"]] = entry["prediction"]
                if "near_tie" in entry:
                    near_ties[entry["id"]] = entry["near_tie"]
                if "files" in entry:
                    marks[entry["id"]] = entry["files"]
            elif "error" in entry:
                failures.setdefault(entry["id"], entry["error"])
    unread = {k: v for k, v in failures.items() if k not in predictions}
    return JournalEntries(predictions, unread, near_ties, marks)


def move_entries(path: Path, ids: Collection[Any], kept: Path) -> None:
    """Move the entries of some samples into a new journal, which is written before they go.

    Raises:
        UserError: the disk is full; then all entries are where they were.
    """
    lines = [line.decode() for line in _content(path).split(b"\n") if _entry(line)]
    moved = {line for line in lines if _entry(line.encode())["id"] in ids}
    if moved:
        write_text(kept, "".join(f"{line}\n" for line in lines if line in moved))
        write_text(path, "".join(f"{line}\n" for line in lines if line not in moved))


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: predictions that cannot be read ({error.strerror})") from None


def _entry(line: bytes) -> dict[str, Any]:
    """Return the entry of a journal line, empty for a torn one."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) and isinstance(entry.get("id"), int | str) else {}


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1)
