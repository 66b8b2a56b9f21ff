"""Checks a split before hours of work: everything that predicting and scoring would trip over."""

import itertools
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from evalsuite.contracts.benchmark import (
    Benchmark,
    ChecksSplits,
    OfficialFile,
    Sample,
    SampleCheck,
    SampleId,
)
from evalsuite.data.decode import ImageFacts, UnreadableImageError, image_facts
from evalsuite.records.errors import UserError

THREADS = 8  # PIL decodes beside Python's lock: two threads take 0.5 to 0.7 of one's time
BATCH = 64  # samples looked at together

Progress = Callable[[int], None]


class Fault(NamedTuple):
    """A sample that cannot be used, and why.

    `image` is its unreadable image, relative to the data folder; empty for another fault.
    """

    id: SampleId
    image: str
    text: str


def truth_check(
    benchmark: Benchmark,
    data: Path,
    split: str,
    *,
    only: Collection[SampleId] | None = None,
) -> SampleCheck | None:
    """Read a split's ground truth as scoring does; return what checks its samples, if anything.

    Args:
        only: the ids of the samples that will be scored; all where there is none.

    Raises:
        UserError: the split cannot be scored.
    """
    if benchmark.card.splits[split].server is None:
        benchmark.references(data, split, only=only)
    return benchmark.split_check(data, split) if isinstance(benchmark, ChecksSplits) else None


class Inspector:
    """Opens the images of samples, each once however many samples name it.

    Attributes:
        images: what each image opened so far told, or why it cannot be read.
    """

    def __init__(self, data: Path) -> None:
        self.images: dict[str, ImageFacts | UnreadableImageError] = {}
        self._data = data

    def faults(
        self,
        samples: Iterable[Sample],
        check: SampleCheck | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Fault]:
        """Yield the samples that cannot be used.

        Args:
            progress: called with the number of samples looked at so far.
        """
        done = 0
        samples = iter(samples)
        with ThreadPoolExecutor(THREADS) as pool:
            while batch := list(itertools.islice(samples, BATCH)):
                names = dict.fromkeys(name for sample in batch for name in sample.images)
                new = [name for name in names if name not in self.images]
                self.images.update(zip(new, pool.map(self._look, new), strict=True))
                for fault in pool.map(lambda sample: self._fault(sample, check), batch):
                    done += 1
                    if progress is not None:
                        progress(done)
                    if fault is not None:
                        yield fault

    def remarks(self) -> list[str]:
        """Return what official loaders ignore of the images opened so far, a line each."""
        names: dict[str, list[str]] = {}
        for name, facts in self.images.items():
            for remark in facts.remarks if isinstance(facts, ImageFacts) else ():
                names.setdefault(remark, []).append(name)
        total = len(self.images)
        return [
            f"{len(some):,} of {total:,} images {remark}, such as {some[0]}"
            for remark, some in names.items()
        ]

    def _look(self, name: str) -> ImageFacts | UnreadableImageError:
        try:
            return image_facts(self._data / name)
        except UnreadableImageError as error:
            return error

    def _fault(self, sample: Sample, check: SampleCheck | None) -> Fault | None:
        sizes = []
        for name in sample.images:
            facts = self.images[name]
            if isinstance(facts, UnreadableImageError):
                return Fault(sample.id, name, str(facts))
            sizes.append(facts.size)
        try:
            if check is not None:
                check(sample, sizes)
        except UserError as error:
            return Fault(sample.id, "", str(error))
        return None


def left_out(data: Path, files: Sequence[OfficialFile], used: Collection[str]) -> list[str]:
    """Return a line for each folder with files of a kind that no sample's image there is of.

    Args:
        used: the images that samples name, relative to the data folder.
    """
    lines = []
    for folder in dict.fromkeys(file.path for file in files):
        known = {Path(name).suffix.lower() for name in used if name.startswith(f"{folder}/")}
        others = [path for path in _files(data / folder) if path.suffix.lower() not in known]
        if known and others:
            kinds = ", ".join(sorted({path.suffix.lower() or "without suffix" for path in others}))
            example = min(others).relative_to(data)
            lines.append(
                f"{folder}: {len(others):,} file(s) ({kinds}) are left out, such as {example}: "
                f"images there are {', '.join(sorted(known))}"
            )
    return lines


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder at any depth; hidden ones left out."""
    for parent, _, names in os.walk(folder):
        yield from (Path(parent, name) for name in names if not name.startswith("."))
