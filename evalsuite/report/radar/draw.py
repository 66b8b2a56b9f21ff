"""The radar chart: several models on several benchmarks, every axis with its own ticks.

Imported only by what draws: matplotlib takes a second to import.
"""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.markers import MarkerStyle
from matplotlib.patches import Polygon
from matplotlib.path import Path as MarkerPath
from matplotlib.transforms import Affine2D

from evalsuite.records.errors import UserError
from evalsuite.records.files import written_whole
from evalsuite.report.radar.frame import (
    COLOURS,
    FAINT,
    MARGIN,
    MARKERS,
    NOTE_PT,
    Below,
    Spoke,
    axis_label,
    characters,
    draw_grid,
    draw_ticks,
    fit,
    legend_of,
    spokes_of,
)
from evalsuite.report.radar.series import (
    PREVIOUS_SOTA,
    Axis,
    Scaling,
    Series,
    axes_of,
    gap_rings,
    published_series,
    scales_of,
)

ARROW = MarkerPath([(-0.45, -0.6), (0.0, 0.9), (0.45, -0.6), (-0.45, -0.6)])  # points outwards
LINE_WIDTHS = (1.9, 1.6, 1.4, 1.2, 1.0, 0.9, 0.8)  # points: of two equal lines both are seen
SUFFIXES = (".svg", ".pdf", ".png")
OUTSIDE = (
    " A gap in a line: no value. An arrow: the value lies outside the scale, printed at its axis."
)
SENTENCES = {
    "paper": "Each axis has its own scale, from the ring ticks of Figure 1 of the BEiT-3 paper; "
    "no axis starts at zero.",
    "absolute": "Each axis runs from 0 at the centre to the metric's limit at the rim.",
    "gap": "Rings are shares of the error left by {reference} that is closed ({shares}); "
    "ticks are in each metric's own unit.",
}


def radar(
    series: Sequence[Series],
    *,
    path: Path,
    scaling: Scaling = "paper",
    axes: Sequence[Axis] | None = None,
    reference: Series | None = None,
    width: float = 3.5,
) -> Figure:
    """Draw series on axes and write the chart; return the figure.

    Args:
        path: ends in .svg, .pdf or .png (at 300 dots per inch).
        axes: None takes those that the unpublished series have, else the paper's 12.
        reference: the series that "gap" counts from, the previous state of the art by default.
        width: inches; 3.5 is a column of a two-column paper.

    Raises:
        UserError: no series, more than 7, a file type that is not drawn, or axes that the scaling
            or the reference lacks.
    """
    if not 1 <= len(series) <= len(COLOURS):
        raise UserError(f"a radar shows 1 to {len(COLOURS)} series, got {len(series)}")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{path}: a radar is written as {', '.join(SUFFIXES)}")
    chosen = tuple(axes) if axes else axes_of(series, scaling)
    against = reference or published_series(PREVIOUS_SOTA)
    scales = scales_of(chosen, scaling, series, against)
    spokes = spokes_of(chosen, scales)
    shares = gap_rings(chosen, series, against)[1:] if scaling == "gap" else ()
    words = {"reference": against.name, "shares": ", ".join(f"{share:.0%}" for share in shares)}
    figure = _drawn(spokes, series, SENTENCES[scaling].format(**words) + OUTSIDE, width)
    _save(figure, path)
    return figure


def _drawn(
    spokes: Sequence[Spoke], series: Sequence[Series], sentence: str, width: float
) -> Figure:
    """Return the figure, its height set by what stands in it."""
    figure = Figure(figsize=(width, width), dpi=300)
    FigureCanvasAgg(figure)
    ax = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    ax.set_axis_off()
    draw_grid(ax, spokes)
    labels = [axis_label(ax, spoke, series) for spoke in spokes]
    for order, one in enumerate(series):
        _draw_series(ax, spokes, one, order)
    draw_ticks(ax, spokes)
    wrapped = textwrap.fill(sentence, characters(width - 2 * MARGIN, NOTE_PT))
    note = figure.text(0.5, 0.0, wrapped, fontsize=NOTE_PT, color=FAINT, ha="center", va="bottom")
    fit(figure, ax, labels, Below(legend_of(figure, series, width - 2 * MARGIN), note))
    return figure


def _draw_series(ax: Axes, spokes: Sequence[Spoke], series: Series, order: int) -> None:
    """Draw a series: no line across an axis that it lacks, arrows where it leaves the scale."""
    colour, dashes = COLOURS[order], "--" if series.is_other_data else "-"
    count, width = len(spokes), LINE_WIDTHS[order]
    for here, there in ((spokes[i], spokes[(i + 1) % count]) for i in range(count)):
        if here.axis.name not in series.points or there.axis.name not in series.points:
            continue
        ends = [s.at(s.radius(series.points[s.axis.name].value)) for s in (here, there)]
        ax.plot(*zip(*ends, strict=True), color=colour, linewidth=width, linestyle=dashes, zorder=4)
        _draw_band(ax, (here, there), series, colour)
    for spoke in spokes:
        if spoke.axis.name in series.points:
            _draw_point(ax, spoke, series, order)


def _draw_band(ax: Axes, pair: tuple[Spoke, Spoke], series: Series, colour: str) -> None:
    """Shade between the lower and the upper bounds of two neighbouring points."""
    intervals = [series.points[spoke.axis.name].interval for spoke in pair]
    if None in intervals:
        return
    (low, high), (next_low, next_high) = (bounds for bounds in intervals if bounds is not None)
    here, there = pair
    corners = [here.at(here.radius(low)), here.at(here.radius(high))]
    corners += [there.at(there.radius(next_high)), there.at(there.radius(next_low))]
    ax.add_patch(Polygon(corners, facecolor=colour, alpha=0.25, linewidth=0, zorder=3))


def _draw_point(ax: Axes, spoke: Spoke, series: Series, order: int) -> None:
    """Draw a point with its interval; an arrow head where the value lies outside the scale."""
    colour, point = COLOURS[order], series.points[spoke.axis.name]
    if point.interval is not None:
        ends = [spoke.at(spoke.radius(bound)) for bound in point.interval]
        ax.plot(*zip(*ends, strict=True), color=colour, linewidth=0.9, zorder=5)
    x, y = spoke.at(spoke.radius(point.value))
    marker, size = MarkerStyle(MARKERS[order]), 1.6 + 1.4 * LINE_WIDTHS[order]
    if spoke.is_outside(point.value):
        inwards = math.pi if spoke.scale.place(point.value) < 0 else 0.0
        marker, size = MarkerStyle(ARROW, transform=Affine2D().rotate(inwards - spoke.angle)), 6.5
    face = "white" if series.is_other_data else colour
    dot = Line2D([x], [y], marker=marker, markersize=size, linestyle="none", zorder=5)
    dot.set(markerfacecolor=face, markeredgecolor=colour, markeredgewidth=0.6)
    ax.add_line(dot)


def _save(figure: Figure, path: Path) -> None:
    """Write the figure; the same chart gives the same bytes."""
    date = {".svg": "Date", ".pdf": "CreationDate"}.get(path.suffix)
    metadata = {date: None} if date else None
    with (
        matplotlib.rc_context({"svg.hashsalt": "evalsuite", "pdf.fonttype": 42}),
        written_whole(path) as temporary,
    ):
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)
