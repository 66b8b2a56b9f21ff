"""What stands around the lines of a radar: spokes, rings, ticks, labels, legend; its layout."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea, VPacker
from matplotlib.patches import Polygon
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from evalsuite.report.radar.series import Axis, Scale, Series

Align = Literal["left", "right", "center"]

# Okabe & Ito 2008, "Color Universal Design": told apart by every kind of colour vision.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY, LIGHT, INK, FAINT = "#767676", "#D8D8D8", "#222222", "#555555"
HOLE = 0.28  # greatest radius of the centre, in rims: room for the ticks of the innermost ring
LABEL_AT, LABEL_AT_RIM_TICKS = 1.06, 1.14  # radius of the axis labels, in rims
TITLE_LETTERS, DETAIL_LETTERS = 11, 13  # at the sides, where labels cost width
TITLE_PT, DETAIL_PT, TICK_PT, NOTE_PT, LEGEND_PT = 6.2, 5.2, 4.8, 5.0, 6.0
ADVANCE, TICK_AWAY = 0.62, 2.2  # width of a digit of DejaVu Sans in its size; points
LEVEL = 0.95  # sine of the angle from which an axis counts as level
MARGIN, GAP = 0.04, 0.09  # inches
POINTS_PER_INCH = 72.0


class Spoke(NamedTuple):
    """One axis as drawn: where it points, and how far a value lies from the centre."""

    axis: Axis
    angle: float
    scale: Scale
    hole: float

    def at(self, radius: float) -> tuple[float, float]:
        """Return the place at a radius in rims, clockwise from the top."""
        return radius * math.sin(self.angle), radius * math.cos(self.angle)

    def radius(self, value: float) -> float:
        """Return the radius of a value, held within the scale."""
        return self.hole + (1 - self.hole) * min(1.0, max(0.0, self.scale.place(value)))

    def is_outside(self, value: float) -> bool:
        """Whether a value lies beyond the rim or below the centre."""
        return not 0.0 <= self.scale.place(value) <= 1.0


class Label(NamedTuple):
    """The label of an axis: its anchor in rims, and the share of its box before the anchor."""

    artist: Artist
    anchor: tuple[float, float]
    before: tuple[float, float]


class Below(NamedTuple):
    """What stands under the chart."""

    legend: Legend
    sentence: Text


def spokes_of(axes: Sequence[Axis], scales: Mapping[str, Scale]) -> list[Spoke]:
    """Return the axes at equal angles, clockwise from the top; the more, the wider the centre."""
    turn = 2 * math.pi / len(axes)
    hole = min(HOLE, 0.03 * len(axes) - 0.04)
    return [Spoke(axis, turn * i, scales[axis.name], hole) for i, axis in enumerate(axes)]


def draw_grid(ax: Axes, spokes: Sequence[Spoke]) -> None:
    """Draw the centre, the rings and the spokes."""
    places = {0.0, 1.0}
    places |= {round(s.scale.place(ring), 6) for s in spokes for ring in s.scale.rings}
    for place in sorted(places):
        edge = GREY if place in (0.0, 1.0) else LIGHT
        corners = [spoke.at(spoke.hole + (1 - spoke.hole) * place) for spoke in spokes]
        ax.add_patch(Polygon(corners, fill=False, edgecolor=edge, linewidth=0.4, zorder=1))
    for spoke in spokes:
        (x0, y0), (x1, y1) = spoke.at(spoke.hole), spoke.at(1.0)
        ax.plot([x0, x1], [y0, y1], color=LIGHT, linewidth=0.5, zorder=1)


def draw_ticks(ax: Axes, spokes: Sequence[Spoke]) -> None:
    """Print every axis' own ring values beside it, so that no marker is hidden.

    On a level axis they stand above and below in turn: side by side they would touch.
    """
    halo = [withStroke(linewidth=1.3, foreground="white", alpha=0.85)]
    for spoke in spokes:
        right, down = math.cos(spoke.angle), math.sin(spoke.angle)
        for order, ring in enumerate(spoke.scale.rings):
            text = _number(ring, spoke.scale)
            half_width = 0.5 * ADVANCE * TICK_PT * (len(text) - 0.5 * ("." in text))
            away = abs(right) * half_width + abs(down) * 0.5 * TICK_PT + TICK_AWAY
            side = -away if abs(down) > LEVEL and order % 2 else away
            ax.annotate(
                text,
                spoke.at(spoke.radius(ring)),
                (right * side, -down * side),
                textcoords="offset points",
                fontsize=TICK_PT,
                color=FAINT,
                ha="center",
                va="center",
                path_effects=halo,
                zorder=6,
            )


def axis_label(ax: Axes, spoke: Spoke, series: Sequence[Series]) -> Label:
    """Return the label of an axis: title, metric and split, and the values outside its scale."""
    side = round(math.sin(spoke.angle), 6)
    align: Align = "center" if abs(side) < 0.2 else ("left" if side > 0 else "right")
    title, detail = spoke.axis.title, spoke.axis.detail
    if align != "center":
        title = textwrap.fill(title, TITLE_LETTERS, break_on_hyphens=False)
        detail = textwrap.fill(detail, DETAIL_LETTERS, break_on_hyphens=False)
    bold = {"color": INK, "fontsize": TITLE_PT, "weight": "bold"}
    plain = {"color": INK, "fontsize": DETAIL_PT}
    lines: list[Artist] = [TextArea(line, textprops=bold) for line in title.splitlines()]
    lines += [TextArea(line, textprops=plain) for line in detail.splitlines()]
    outside: list[Artist] = []
    for order, one in enumerate(series):
        point = one.points.get(spoke.axis.name)
        if point is not None and spoke.is_outside(point.value):
            arrow = "▴" if spoke.scale.place(point.value) > 1 else "▾"
            value = {"fontsize": DETAIL_PT, "color": COLOURS[order], "weight": "bold"}
            outside.append(TextArea(f"{arrow}{point.value:.1f}", textprops=value))
    if outside:
        lines.append(HPacker(children=outside, pad=0, sep=3))
    packed = VPacker(children=lines, align=align, pad=0, sep=0.7)
    before = (0.5 - 0.5 * max(-1.0, min(1.0, side / 0.5)), 0.5 - 0.5 * math.cos(spoke.angle))
    anchor = spoke.at(LABEL_AT_RIM_TICKS if spoke.scale.high in spoke.scale.rings else LABEL_AT)
    box = AnnotationBbox(packed, anchor, box_alignment=before, frameon=False, pad=0)
    ax.add_artist(box)
    return Label(box, anchor, before)


def legend_of(figure: Figure, series: Sequence[Series], width: float) -> Legend:
    """Return the key of the series, in as many columns as fit the width (inches)."""
    handles = []
    for order, one in enumerate(series):
        face = "white" if one.is_other_data else COLOURS[order]
        line = Line2D([], [], color=COLOURS[order], linestyle="--" if one.is_other_data else "-")
        line.set(marker=MARKERS[order], markerfacecolor=face, markersize=3.4, linewidth=1.4)
        name = one.name + (f" ({one.note})" if one.note else "")
        line.set_label("\n".join(textwrap.wrap(name, characters(width - 0.5, LEGEND_PT))))
        handles.append(line)
    for columns in range(len(handles), 0, -1):
        legend = figure.legend(
            handles=handles,
            ncols=columns,
            loc="lower center",
            fontsize=LEGEND_PT,
            frameon=False,
            borderpad=0.0,
            borderaxespad=0.0,
            columnspacing=1.2,
            handlelength=2.2,
        )
        if columns == 1 or _extent(figure, legend).width <= width:
            return legend
        legend.remove()
    raise AssertionError("a series makes a column")


def fit(figure: Figure, ax: Axes, labels: Sequence[Label], below: Below) -> None:
    """Give the chart the greatest radius that fits, and the figure the height it needs."""
    width = figure.get_figwidth()
    sizes = [_extent(figure, label.artist) for label in labels]
    room = []
    for label, size in zip(labels, sizes, strict=True):
        x, share = label.anchor[0], label.before[0]
        over = (1 - share) * size.width if x > 0 else share * size.width
        if abs(x) > 1e-6:
            room.append((width / 2 - MARGIN - over) / abs(x))
    rim = min(room)
    tops, bottoms = [rim], [-rim]
    for label, size in zip(labels, sizes, strict=True):
        y, share = label.anchor[1] * rim, label.before[1]
        tops.append(y + (1 - share) * size.height)
        bottoms.append(y - share * size.height)
    legend, sentence = (_extent(figure, artist).height for artist in below)
    top, bottom = max(tops) + MARGIN, min(bottoms) - GAP
    height = top - bottom + legend + GAP + sentence + MARGIN
    figure.set_figheight(height)
    ax.set_position((0.0, 1 - (top - bottom) / height, 1.0, (top - bottom) / height))
    ax.set_xlim(-width / 2 / rim, width / 2 / rim)
    ax.set_ylim(bottom / rim, top / rim)
    below.legend.set_bbox_to_anchor((0.5, (MARGIN + sentence + GAP) / height))
    below.sentence.set_position((0.5, MARGIN / height))


def _extent(figure: Figure, artist: Artist) -> Bbox:
    """Return the box of an artist in inches."""
    box = artist.get_window_extent()
    return Bbox(box.get_points() / figure.dpi)


def characters(width: float, size: float) -> int:
    """Return how many characters of a size in points fit a width in inches."""
    return int(width * POINTS_PER_INCH / (size * 0.56))  # DejaVu Sans: mean advance of prose


def _number(value: float, scale: Scale) -> str:
    """Return a tick as short as tells it from the next one."""
    gap = abs(scale.rings[1] - scale.rings[0])
    return f"{value:.1f}" if gap >= 1 and value != round(value, 2) else f"{round(value, 2):g}"
