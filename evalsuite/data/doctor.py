"""Checks a benchmark's official files: what is there, what is missing and where to get it."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from evalsuite.contracts.benchmark import Benchmark, Card, OfficialFile, SampleCheck, Split
from evalsuite.data.checking import Inspector, left_out, truth_check
from evalsuite.data.contents import count_files, count_records
from evalsuite.data.decode import UnreadableImageError
from evalsuite.data.reading import shortened
from evalsuite.records.errors import UserError, refuse_unknown_split
from evalsuite.records.files import file_sha256

Level = Literal["ok", "note", "differs", "problem"]
Progress = Callable[[str, int, int], None]

NAMED = 20  # faults of a folder or split that get a line of their own
SOME = 1000  # images opened of a split that is not evaluated, where no number is asked for


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the doctor's report.

    `split` is empty and `path` a folder for what concerns the images of all splits. What `differs`
    is well-formed and not of the official size: fine for trying, not for quoting. A `note` says
    what is left out, or read otherwise than a person may think.
    """

    split: str
    path: str
    level: Level
    text: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What is to be looked at.

    `split` is the only one, None for all. `images` is how many samples of each split are opened,
    -1 for all; None opens all of the evaluation split (or of the only one), some of the others.
    `hashes` asks for the SHA-256 of annotation files, which reads them once more.
    """

    split: str | None = None
    images: int | None = None
    hashes: bool = False

    def of(self, card: Card) -> dict[str, Split]:
        """Return the splits of a benchmark that are to be looked at.

        Raises:
            UserError: there is none of that name.
        """
        if self.split is None:
            return dict(card.splits)
        refuse_unknown_split(card.name, self.split, card.splits)
        return {self.split: card.splits[self.split]}

    def num_opened(self, split: str, eval_split: str, num_samples: int) -> int:
        """Return how many samples of a split are opened."""
        if self.images is None:
            return num_samples if split in (self.split, eval_split) else min(SOME, num_samples)
        return num_samples if self.images < 0 else min(self.images, num_samples)


WHOLE = Scope()


def examine(
    benchmark: Benchmark, data: Path, scope: Scope = WHOLE, progress: Progress | None = None
) -> list[Finding]:
    """Return what is found of every official file, split and image of a benchmark.

    Args:
        progress: called with a split and how many of its samples are opened: in all, and so far.

    Raises:
        UserError: the benchmark has no such split.
    """
    examination = _Examination(benchmark, data, scope, progress)
    splits = scope.of(benchmark.card)
    findings: list[Finding] = []
    examined: dict[str, Finding] = {}
    for name, split in splits.items():
        for file in split.files:
            if file.path not in examined:
                examined[file.path] = _file(data, name, file, scope.hashes)
                findings.append(examined[file.path])
        if all(examined[one.path].level != "problem" for one in split.files if _is_annotation(one)):
            findings += examination.of_split(name)
    files = [file for split in splits.values() for file in split.files]
    return findings + list(examination.of_images(files))


class _Examination:
    """Reads the samples of splits and opens their images, each image once."""

    def __init__(
        self, benchmark: Benchmark, data: Path, scope: Scope, progress: Progress | None
    ) -> None:
        self._benchmark, self._data, self._scope = benchmark, data, scope
        self._progress = progress
        self._inspector = Inspector(data)
        self._is_there: dict[str, bool] = {}  # by the image's name

    def of_split(self, name: str) -> Iterator[Finding]:
        """Yield how many samples a split yields, and what is wrong with them or with its truth."""
        count, check = 0, None
        try:
            for sample in self._benchmark.samples(self._data, name):
                count += 1
                for image in sample.images:
                    if image not in self._is_there:
                        self._is_there[image] = _is_file(self._data / image)
        except UserError as error:
            yield _problem(name, "samples", str(error))
            return
        level, text = _compared(count, self._benchmark.card.splits[name].num_samples or 0)
        yield Finding(split=name, path="samples", level=level, text=text)
        try:
            check = truth_check(self._benchmark, self._data, name)
        except UserError as error:
            yield _problem(name, "truth", str(error))
        number = self._scope.num_opened(name, self._benchmark.card.eval_split, count)
        yield from self._opened(name, count, number, check)

    def _opened(
        self, name: str, count: int, number: int, check: SampleCheck | None
    ) -> Iterator[Finding]:
        """Yield the faults of `number` samples beside unreadable images, which tell of themselves.

        Samples of which an image is missing are left aside.
        """
        if number == 0:
            return
        chosen = set(random.Random(0).sample(range(count), number))  # the same ones every time
        samples = enumerate(self._benchmark.samples(self._data, name))
        kept = (
            sample
            for place, sample in samples
            if place in chosen and all(self._is_there[image] for image in sample.images)
        )
        shown = None if self._progress is None else partial(self._progress, name, number)
        faults = [one.text for one in self._inspector.faults(kept, check, shown) if not one.image]
        yield from (_problem(name, "samples", text) for text in faults[:NAMED])
        if len(faults) > NAMED:
            yield _problem(name, "samples", f"{len(faults) - NAMED:,} more cannot be used")
        try:
            lines = [] if check is None else check.conclude()
            yield from (_note(name, "samples", line) for line in lines)
        except UserError as error:
            yield _problem(name, "samples", str(error))

    def of_images(self, files: Sequence[OfficialFile]) -> Iterator[Finding]:
        """Yield what images are missing, unreadable, left out, or read in a way of their own."""
        yield from _missing_images(self._is_there)
        yield from _opened_images(self._inspector)
        for line in (*left_out(self._data, files, self._is_there), *self._inspector.remarks()):
            yield _note("", "images", line)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name too long for any file's, or a folder that may not be looked into
        return False


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


def _missing_images(is_there: Mapping[str, bool]) -> Iterator[Finding]:
    """Yield a finding for every folder that lacks images which samples name."""
    missing = [name for name, there in is_there.items() if not there]
    wanted = Counter(map(_folder, is_there))
    for folder, count in Counter(map(_folder, missing)).items():
        example = min(name for name in missing if _folder(name) == folder)
        found = f"{count:,} of {wanted[folder]:,} images that samples name are missing"
        yield _problem("", folder, f"{found}, such as {shortened(Path(example).name)}")


def _opened_images(inspector: Inspector) -> Iterator[Finding]:
    """Yield the unreadable images, then for every folder how many are readable."""
    unreadable: dict[str, list[Finding]] = {}
    for name, facts in inspector.images.items():
        if isinstance(facts, UnreadableImageError):
            unreadable.setdefault(_folder(name), []).append(_problem("", name, str(facts)))
    for folder, count in Counter(map(_folder, inspector.images)).items():
        failures = unreadable.get(folder, [])
        yield from failures[:NAMED]
        if len(failures) > NAMED:
            yield _problem("", folder, f"{len(failures) - NAMED:,} more images cannot be read")
        text = f"{count - len(failures):,} of {count:,} decoded images are readable"
        level: Level = "problem" if failures else "ok"
        yield Finding(split="", path=folder, level=level, text=text)


def _folder(name: str) -> str:
    """Return the folder of an image below the data folder."""
    return Path(name).parent.as_posix()


def _problem(split: str, path: str, text: str) -> Finding:
    """Return a finding that must be fixed."""
    return Finding(split=split, path=path, level="problem", text=text)


def _note(split: str, path: str, text: str) -> Finding:
    """Return a finding that is worth knowing."""
    return Finding(split=split, path=path, level="note", text=text)
