"""Telling two states of a benchmark's files apart: quickly by dates, surely by contents."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from evalsuite.contracts.benchmark import OfficialFile
from evalsuite.records.files import file_sha256


class Mark(NamedTuple):
    """What a look at the folder says of a path, without reading it; zeros where there is none."""

    path: str
    size: int
    changed_ns: int


def fingerprint(data: Path, files: Sequence[OfficialFile]) -> str:
    """Return the SHA-256 over the contents of official files, in hexadecimal.

    A folder counts by the names in it, two levels deep: hashing a million images takes an hour,
    and no sample is read from their bytes. A missing file counts as missing.
    """
    digest = hashlib.sha256()
    for file in files:
        path = data / file.path
        if path.is_dir():
            content = hashlib.sha256("\0".join(sorted(_names(path))).encode()).hexdigest()
        else:
            content = file_sha256(path) if path.is_file() else "missing"
        digest.update(f"{file.path}\0{content}\0".encode())
    return digest.hexdigest()


def contents_mark(data: Path, names: Sequence[str]) -> str:
    """Return a digest of what some files hold, empty where one of them cannot be read."""
    digest = hashlib.blake2b(digest_size=8)
    for name in names:
        try:
            content = (data / name).read_bytes()
        except OSError:
            return ""
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.hexdigest()


def marks(data: Path, files: Sequence[OfficialFile]) -> list[Mark]:
    """Return sizes and dates of official files, and of folders and the folders inside them."""
    found = []
    for file in files:
        path = data / file.path
        paths = [path]
        if path.is_dir():
            paths += sorted(Path(entry.path) for entry in os.scandir(path) if entry.is_dir())
        found += [_mark(data, one) for one in paths]
    return found


def _mark(data: Path, path: Path) -> Mark:
    """Return the mark of one path."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return Mark(str(path.relative_to(data)), 0, 0)
    return Mark(str(path.relative_to(data)), status.st_size, status.st_mtime_ns)


def _names(folder: Path) -> list[str]:
    """Return the names in a folder and in the folders inside it; hidden ones left out."""
    names = []
    for entry in os.scandir(folder):
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            names += [f"{entry.name}/{inner.name}" for inner in os.scandir(entry.path)]
        else:
            names.append(entry.name)
    return names
