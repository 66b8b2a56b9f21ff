"""The axes of the radar, what models and runs reach on them, and three ways to scale them."""

import difflib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Literal

from evalsuite.records.board import (
    FOLDER,
    Entry,
    board_of,
    metric_facts,
    protocol_of_variant,
    read_board,
    split_of,
    vocabulary,
)
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.report.conditions import Conditions
from evalsuite.report.lineup import lineups
from evalsuite.tinyworld.marker import TINY_WORLD

Scaling = Literal["paper", "absolute", "gap"]
SCALINGS: tuple[Scaling, ...] = ("paper", "absolute", "gap")
PREVIOUS_SOTA = "previous SOTA"
PAPER = "wang2022beit3"
MOST_NAMED = 5  # a message names the models whose names come nearest
FEWEST_AXES = 4  # fewer make no figure worth reading; then all axes of the paper are shown
GAP_STEPS = (0.02, 0.05, 0.1, 0.2, 0.25, 0.5)  # shares between two rings, the first that fits
MOST_GAPS = 4  # more rings crowd their ticks at column width


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: the board's metric, split and regime that it shows; `ticks` are Figure 1's.

    A row with the extra labels of `without` is not of the axis.
    """

    name: str
    title: str
    detail: str
    board: str
    metric: str
    split: str
    regime: str
    variant: str
    without: str = ""
    ticks: tuple[float, ...] = ()
    previous_sota: str = ""

    @property
    def limit(self) -> float:
        """The greatest value that the metric can take."""
        return float(metric_facts(self.metric)["limit"])


@dataclass(frozen=True)
class Point:
    """A value on an axis, with its 95% interval where known."""

    value: float
    interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class Series:
    """What one model reaches, by axis name; an axis that it lacks has no point.

    `note` is printed in the legend; `is_other_data` marks a series that may not be compared,
    `is_run` one that was measured here.
    """

    name: str
    points: Mapping[str, Point]
    note: str = ""
    is_other_data: bool = False
    is_run: bool = False


@dataclass(frozen=True)
class Scale:
    """A linear scale: `low` at the centre, `high` at the rim; `rings` are values with a ring."""

    low: float
    high: float
    rings: tuple[float, ...] = field(default=())

    def place(self, value: float) -> float:
        """Return where a value lies: 0 at the centre, 1 at the rim, beyond them outside."""
        return (value - self.low) / (self.high - self.low)


@cache
def all_axes() -> tuple[Axis, ...]:
    """Return the axes of leaderboards/radar.toml: the paper's 12 first."""
    rows = tomllib.loads((files(FOLDER) / "radar.toml").read_text("utf-8"))["axes"]
    return tuple(Axis(**{**row, "ticks": tuple(map(float, row.get("ticks", ())))}) for row in rows)


def paper_axes() -> tuple[Axis, ...]:
    """Return the 12 axes of the paper's Figure 1, in its order."""
    return tuple(axis for axis in all_axes() if axis.ticks)


def axes_named(names: Iterable[str]) -> tuple[Axis, ...]:
    """Return axes by name.

    Raises:
        UserError: there is no axis of a name.
    """
    known = {axis.name: axis for axis in all_axes()}
    for name in names:
        if name not in known:
            raise UserError(f"no radar axis {name!r}; there are {', '.join(known)}")
    return tuple(known[name] for name in names)


def axes_of(series: Sequence[Series], scaling: Scaling) -> tuple[Axis, ...]:
    """Return the axes that the runs have; the paper's 12 where that is too few for a figure."""
    runs = [one for one in series if one.is_run]
    shown = [axis for axis in all_axes() if any(axis.name in run.points for run in runs)]
    shown = [axis for axis in shown if axis.ticks or scaling != "paper"]
    return tuple(shown) if len(shown) >= FEWEST_AXES else paper_axes()


def published_series(model: str) -> Series:
    """Return what the boards hold of a model on the axes; "previous SOTA" is Table 1's choice.

    Rows quoted by the BEiT-3 paper come first, as the axes are that paper's. A name that stands
    for several models, such as "BEiT-3 large (released)", takes on each axis the one of its board.

    Raises:
        UserError: no axis has a value of that model.
    """
    several: Mapping[str, Mapping[str, str]] = vocabulary()["several_models"]
    points, models = {}, set()
    for axis in all_axes():
        wanted = axis.previous_sota if model == PREVIOUS_SOTA else model
        one = several.get(wanted, {}).get(axis.board, wanted)
        found = [entry for entry in _on(axis) if entry.model in (wanted, one)]
        found.sort(key=lambda entry: entry.source_key != PAPER)
        if found and found[0].value is not None:
            points[axis.name] = Point(found[0].value)
            models.add(one)
    if not points:
        known = sorted({*several, *(entry.model for axis in all_axes() for entry in _on(axis))})
        near = difflib.get_close_matches(model, known, MOST_NAMED, cutoff=0)
        raise UserError(
            f"no radar axis has a value of {model!r}; there are {PREVIOUS_SOTA} and "
            f"{len(known)} models, among them {', '.join(near)}"
        )
    return Series(model, points, f"{len(models)} models" if model in several else "")


