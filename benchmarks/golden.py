"""Compare what two commits compute on one machine, byte by byte.

    python benchmarks/golden.py HEAD~1 HEAD            two commits
    python benchmarks/golden.py main .                 a commit and the files as they lie here
    python benchmarks/golden.py A B --folder DIR       keep what both wrote, and resume from it

Each side draws the mini world and runs one seed of all nine tasks on it, a zero-shot task, every
stage of pretraining, and what follows from runs: scores, tables. Compared are the drawn files, the
names of the run folders (a digest of what a run is), weights, journals, losses, and the records and
reports but for times, places, versions and what is new. Exit status 1 where anything differs.
"""

import argparse
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
MOUNTED = ("tasks", "leaderboards")
STAGES = ("tokenizer", "masked", "itc", "grounding")
# A time, a machine's speed, or the session that wrote the file.
VOLATILE = {"sessions", "phases", "started", "commit", "versions"}
VOLATILE_LINES = re.compile(r"samples/s|seconds|GiB|commit|\d{4}-\d\d-\d\dT|Python 3")
DRAWN = {".html", ".svg", ".png"}
DATE = re.compile(r"-20\d{6}-")
PLACE = re.compile(r"/[^\s\"]*/at-work/")


def main() -> int:
    """Run both sides, print what differs, return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=_Verbatim)
    parser.add_argument("before", help="A commit, or . for the files as they are.")
    parser.add_argument("after", help="A commit, or . for the files as they are.")
    parser.add_argument("--folder", type=Path, help="Where both sides write; kept.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="golden-") as temporary:
        folder = options.folder or Path(temporary)
        sides = [
            _written(name, folder.resolve() / side)
            for name, side in ((options.before, "before"), (options.after, "after"))
        ]
        differences, count = _compared(*sides), sum(1 for _ in _files(sides[0]))
    for line in differences:
        print(line)
    print(f"{count} files compared, {len(differences)} differences")
    return 1 if differences else 0


class _Verbatim(argparse.RawDescriptionHelpFormatter):
    pass


def _written(commit: str, side: Path) -> Path:
    """Run everything with the code of one commit; return the folder of what it wrote."""
    if side.exists():
        return side / "out"
    # Both work at one place, for the records name it.
    place = side.with_name("at-work")
    shutil.rmtree(place, ignore_errors=True)
    package, out = place / "package", place / "out"
    out.mkdir(parents=True)
    _unpack(commit, package)
    _run(package, out, "tinyworld", "world", "--size", "mini")
    given = ("--device", "cpu", "--data", "world", "--runs", "runs")
    _run(package, out, "eval", "all", *given)
    _run(package, out, "eval", "retrieval_coco", "--zero-shot", *given)
    for stage in STAGES:
        _run(package, out, "pretrain", "--stage", stage, "--set", "epochs=1", *given)
    runs = sorted(
        path.parent for path in out.glob("runs/*/report.json") if path.parent.name != "report"
    )
    for run in runs:
        said = _run(package, out, "score", str(run.relative_to(out)), "--json")
        (out / f"score-{_undated(run.name)}.json").write_text(said)
    for name in _run(package, out, "table").split():
        said = _run(package, out, "table", name, *(str(run.relative_to(out)) for run in runs))
        (out / f"table-{name.replace('/', '-')}.md").write_text(said)
    place.rename(side)
    return side / "out"


def _unpack(commit: str, package: Path) -> None:
    """Lay the package out as the wheel holds it, the mounted folders inside."""
    package.mkdir(parents=True, exist_ok=True)
    if commit == ".":
        named = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "evalsuite", *MOUNTED],
            cwd=ROOT, check=True, capture_output=True, text=True,
        ).stdout.splitlines()  # fmt: skip
        for name in named:
            if (ROOT / name).is_file():
                (package / name).parent.mkdir(parents=True, exist_ok=True)
                (package / name).write_bytes((ROOT / name).read_bytes())
    else:
        packed = subprocess.run(
            ["git", "archive", commit, "evalsuite", *MOUNTED],
            cwd=ROOT, check=True, capture_output=True,
        ).stdout  # fmt: skip
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(package, filter="data")
    for name in MOUNTED:
        (package / name).rename(package / "evalsuite" / name)


def _run(package: Path, out: Path, *words: str) -> str:
    """Call one verb with the package's code, on one thread; return what it printed."""
    print(f"evalsuite {' '.join(words)[:70]}", file=sys.stderr, flush=True)
    environment = {
        **os.environ,
        "PYTHONPATH": str(package),
        "OMP_NUM_THREADS": "1",
        "EVALSUITE_CACHE": str(package.parent / "cache"),
    }
    finished = subprocess.run(
        [sys.executable, "-m", "evalsuite", *words],
        cwd=out, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if finished.returncode:
        raise SystemExit(f"evalsuite {' '.join(words)}\n{finished.stderr}")
    return finished.stdout


def _compared(before: Path, after: Path) -> list[str]:
    """Return one line for each file that is missing, new or other than it was."""
    old = {name: path for name, path in _files(before)}
    new = {name: path for name, path in _files(after)}
    lines = [f"gone: {name}" for name in sorted(old.keys() - new.keys())]
    lines += [f"new: {name}" for name in sorted(new.keys() - old.keys())]
    for name in sorted(old.keys() & new.keys()):
        lines += [f"{name}: {what}" for what in _differences(old[name], new[name])]
    return lines


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield every file to compare with its name, the date of a run folder left out.

    Pages and pictures hold what report.json and report.md hold, drawn; a lock names a process.
    """
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder).parts
        is_left_out = inside[0] == "runs" and (path.name == "lock" or path.suffix in DRAWN)
        if path.is_file() and not is_left_out:
            yield "/".join(map(_undated, inside)), path


def _undated(name: str) -> str:
    return DATE.sub("-", name)


def _differences(old: Path, new: Path) -> Iterator[str]:
    """Yield what differs between two files: keys of a record, lines of a text, or the bytes."""
    if "world" not in old.parts and old.suffix == ".json":
        yield from _unequal(json.loads(_text(old)), json.loads(_text(new)), "")
    elif old.suffix == ".md":
        texts = [
            [line for line in _text(path).splitlines() if not VOLATILE_LINES.search(line)]
            for path in (old, new)
        ]
        for one, other in zip(*texts, strict=False):
            if one != other:
                yield f"{one[:90]!r} is {other[:90]!r}"
        if len(texts[0]) != len(texts[1]):
            yield f"{len(texts[0])} lines are {len(texts[1])}"
    elif _content(old) != _content(new):
        yield "other bytes"


def _text(path: Path) -> str:
    """Return a text without the date of a run folder and the place where both sides worked."""
    return PLACE.sub("", _undated(path.read_text(encoding="utf-8")))


def _content(path: Path) -> tuple[Any, bytes]:
    """Return what a file holds; safetensors writes the keys of its header in any order."""
    packed = path.read_bytes()
    if path.suffix != ".safetensors":
        return None, packed
    start = 8 + int.from_bytes(packed[:8], "little")
    return json.loads(packed[8:start]), packed[start:]


def _unequal(old: Any, new: Any, place: str) -> Iterator[str]:
    """Yield where two JSON values differ; a key that is new, or tells of the machine, is none."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() - VOLATILE:
            if key not in new:
                yield f"{place}.{key} is gone"
            else:
                yield from _unequal(old[key], new[key], f"{place}.{key}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _unequal(one, other, f"{place}[{number}]")
    elif old != new:
        yield f"{place} {str(old)[:80]} is {str(new)[:80]}"


if __name__ == "__main__":
    sys.exit(main())
