"""Which runs share a row of a table or a line of the radar, and what that is called."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Lineup(NamedTuple):
    """Runs of one backbone, no two of the same benchmark, split, regime and protocol."""

    name: str
    reports: Sequence[Mapping[str, Any]]


def lineups(
    reports: Sequence[Mapping[str, Any]],
    kind: Callable[[Mapping[str, Any]], object] = lambda report: None,
) -> list[Lineup]:
    """Return the runs by backbone, in the order in which backbones come.

    A second run of the same backbone on the same benchmark starts a lineup of its own, `NAME 2`;
    not so a run whose scores are held back, which would stand there empty.

    Args:
        reports: contents of report.json.
        kind: what else keeps runs of one backbone apart, such as their data.
    """
    found: dict[tuple[str, object], list[dict[tuple[str, ...], Mapping[str, Any]]]] = {}
    for report in reports:
        places = found.setdefault((str(report["backbone"]), kind(report)), [])
        how = (str(report.get(name) or "") for name in ("regime", "protocol"))
        what = (report["task"], report["split"], *how)
        free = next((place for place in places if what not in place), None)
        if free is None and not report["scores"]:
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
