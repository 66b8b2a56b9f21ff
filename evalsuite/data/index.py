"""The samples of a split in an Arrow file, built once and then shared by all ranks and workers."""

import fcntl
import hashlib
import inspect
import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from datasets import Dataset

from evalsuite.contracts.benchmark import Benchmark, Sample, SampleId
from evalsuite.data.fingerprint import fingerprint, marks
from evalsuite.records.cache import cache_folder
from evalsuite.records.errors import UserError, refuse_unknown_split
from evalsuite.records.files import renamed_at_the_end

VERSION = 2  # of the columns below
BATCH = 1000  # samples per record batch; datasets.config.DEFAULT_MAX_BATCH_SIZE


class SampleIndex:
    """The samples of one split by position, read from a memory-mapped file.

    Attributes:
        fingerprint: SHA-256 over the official files that the samples come from.
    """

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.fingerprint = fingerprint
        self._rows = Dataset.from_file(str(path))

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Sample:
        if not 0 <= position < len(self):
            raise IndexError(f"no sample {position}; there are {len(self)}")
        row: dict[str, Any] = self._rows[position]
        target = msgspec.msgpack.decode(row["target"])
        return Sample(msgspec.json.decode(row["id"]), tuple(row["images"]), row["text"], target)

    @cached_property
    def ids(self) -> list[SampleId]:
        """The ids in the order of the samples."""
        written = self._rows.data.column("id").to_pylist()
        return [msgspec.json.decode(one) for one in written]

    @cached_property
    def images(self) -> list[list[str]]:
        """The images of every sample, in the order of the samples."""
        written: list[list[str]] = self._rows.data.column("images").to_pylist()
        return written


def open_index(
    benchmark: Benchmark, data: Path, split: str, *, cache: Path | None = None
) -> SampleIndex:
    """Return the samples of a split, indexed on first use and again when the files change.

    Sizes and dates are compared first; where they differ the files are hashed, and the samples
    read again only when their contents differ. Several processes may call this at once: one
    builds, the others wait and then share its file.

    Raises:
        UserError: a file is missing or malformed, an id comes twice, the split is empty or
            unknown, or the cache cannot be written.
    """
    refuse_unknown_split(benchmark.card.name, split, benchmark.card.splits)
    place = hashlib.sha256(str(data.resolve()).encode()).hexdigest()[:12]
    folder = (cache or cache_folder()) / "index" / f"{benchmark.card.name}-{split}-{place}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / "lock"):
            return _open(benchmark, data, split, folder)
    except OSError as error:
        if error.filename is not None and not Path(error.filename).is_relative_to(folder):
            raise  # one of the official files: the reader should have said so
        raise UserError(
            f"{folder}: the sample index cannot be written: {error.strerror}; "
            "free some room there, or name another folder in EVALSUITE_CACHE"
        ) from error


def _open(benchmark: Benchmark, data: Path, split: str, folder: Path) -> SampleIndex:
    """Return the index that fits the official files, built where there is none."""
    files = benchmark.card.splits[split].files
    state = folder / "state.json"
    now = {"reader": _reader(benchmark), "marks": [list(mark) for mark in marks(data, files)]}
    known = _read_state(state)
    if known and all(known[key] == now[key] for key in now):
        path = folder / known["arrow"]
        if path.is_file():
            return SampleIndex(path, known["fingerprint"])
    content = fingerprint(data, files)
    path = folder / f"{content[:16]}-{now['reader'][:8]}.arrow"
    if not path.is_file():
        _build(benchmark, data, split, path)
        _remove_stale(folder, path)
    written = {**now, "fingerprint": content, "arrow": path.name}
    with renamed_at_the_end(state) as temporary:
        temporary.write_text(json.dumps(written), encoding="utf-8")
    return SampleIndex(path, content)


def _read_state(path: Path) -> dict[str, Any] | None:
    """Return what the last build wrote down, None where it is not there or not whole."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None
    return state if {"reader", "marks", "fingerprint", "arrow"} <= set(state) else None


def _reader(benchmark: Benchmark) -> str:
    """Return a hash of the code that reads the official files: another reader, another index."""
    digest = hashlib.sha256(str(VERSION).encode())
    for folder in (Path(inspect.getfile(type(benchmark))).parent, Path(__file__).parent):
        for source in sorted(folder.glob("*.py")):
            digest.update(source.read_bytes())
    return digest.hexdigest()


def _build(benchmark: Benchmark, data: Path, split: str, path: Path) -> None:
    """Write all samples to a file."""
    samples = iter(benchmark.samples(data, split))
    batches = iter(lambda: list(itertools.islice(samples, BATCH)), [])
    first = next(batches, None)
    if first is None:
        raise UserError(f"{data}: {benchmark.card.name} {split} holds no sample")
    schema = pa.schema(
        {
            "id": pa.string(),  # as JSON: an integer of any size, or a text
            "images": pa.list_(pa.string()),
            "text": pa.string(),
            # Packed, not columns: a target is read whole, and its numbers keep their types.
            "target": pa.binary(),
        }
    )
    seen: set[SampleId] = set()
    with (
        renamed_at_the_end(path) as temporary,
        temporary.open("wb") as stream,
        pa.ipc.new_stream(stream, schema) as writer,
    ):
        for batch in itertools.chain([first], batches):
            _note_ids(batch, seen, f"{data}: {benchmark.card.name} {split}")
            writer.write_batch(_record_batch(batch, schema))


def _remove_stale(folder: Path, current: Path) -> None:
    """Remove other indexes of the split, and what killed processes left half-written."""
    an_hour_ago = time.time() - 3600
    for path in set(folder.glob("*.arrow")) - {current}:
        path.unlink(missing_ok=True)
    for path in folder.glob("*.tmp"):
        # A young one may be another process's, where the file system has no locks.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < an_hour_ago:
                path.unlink()


def _note_ids(batch: list[Sample], seen: set[SampleId], where: str) -> None:
    """Add ids to those seen, or raise a UserError for one that comes twice."""
    for sample in batch:
        if sample.id in seen:
            raise UserError(
                f"{where} holds the id {sample.id!r} twice; ids must differ: fix its file"
            )
        seen.add(sample.id)


def _record_batch(batch: list[Sample], schema: pa.Schema) -> pa.RecordBatch:
    """Return samples as one Arrow batch."""
    columns = {
        "id": [msgspec.json.encode(sample.id).decode() for sample in batch],
        "images": [list(sample.images) for sample in batch],
        "text": [sample.text for sample in batch],
        "target": [msgspec.msgpack.encode(sample.target) for sample in batch],
    }
    arrays = [pa.array(columns[field.name], field.type) for field in schema]
    return pa.record_batch(arrays, schema=schema)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a file lock; its process's death frees it.

    Where the file system has no locks nobody waits: each process then builds its own file, and
    the renaming keeps that safe.
    """
    with path.open("w") as stream:
        with suppress(OSError):
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
