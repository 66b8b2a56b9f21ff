"""The predictions of a run for the samples that it was asked for."""

from itertools import islice
from pathlib import Path

from evalsuite.contracts.benchmark import Benchmark
from evalsuite.records.journal import JournalEntries
from evalsuite.records.run import Run


def predicted(run: Run, benchmark: Benchmark, data: Path, split: str) -> JournalEntries:
    """Return what a run's journals hold of a split: of all samples, or of the first `--limit`.

    The journals hold whatever was predicted by any call; the run's record holds what the last one
    asked for.

    Raises:
        UserError: the first samples are asked for and the official files are not there.
    """
    journaled = run.journaled(split)
    limit = run.facts.get("splits", {}).get(split, {}).get("limit")
    if limit is None:
        return journaled
    return journaled.of({sample.id for sample in islice(benchmark.samples(data, split), limit)})
