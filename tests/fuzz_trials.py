"""Damages one file at a time, lets its reader loose on it, and tells what went wrong."""

import logging
import random
import resource
import signal
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from fuzz_mutations import LONG, damaged, restore
from fuzz_subjects import SUBJECTS

from evalsuite.records.errors import Remark, UserError

SECONDS = 20  # of one reading; the usual one takes milliseconds
MEMORY = 3 << 30  # bytes beside what is in use
LONGEST = 600  # characters of a message without the paths in it
SHOWN = 300  # characters of somebody's file in a message


class TooSlowError(BaseException):
    """Raised past every `except Exception` of a reader that does not come to an end."""


def faults(name: str, folder: Path, seeds: Sequence[int]) -> Iterator[str]:
    """Yield what goes wrong in the trials of a subject; each seed is one trial."""
    subject = SUBJECTS[name]
    files = subject.twin(folder)
    contents = {path: path.read_bytes() for path in files}
    for seed in seeds:
        chance = random.Random(f"{name} {seed}")
        path = chance.choice(files)
        damaged(path, contents[path], chance)
        fault = _fault(name, folder)
        if fault:
            content = path.read_bytes() if path.is_file() else b"(no file)"
            yield f"{name}, seed {seed}, {path.relative_to(folder)}: {fault}\n    {content[:300]!r}"
        for each, content in contents.items():
            restore(each, content)


def _fault(name: str, folder: Path) -> str | None:
    """Return what a reader did that it should not: None where it read the files or refused them."""
    with warnings.catch_warnings(record=True) as remarks, _limits():
        warnings.simplefilter("error")
        warnings.simplefilter("always", Remark)
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")  # as main does
        try:
            SUBJECTS[name].read(folder)
            message = None
        except UserError as error:
            message = str(error)
        except (Exception, SystemExit, TooSlowError) as error:
            return _told(error)
    texts = [str(one.message) for one in remarks] + ([message] if message is not None else [])
    return next((bad for bad in (_bad(text, folder) for text in texts) if bad), None)


def _bad(text: str, folder: Path) -> str | None:
    """Return what is wrong with a message, None where it can be printed and read."""
    own = text.replace(str(folder), "")
    if not text.strip() or any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        return f"not one printable line: {text[:400]!r}"
    if len(own) > LONGEST or own.count(LONG[0]) > SHOWN:
        return f"a message of {len(own)} characters: {text[:400]!r}"
    return None


def _told(error: BaseException) -> str:
    """Return an exception with the last places of our code that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{Path(one.filename).name}:{one.lineno}" for one in frames[-4:]]
    return f"{type(error).__name__}: {str(error)[:200]} ({' > '.join(places)})"


@contextmanager
def _limits() -> Iterator[None]:
    """Bound seconds and, where the system tells it, memory."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise TooSlowError(f"no end after {SECONDS} seconds")

    statm = Path("/proc/self/statm")
    before = resource.getrlimit(resource.RLIMIT_AS)
    if statm.exists():
        used = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    usual = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, usual)
        resource.setrlimit(resource.RLIMIT_AS, before)
        logging.disable(logging.NOTSET)
