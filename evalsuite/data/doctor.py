"""Looks over a benchmark's official files: what is there, what is missing and where to get it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Literal

from evalsuite.benchmark import Benchmark, OfficialFile, Split
from evalsuite.data.contents import count_files, count_records
from evalsuite.data.decode import UnreadableImageError, read_image
from evalsuite.records.errors import UserError
from evalsuite.records.files import file_sha256

Level = Literal["ok", "differs", "problem"]
Progress = Callable[[int, int], None]

CHUNK = 64  # images a process takes at once
POOL_FROM = 500  # images: fewer are decoded before a second process has started
NAMED = 20  # unreadable images of a folder that get a line of their own


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's report.

    `split` is empty and `path` a folder for what concerns the images of all splits. What `differs`
    is well-formed and not of the official size: fine for trying, not for quoting.
    """

    split: str
    path: str
    level: Level
    text: str
    sha256: str | None = None


def examine(
    benchmark: Benchmark,
    data: Path,
    *,
    hashes: bool = False,
    images: int | Literal["all"] = "all",
    progress: Progress | None = None,
) -> list[Finding]:
    """Return what is found of every official file, split and image of a benchmark.

    Args:
        hashes: give the SHA-256 of annotation files; reads them once more.
        images: how many images to decode, drawn over all splits; "all" may take minutes.
        progress: called with the numbers of images decoded so far and in all.
    """
    findings: list[Finding] = []
    used: dict[str, None] = {}
    examined: dict[str, Finding] = {}
    for name, split in benchmark.card.splits.items():
        for file in split.files:
            if file.path not in examined:
                examined[file.path] = _file(data, name, file, hashes)
                findings.append(examined[file.path])
        annotations_found = all(
            examined[file.path].level != "problem" or not _is_annotation(file)
            for file in split.files
        )
        if annotations_found:
            findings.append(_samples(benchmark, data, name, split, used))
    findings += _missing_images(data, list(used))
    findings += _decoded_images(data, list(used), images, progress)
    return findings


def _is_annotation(file: OfficialFile) -> bool:
    """Return whether samples are read from it: a file, not a folder of images."""
    return bool(Path(file.path).suffix)


def _file(data: Path, split: str, file: OfficialFile, hashes: bool) -> Finding:
    """Return what is found of one official file or folder."""
    path = data / file.path
    if not path.exists():
        return _problem(split, file.path, f"missing: {file.what}; get it from {file.source}")
    try:
        counts = {"files": count_files(path)} if path.is_dir() else count_records(path)
    except UserError as error:
        return _problem(split, file.path, f"{error}; get it again from {file.source}")
    sha256 = file_sha256(path) if hashes and path.is_file() else None
    level, text = _against_official(counts, file)
    return Finding(split=split, path=file.path, level=level, text=text, sha256=sha256)


def _against_official(counts: dict[str, int], file: OfficialFile) -> tuple[Level, str]:
    """Return how the counts of a file's lists compare with its official count."""
    if file.records is None or not counts:
        return "ok", ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "present"
    if file.records in counts.values():
        return "ok", f"{file.records:,} of {file.records:,}"
    # The list that the description names, or else the longest: COCO's files hold several.
    named = [count for name, count in counts.items() if name in file.what]
    return _compared(named[0] if named else max(counts.values()), file.records, file.source)


def _compared(found: int, official: int, source: str = "") -> tuple[Level, str]:
    """Return how a count compares with the official one."""
    if official == 0:  # a split whose size no source states
        return ("ok", f"{found:,}") if found else ("problem", "empty")
    text = f"{found:,} of {official:,}"
    if found == official:
        return "ok", text
    again = f"; get the whole from {source}" if source else ""
    if found == 0:
        return "problem", f"{text}: empty{again}"
    if found < official:
        return "differs", f"{text}: a subset{again}"
    return "differs", f"{text}: more than the official release holds"


def _samples(
    benchmark: Benchmark, data: Path, name: str, split: Split, used: dict[str, None]
) -> Finding:
    """Return how many samples a split yields; adds the images that they name to `used`."""
    count = 0
    try:
        for sample in benchmark.samples(data, name):
            count += 1
            used.update(dict.fromkeys(sample.images))
    except UserError as error:
        return _problem(name, "samples", str(error))
    if split.num_samples is None:
        return Finding(split=name, path="samples", level="ok", text=f"{count:,}")
    level, text = _compared(count, split.num_samples)
    return Finding(split=name, path="samples", level=level, text=text)


def _missing_images(data: Path, used: list[str]) -> Iterator[Finding]:
    """Yield a finding for every folder that lacks images which samples name."""
    missing = [name for name in used if not (data / name).is_file()]
    wanted = Counter(_folder(name) for name in used)
    for folder, count in Counter(_folder(name) for name in missing).items():
        example = min(name for name in missing if _folder(name) == folder)
        found = f"{count:,} of {wanted[folder]:,} images that samples name are missing"
        yield _problem("", folder, f"{found}, such as {Path(example).name}")


def _decoded_images(
    data: Path, used: list[str], asked: int | Literal["all"], progress: Progress | None
) -> Iterator[Finding]:
    """Yield the unreadable images, then for every folder how many are readable."""
    names = [name for name in used if (data / name).is_file()]
    if asked != "all" and asked < len(names):
        names = sorted(random.Random(0).sample(names, asked))  # the same ones every time
    unreadable: dict[str, list[Finding]] = {}
    for done, (name, failure) in enumerate(_decoded(data, names), start=1):
        if failure:
            unreadable.setdefault(_folder(name), []).append(_problem("", name, failure))
        if progress is not None:
            progress(done, len(names))
    for folder, count in Counter(_folder(name) for name in names).items():
        failures = unreadable.get(folder, [])
        yield from failures[:NAMED]
        if len(failures) > NAMED:
            yield _problem("", folder, f"{len(failures) - NAMED:,} more images cannot be read")
        text = f"{count - len(failures):,} of {count:,} decoded images are readable"
        level: Level = "problem" if failures else "ok"
        yield Finding(split="", path=folder, level=level, text=text)


def _decoded(data: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield every image's name and why it cannot be read, or an empty text."""
    paths = [data / name for name in names]
    if len(names) < POOL_FROM:
        yield from zip(names, map(_failure, paths), strict=True)
        return
    # Spawned, because a fork of a process with threads may hang.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        yield from zip(names, pool.map(_failure, paths, chunksize=CHUNK), strict=True)


def _failure(path: Path) -> str:
    """Return why an image cannot be read, or an empty text."""
    try:
        read_image(path)
    except UnreadableImageError as error:
        return str(error)
    return ""


def _folder(name: str) -> str:
    """Return the folder of an image below the data folder."""
    return Path(name).parent.as_posix()


def _problem(split: str, path: str, text: str) -> Finding:
    """Return a finding that has to be mended."""
    return Finding(split=split, path=path, level="problem", text=text)
