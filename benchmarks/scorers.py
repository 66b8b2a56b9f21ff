"""Measures every scorer against its official engine and prints the table of ratios.

    python benchmarks/scorers.py [NAME ...] [--repeats 3] [--folder DIR] [--write]

Full-size inputs are made once, from a seed. Engines run in turn, each in a process of its own, on
one thread; CPU seconds are the median of the repeats. `--write` puts the table into README.md.
The exit status is 1 when a floor is not met or scores differ.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

HERE = Path(__file__).parent
README = HERE / "README.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")
HEADINGS = (
    "| scorer | engine | official CPU s | CPU s | times faster | floor "
    "| official peak MB | peak MB | of its memory | floor | scores | floors |",
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|---|",
)
APART = (
    "| scorer | engine | interpreter and imports | engine's imports, compiled code, JVM | input |",
    "|---|---|--:|--:|--:|",
)


class Row(NamedTuple):
    """One line of the table, and whether it asks and holds all it should."""

    line: str
    is_met: bool


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    arguments = _arguments()
    lines, apart, is_met = list(HEADINGS), list(APART), True
    with TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        for script in _scripts(arguments.names):
            facts = json.loads(_run(script, "describe"))
            runs, problems = _measured(script, facts, folder, arguments)
            for engine in facts["floors"]:
                row = _row(facts, engine, runs, problems)
                lines.append(row.line)
                is_met &= row.is_met
            apart += [_apart(facts, engine, runs[engine]) for engine in runs]
            _say(f"{facts['title']}: done")
    text = _page(lines, apart, arguments.repeats)
    sys.stdout.write(text)
    if arguments.write:
        before, _, rest = README.read_text().partition(BEGIN)
        README.write_text(f"{before}{BEGIN}\n{text}{END}{rest.partition(END)[2]}")
    return 0 if is_met else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="benchmarks, as in bench_NAME.py; all by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where inputs are kept for the next time")
    parser.add_argument("--write", action="store_true", help="put the table into README.md")
    return parser.parse_args()


def _scripts(names: list[str]) -> list[Path]:
    scripts = {path.stem.removeprefix("bench_"): path for path in sorted(HERE.glob("bench_*.py"))}
    unknown = [name for name in names if name not in scripts]
    if unknown:
        raise SystemExit(f"no benchmark {unknown[0]!r}; there are {', '.join(scripts)}")
    return [scripts[name] for name in names or scripts]


def _measured(
    script: Path, facts: dict[str, Any], folder: Path, arguments: argparse.Namespace
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, str]]:
    """Return every engine's measurements, and of those that did not run the reason."""
    inputs = folder / f"{facts['inputs']}-{arguments.seed}"
    runs: dict[str, list[dict[str, Any]]] = {engine: [] for engine in facts["engines"]}
    problems: dict[str, str] = {}
    try:
        if not (inputs / "made").is_file():
            _say(f"{facts['title']}: making inputs")
            _run(script, "make", str(inputs), "--seed", str(arguments.seed))
            (inputs / "made").touch()
        for engine in runs:  # unmeasured: fills the caches of files and of compiled code
            _attempt(script, engine, inputs, problems)
        for _ in range(arguments.repeats):
            for engine in [engine for engine in runs if engine not in problems]:
                measurement = _attempt(script, engine, inputs, problems)
                if measurement is not None:
                    runs[engine].append(measurement)
    except RuntimeError as error:
        problems = dict.fromkeys(runs, str(error))
    return runs, problems


def _attempt(
    script: Path, engine: str, inputs: Path, problems: dict[str, str]
) -> dict[str, Any] | None:
    try:
        lines = _run(script, "run", engine, str(inputs)).splitlines()
    except RuntimeError as error:
        problems[engine] = str(error)
        return None
    measurement: dict[str, Any] = json.loads(lines[-1])
    return measurement


def _run(script: Path, *arguments: str) -> str:
    """Return what a benchmark prints, run on one thread.

    Raises:
        RuntimeError: it failed; holds the last line of its complaint.
    """
    threads = {f"{name}_NUM_THREADS": "1" for name in THREADS}
    command = [sys.executable, str(script), *arguments]
    done = subprocess.run(
        command, env={**os.environ, **threads}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        raise RuntimeError(said[-1])
    return done.stdout


def _row(
    facts: dict[str, Any],
    engine: str,
    runs: dict[str, list[dict[str, Any]]],
    problems: dict[str, str],
) -> Row:
    """Return one engine's line beside the official one."""
    title = f"{facts['title']}, {facts['size']}"
    speed_floor, memory_floor = facts["floors"][engine]
    ours, official = runs.get(engine), runs.get("official")
    if not ours or not official:
        reason = problems.get(engine) or problems.get("official") or "no such engine"
        return Row(
            f"| {title} | {engine} |" + " |" * 8 + f" not run: {reason} | not shown |", False
        )
    field = "added_mb" if facts["in_memory"] else "peak_mb"
    seconds = [median(run["cpu_seconds"] for run in one) for one in (official, ours)]
    peaks = [max(run[field] for run in one) for one in (official, ours)]
    faster, memory = seconds[0] / seconds[1], peaks[1] / max(peaks[0], 1.0)
    misses = []
    if speed_floor is not None and faster < speed_floor:
        misses.append("speed")
    if memory_floor is not None and memory > memory_floor:
        misses.append("memory")
    shared = [key for key in official[0]["scores"] if key in ours[0]["scores"]]
    differing = [key for key in shared if official[0]["scores"][key] != ours[0]["scores"][key]]
    equal = f"differ: {', '.join(differing)}" if differing else f"equal ({len(shared)})"
    said = "missed: " + ", ".join(misses) if misses else "met"
    cells = [
        title,
        engine,
        f"{seconds[0]:.2f}",
        f"{seconds[1]:.3f}",
        f"**{faster:.1f}**",
        "-" if speed_floor is None else f"{speed_floor:g}",
        f"{peaks[0]:.0f}",
        f"{peaks[1]:.0f}",
        f"{memory:.2f}",
        "-" if memory_floor is None else f"{memory_floor:g}",
        equal,
        "-" if speed_floor is None and memory_floor is None else said,
    ]
    return Row("| " + " | ".join(cells) + " |", not misses and not differing)


def _apart(facts: dict[str, Any], engine: str, runs: list[dict[str, Any]]) -> str:
    """Return what came before the clock, in CPU seconds."""
    if not runs:
        return f"| {facts['title']} | {engine} | | not run | |"
    fields = ("start_seconds", "warm_seconds", "load_seconds")
    cells = [f"{median(run[field] for run in runs):.2f}" for field in fields]
    return f"| {facts['title']} | {engine} | " + " | ".join(cells) + " |"


def _page(lines: list[str], apart: list[str], repeats: int) -> str:
    """Return both tables with what they were measured on."""
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    processor = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    where = f"{processor}, one thread, Python {platform.python_version()}"
    return "\n".join(
        [
            f"Measured {when} on {where}; median CPU seconds of {repeats} runs, peak of all.",
            "",
            *lines,
            "",
            "Not in the times above, in CPU seconds:",
            "",
            *apart,
            "",
        ]
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
