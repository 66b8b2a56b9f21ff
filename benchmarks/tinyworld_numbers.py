"""What several seeds say together: means, intervals, and which of two arms is above the other."""

import math
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

from scipy.stats import t as students_t
from tinyworld_cells import DECAY, Finished
from tinyworld_rows import SCRATCH, ZERO_SHOT, Row

from evalsuite.records.score import Score

Standing = Literal["above", "overlap", "below"]


class Summary(NamedTuple):
    """Mean over seeds with its 95% interval, and what the single seeds reached."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    def __str__(self) -> str:
        text = f"{self.mean:.1f} [{self.low:.1f}, {self.high:.1f}]"
        if len(self.values) > 1:
            text += f" ({min(self.values):.1f}..{max(self.values):.1f})"
        return text


def summary_of(scores: Sequence[Score], limit: float) -> Summary:
    """Return the mean over seeds with an interval for both of its uncertainties.

    The seeds are scored on the same samples, so averaging does not shrink the sampling error: its
    half-width is the mean of theirs. Added to it in quadrature is the half-width of a mean over so
    many seeds (Student's t). One seed has the first part alone.
    """
    values = tuple(score.value for score in scores)
    mean = fmean(values)
    bounds = [score.interval or (score.value, score.value) for score in scores]
    below = fmean(value - low for value, (low, _) in zip(values, bounds, strict=True))
    above = fmean(high - value for value, (_, high) in zip(values, bounds, strict=True))
    count = len(values)
    seeds = 0.0
    if count > 1:
        seeds = float(students_t.ppf(0.975, count - 1)) * stdev(values) / math.sqrt(count)
    low, high = mean - math.hypot(below, seeds), mean + math.hypot(above, seeds)
    return Summary(mean, max(0.0, low), min(limit, high), values)


def standing(first: Summary, second: Summary) -> Standing:
    """Return whether the first lies above or below the second with their intervals apart."""
    if first.low > second.high:
        return "above"
    return "below" if first.high < second.low else "overlap"


class Table(NamedTuple):
    """The finished cells that count: (arm, task) -> one a seed, and the arms in order."""

    arms: tuple[str, ...]
    cells: dict[tuple[str, str], list[Finished]]

    def summary(self, row: Row, arm: str) -> Summary | None:
        """Return what an arm reached in a row; None where nothing is finished, or can be.

        Nothing is learnt by zero-shot evaluation from scratch: its value is chance.
        """
        cells = [cell for cell in self.cells.get((arm, row.task), ()) if row.score in cell.scores]
        if cells:
            return summary_of([cell.score(row.score) for cell in cells], row.limit)
        baseline = self.baseline(row)
        if row.task == ZERO_SHOT and arm == SCRATCH and baseline is not None:
            return Summary(baseline, baseline, baseline, (baseline,))
        return None

    def baseline(self, row: Row) -> float | None:
        """Return the row's baseline: the same in every report, as it asks no model."""
        for (_, task), cells in self.cells.items():
            for cell in cells:
                if task == row.task and row.baseline in cell.baselines:
                    return cell.baselines[row.baseline]
        return None

    def pool(self, row: Row) -> int | None:
        """Return how many samples a row's score is of."""
        found = [
            cell.score(row.score).n
            for (_, task), cells in self.cells.items()
            for cell in cells
            if task == row.task and row.score in cell.scores
        ]
        return found[0] if found else None


def table_of(log: Sequence[Finished], arms: Sequence[str]) -> Table:
    """Return the cells that count: those with the weights, settings and world used last.

    Arms that only the log knows come after the given ones.
    """
    found: dict[tuple[str, str], dict[int, Finished]] = {}
    newest = {cell.arm: cell.weights for cell in log if not cell.tuning}
    last = {(cell.arm, cell.task): _kind(cell) for cell in log if not cell.tuning}
    for cell in log:
        place = (cell.arm, cell.task)
        if cell.tuning or cell.weights != newest[cell.arm] or _kind(cell) != last[place]:
            continue
        found.setdefault(place, {})[cell.seed] = cell
    names = tuple(dict.fromkeys([*arms, *newest]))
    cells = {place: [one[seed] for seed in sorted(one)] for place, one in found.items()}
    return Table(tuple(name for name in names if name in newest or name in arms), cells)


def _kind(cell: Finished) -> tuple[list[str], dict[str, Any]]:
    return cell.settings, cell.world


def tuned(log: Sequence[Finished]) -> dict[str, dict[str, Finished]]:
    """Return the tuning cells by task and rate, of the shared settings that were used last.

    A rate reads "0.004", or with a layer decay "0.3, 0.004".
    """
    tuning = [(cell, *_shared_and_own(cell.settings)) for cell in log if cell.tuning]
    last = {cell.task: shared for cell, shared, _ in tuning}
    found: dict[str, dict[str, Finished]] = {}
    for cell, shared, own in tuning:
        if shared == last[cell.task]:
            found.setdefault(cell.task, {})[own] = cell
    return found


def _shared_and_own(settings: Sequence[str]) -> tuple[list[str], str]:
    """Return the settings of all arms, and scratch's own: layer decay if it has one, and rate."""
    shared = [one for one in settings if not one.startswith((DECAY, "lr="))]
    own = [one.partition("=")[2] for one in settings if one.startswith((DECAY, "lr="))]
    return shared, ", ".join(own)
