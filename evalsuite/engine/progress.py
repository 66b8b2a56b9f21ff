"""Progress on standard error: a bar on a terminal, plain lines elsewhere."""

import resource
import sys
import time
from types import TracebackType
from typing import Self

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

SECONDS_BETWEEN_LINES = 10.0


class Meter:
    """Counts samples and separates the time spent waiting for data from the time computing."""

    def __init__(self, title: str, total: int, done: int = 0, *, shown: bool = True) -> None:
        self.samples = 0
        self.data_seconds = 0.0
        self.text = ""
        self._title, self._total, self._shown = title, total, shown
        self._first = self._done = done
        self._started = self._printed = time.perf_counter()
        self._ended: float | None = None
        self._console = Console(stderr=True)
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if self._shown and self._console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TextColumn("{task.completed}/{task.total}"),
                TimeRemainingColumn(),
                TextColumn("{task.fields[text]}"),
            )
            self._bar = Progress(*columns, console=self._console)
            self._bar.start()
            self._row = self._bar.add_task(
                self._title, total=self._total, completed=self._done, text=""
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended = time.perf_counter()
        if self._bar is not None:
            self._bar.stop()
        elif self._shown and kind is None:
            self._print(self._text())

    @property
    def seconds(self) -> float:
        """Wall time from the start to the end, or to now."""
        return (self._ended or time.perf_counter()) - self._started

    @property
    def samples_per_second(self) -> float:
        """Samples of this process, over its whole wall time."""
        return self.samples / max(self.seconds, 1e-9)

    def advance(self, units: int, samples: int) -> None:
        """Count finished units (of `total`) and samples, and show them from time to time."""
        self._done += units
        self.samples += samples
        if not self._shown:
            return
        if self._bar is not None:
            self._bar.update(self._row, completed=self._done, text=self._text())
        elif time.perf_counter() - self._printed >= SECONDS_BETWEEN_LINES:
            self._printed = time.perf_counter()
            self._print(f"{self._text()}, {self._remaining()}")

    def _text(self) -> str:
        waiting = 100 * self.data_seconds / max(self.seconds, 1e-9)
        return (
            f"{self.text} {self.samples_per_second:.0f} samples/s, "
            f"{waiting:.0f}% of the time reading, {peak_memory_gib():.1f} GiB"
        )

    def _remaining(self) -> str:
        per_unit = self.seconds / max(1, self._done - self._first)
        return f"{per_unit * (self._total - self._done):.0f} s left"

    def _print(self, text: str) -> None:
        print(f"{self._title} {self._done}/{self._total} {text}", file=sys.stderr, flush=True)


def say(text: str) -> None:
    """Print a line of progress."""
    print(text, file=sys.stderr, flush=True)


def peak_memory_gib() -> float:
    """Return this process's peak memory: the accelerator's where one is used, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return torch.cuda.max_memory_allocated() / 2**30
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
    return kibibytes / (2**30 if sys.platform == "darwin" else 2**20)
