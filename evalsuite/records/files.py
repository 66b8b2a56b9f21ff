"""Writing files so that a reader never sees half of one, and saying why one cannot be written."""

import errno
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from evalsuite.records.errors import UserError

NOT_YOURS = "may you read and write there? If not, name another place"
# What a person can do about a machine's refusals; any other is told in its own words alone.
ADVICE = {
    errno.ENOSPC: "free some room and repeat the command to resume",
    errno.EDQUOT: "free some room and repeat the command to resume",
    errno.EFBIG: "the system limits a file's size here (ulimit -f); name another place",
    errno.EACCES: NOT_YOURS,
    errno.EPERM: NOT_YOURS,
    errno.EROFS: "name a place that can be written",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.ENOTDIR: "a file stands where a folder is needed; name another place",
    errno.EEXIST: "a file stands where a folder is needed; name another place",
    errno.EISDIR: "a folder stands where a file is needed; name another place",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENOMEM: "free some memory",
}


def said(error: OSError) -> str:
    """Return what a machine refused, in words, and what can be done about it."""
    reason = error.strerror or str(error) or type(error).__name__
    advice = ADVICE.get(error.errno or 0)
    return f"{reason}; {advice}" if advice else reason


@contextmanager
def renamed_at_the_end(path: Path) -> Iterator[Path]:
    """Yield a temporary name in the file's folder, made if need be, for the file to be written to.

    Raises:
        OSError: the machine refuses; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name as `renamed_at_the_end` does, for a file that a user asked for.

    Raises:
        UserError: the disk is full or the folder cannot be written; nothing is left behind.
    """
    try:
        with renamed_at_the_end(path) as temporary:
            yield temporary
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {said(error)}") from error


def write_text(path: Path, text: str) -> None:
    """Write a text file whole.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON; see `write_text`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the value of a JSON file.

    Raises:
        UserError: the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {said(error)}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: expected JSON, but {error}; is the file complete?") from error


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
