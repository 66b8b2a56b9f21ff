"""Which runs share a row of a table or a line of the radar, and what that is called."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from evalsuite.records.report import Report


class Lineup(NamedTuple):
    """Runs of one backbone, no two of the same benchmark, split, regime and protocol."""

    name: str
    reports: Sequence[Report]


def lineups(
    reports: Sequence[Report],
    kind: Callable[[Report], object] = lambda report: None,
) -> list[Lineup]:
    """Return the runs by backbone, in the order in which backbones come.

    A second run of the same backbone on the same benchmark starts a lineup of its own, `NAME 2`;
    not so a run whose scores are held back, which would stand there empty.

    Args:
        kind: what else keeps runs of one backbone apart, such as their data.
    """
    found: dict[tuple[str, object], list[dict[tuple[str | None, ...], Report]]] = {}
    for report in reports:
        places = found.setdefault((report.backbone, kind(report)), [])
        what = (report.task, report.split, report.regime, report.protocol)
        free = next((place for place in places if what not in place), None)
        if free is None and not report.scores:
            continue
        if free is None:
            free = {}
            places.append(free)
        free[what] = report
    return [
        Lineup(backbone if number == 1 else f"{backbone} {number}", list(place.values()))
        for (backbone, _), places in found.items()
        for number, place in enumerate(places, 1)
    ]
