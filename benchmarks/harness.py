"""The protocol of a speed benchmark: seeded inputs, and every engine measured in its own process.

A file `benchmarks/bench_<name>.py` holds one `BENCH` and ends with `main(BENCH)`. Command line:

    python benchmarks/bench_<name>.py make FOLDER [--seed N]
    python benchmarks/bench_<name>.py run ENGINE FOLDER        (ENGINE: official, ours, ...)
    python benchmarks/bench_<name>.py describe

`run` prints one JSON object, a `Measurement`, as its last line; `describe` what the table says.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One way to compute the scores, cut where the clock starts.

    `warm` imports the engine and loads its compiled code (on a handful of records), `load` returns
    what the comparison takes as given (the folder itself when it starts from result files, arrays
    when it starts in memory), `score` is measured and returns plain JSON values. Two engines
    agree when their scores are equal.
    """

    warm: Callable[[], None]
    load: Callable[[Path], Any]
    score: Callable[[Any], dict[str, Any]]


class Floor(NamedTuple):
    """What an engine must reach against the official one; None asks nothing.

    `speed` is official CPU seconds over its own, `memory` its own peak over the official peak.
    """

    speed: float | None
    memory: float | None


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One row or more of the table: `engines["official"]` is what the others are compared with.

    `floors` names the engines that stand in the table. `in_memory` says that inputs were loaded
    before the clock started, so that memory is compared above them. Benchmarks that name the
    same `inputs` share one folder of them. Scores that an engine does not give are not compared.
    """

    name: str
    title: str
    size: str
    make_inputs: Callable[[Path, int], None]
    engines: Mapping[str, Engine]
    floors: Mapping[str, Floor]
    in_memory: bool = False
    inputs: str | None = None


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One engine's run: CPU seconds with those of child processes, memory in MiB.

    `start_seconds` is the interpreter with this file's imports, `warm_seconds` the engine's
    imports and compiled code, `load_seconds` the reading of what the comparison takes as given.
    `peak_mb` is the process's peak while scoring, `added_mb` what of it came on top of the loaded
    input, `child_peak_mb` the peak of the largest child process (a JVM), which both include.
    """

    engine: str
    cpu_seconds: float
    wall_seconds: float
    start_seconds: float
    warm_seconds: float
    load_seconds: float
    peak_mb: float
    added_mb: float
    child_peak_mb: float
    scores: dict[str, Any]


def measure(bench: Bench, name: str, folder: Path) -> Measurement:
    """Run one engine of a benchmark on made inputs and return what it took."""
    engine = bench.engines[name]
    start = cpu_seconds()
    engine.warm()
    warmed = cpu_seconds()
    inputs = engine.load(folder)
    loaded = cpu_seconds()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    _reset_peak()
    before_mb = _status_mb("VmRSS")
    wall = time.perf_counter()
    scores = engine.score(inputs)
    wall = time.perf_counter() - wall
    done = cpu_seconds()
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    child_mb = ended.ru_maxrss / 1024 if ended.ru_utime > children.ru_utime else 0.0  # from KiB
    peak_mb = _status_mb("VmHWM")
    return Measurement(
        engine=name,
        cpu_seconds=done - loaded,
        wall_seconds=wall,
        start_seconds=start,
        warm_seconds=warmed - start,
        load_seconds=loaded - warmed,
        peak_mb=peak_mb + child_mb,
        added_mb=peak_mb - before_mb + child_mb,
        child_peak_mb=child_mb,
        scores=scores,
    )


def main(bench: Bench) -> None:
    """Serve the command line of one benchmark file."""
    parser = argparse.ArgumentParser(description=f"{bench.title}: {bench.size}")
    verbs = parser.add_subparsers(dest="verb", required=True)
    make = verbs.add_parser("make", help="write the full-size inputs")
    make.add_argument("folder", type=Path)
    make.add_argument("--seed", type=int, default=0)
    run = verbs.add_parser("run", help="measure one engine; prints JSON")
    run.add_argument("engine", choices=sorted(bench.engines))
    run.add_argument("folder", type=Path)
    verbs.add_parser("describe", help="print what the benchmark is, as JSON")
    arguments = parser.parse_args()
    if arguments.verb == "describe":
        sys.stdout.write(json.dumps(_description(bench)) + "\n")
        return
    if arguments.verb == "make":
        arguments.folder.mkdir(parents=True, exist_ok=True)
        bench.make_inputs(arguments.folder, arguments.seed)
        return
    measurement = measure(bench, arguments.engine, arguments.folder)
    sys.stdout.write(json.dumps(asdict(measurement)) + "\n")


def _description(bench: Bench) -> dict[str, Any]:
    """Return the plain facts of a benchmark."""
    return {
        "name": bench.name,
        "title": bench.title,
        "size": bench.size,
        "engines": list(bench.engines),
        "floors": {name: list(floor) for name, floor in bench.floors.items()},
        "in_memory": bench.in_memory,
        "inputs": bench.inputs or bench.name,
    }


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of its ended children."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def _reset_peak() -> None:
    """Make VmHWM start again from the present size (Linux; proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def _status_mb(field: str) -> float:
    """Return one memory field of /proc/self/status in MiB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}; the benchmarks need Linux")
