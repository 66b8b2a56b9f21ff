"""How the command line ends: what stopped it is told in one line, with an exit status of its kind.

1: a bug of ours, with its traceback, or a closed pipe; 2: something that the user can fix;
128 and a signal's number: stopped from outside.
"""

import errno
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from evalsuite.records.errors import Remark, UserError
from evalsuite.records.files import said

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# pyproject.toml, the extra `train`: distributions, each with one module of its own name.
TRAIN = {
    "accelerate", "datasets", "safetensors", "sentencepiece", "torch", "torchvision", "transformers"
}  # fmt: skip


class _Stopped(BaseException):
    """A signal asked for the end; no KeyboardInterrupt, which typer ends without a word."""


@contextmanager
def told() -> Iterator[None]:
    """Tell on standard error what stops the verb within, and end the process with its status."""
    main = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once
        # Workers inherit this; what started them knows of KeyboardInterrupt alone.
        raise _Stopped(number) if os.getpid() == main else KeyboardInterrupt

    earlier = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", Remark)
            # Pillow warns of odd metadata in images that it reads all the same.
            warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
            warnings.showwarning = _shown
            try:
                yield
            finally:
                sys.stdout.flush()  # or a full disk would be told by the interpreter, after the end
    except _Stopped as stopped:
        number = signal.Signals(stopped.args[0])
        kept = "what was saved is kept, and the same command resumes from there"
        _end(128 + number, f"stopped by {number.name}: {kept}")
    except UserError as error:
        _end(2, str(error))
    except ModuleNotFoundError as error:
        if error.name not in TRAIN:
            raise
        extra = 'pip install "evalsuite[train]"'
        _end(2, f"this command needs {error.name}, which is not installed; run {extra}")
    except OSError as error:
        if error.errno is None:
            raise
        _end_of_machine(error)
    except MemoryError as error:
        _end(2, f"out of memory ({error}); free some, or use fewer samples with --limit")
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def say(line: str) -> None:
    """Print a line on standard error, where somebody still listens."""
    with suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)


def _end_of_machine(error: OSError) -> NoReturn:
    """End with what the machine refused: a file, a folder, room, or a reader of what is printed."""
    if error.filename is None:  # it may be standard output, which is flushed once more at the end
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        sys.exit(1)
    place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
    _end(2, f"{place}{said(error)}")


def _end(status: int, line: str) -> NoReturn:
    say(f"evalsuite: {line}")
    sys.exit(status)


def _shown(message: Warning | str, category: type[Warning], *place: Any, **options: Any) -> None:
    """Print a warning on one line, a remark of ours without the place in the code."""
    if issubclass(category, Remark):
        say(f"evalsuite: {message}")
    else:
        sys.stderr.write(warnings.formatwarning(message, category, place[0], place[1]))
