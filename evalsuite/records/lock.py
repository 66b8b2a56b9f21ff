"""One session at a time in a run folder: two would write the same journals and weights."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from evalsuite.records.errors import UserError
from evalsuite.records.files import said

_held: list[int] = []  # open files of this process; their locks end with it, however it ends


def _close_held() -> None:
    while _held:
        os.close(_held.pop())


# A reader that outlives a killed session for a moment must not keep its folder locked.
os.register_at_fork(after_in_child=_close_held)


def lock_folder(folder: Path) -> None:
    """Make a run folder this session's own, until `folders_freed` ends or the process does.

    A file system without locks locks nothing.

    Raises:
        UserError: another session works in the folder, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UserError(f"--runs: {folder} cannot be written: {said(error)}") from error
    _held.append(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
        raise UserError(
            f"{folder}: in use by {owner}; wait until it ends, or give this session its own "
            "--runs. To share one run among several processes, start it with torchrun"
        ) from None
    except OSError:
        return
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}\n".encode(), 0)


@contextmanager
def folders_freed() -> Iterator[None]:
    """Free the folders that were locked within."""
    try:
        yield
    finally:
        _close_held()