def run_series(reports: Sequence[Report]) -> list[Series]:
    """Return one series for every backbone and kind of data.

    A second run of the same benchmark starts a series of its own.
    A point on another split than the axis', or of a part of the samples, is named in the note.
    """
    return [
        _series_of(name, Conditions.of(group[0]).data, group)
        for name, group in lineups(reports, lambda report: Conditions.of(report).data)
    ]


def scales_of(
    axes: Sequence[Axis], scaling: Scaling, series: Sequence[Series], reference: Series
) -> dict[str, Scale]:
    """Return the scale of every axis, by its name.

    "paper" has the ring ticks of Figure 1, "absolute" goes from 0 to the metric's limit, "gap"
    shows the share of the error left by `reference` that is closed, with rings at equal shares.

    Raises:
        UserError: the paper has no ticks for an axis, or the reference no value.
    """
    if scaling == "gap":
        shares = gap_rings(axes, series, reference)
        return {axis.name: _gap_scale(axis, shares, reference) for axis in axes}
    return {axis.name: _own_scale(axis, scaling) for axis in axes}


def gap_rings(
    axes: Sequence[Axis], series: Sequence[Series], reference: Series
) -> tuple[float, ...]:
    """Return shares of the remaining error, centre to rim; beyond -100% a point is clipped."""
    shares = [0.0]
    for axis in axes:
        if axis.name not in reference.points:
            raise UserError(
                f"{reference.name} has no value on {axis.title}, {axis.detail}; "
                "choose another reference, other axes or --scaling absolute"
            )
        start = reference.points[axis.name].value
        values = [one.points[axis.name].value for one in series if axis.name in one.points]
        shares += [(value - start) / (axis.limit - start) for value in values]
    low, high = max(-1.0, min(shares)), min(1.0, max(shares))
    for step in GAP_STEPS:
        first, last = min(-1, math.floor(low / step)), max(1, math.ceil(high / step))
        if last - first <= MOST_GAPS:
            break
    return tuple(ring * step for ring in range(first, last + 1))


def _own_scale(axis: Axis, scaling: Scaling) -> Scale:
    if scaling == "absolute":
        return Scale(0.0, axis.limit, tuple(axis.limit * part for part in (0.25, 0.5, 0.75, 1.0)))
    if not axis.ticks:
        raise UserError(
            f"{axis.title}, {axis.detail}: not an axis of the paper's figure; "
            "choose --scaling absolute or gap"
        )
    step = axis.ticks[1] - axis.ticks[0]
    return Scale(axis.ticks[0] - step, axis.ticks[-1] + step, axis.ticks)


def _gap_scale(axis: Axis, shares: Sequence[float], reference: Series) -> Scale:
    start = reference.points[axis.name].value
    values = tuple(start + share * (axis.limit - start) for share in shares)
    return Scale(values[0], values[-1], tuple(ring for ring in values[1:] if ring >= 0))


def _on(axis: Axis) -> list[Entry]:
    """Return the board's entries that belong on an axis; overview rows, rounded, are left out."""
    return [
        entry
        for entry in read_board(axis.board)
        if (entry.metric, entry.split) == (axis.metric, axis.split)
        and (entry.regime, entry.variant) == (axis.regime, axis.variant)
        and not (axis.without and axis.without in entry.extra_labels.split())
        and not entry.role
    ]


def _series_of(backbone: str, data: str | None, reports: Sequence[Report]) -> Series:
    """Return the series of runs of one backbone on one kind of data."""
    points: dict[str, Point] = {}
    departures: dict[str, list[str]] = {}
    for report in reports:
        conditions = Conditions.of(report)
        scores = {score.name: score for score in report.scores}
        board = board_of(conditions.task)
        for axis in all_axes():
            if axis.board != board or axis.metric not in scores or not _fits(axis, conditions):
                continue
            if axis.name in points and split_of(board, conditions.split) != axis.split:
                continue  # another run has the axis' own split, or came first
            score = scores[axis.metric]
            points[axis.name] = Point(score.value, score.interval)
            departures[axis.name] = _departures(axis, conditions)
    notes = [note for every in departures.values() for note in every]
    if data == TINY_WORLD:
        notes = ["tiny world: other data, not comparable"]
    note = "; ".join(dict.fromkeys(notes))
    return Series(backbone, points, note, data == TINY_WORLD, is_run=True)


def _fits(axis: Axis, conditions: Conditions) -> bool:
    """Whether a run answered as the values of an axis were reached."""
    protocol = protocol_of_variant(axis.variant) or conditions.protocol
    return axis.regime == conditions.regime and conditions.protocol in {protocol} - {None}


def _departures(axis: Axis, conditions: Conditions) -> list[str]:
    """Return in what a run differs from what the axis says."""
    notes = []
    if split_of(axis.board, conditions.split) != axis.split:
        notes.append(f"{axis.title} on {conditions.split}")
    if conditions.limit is not None:
        notes.append(f"{axis.title}: first {conditions.limit} samples")
    return notes
