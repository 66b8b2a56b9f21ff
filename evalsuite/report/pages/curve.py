"""The loss curve of a fine-tuning as inline SVG that takes its colours from the page."""

import math
from collections.abc import Callable, Sequence

from evalsuite.records.training import TrainingPoint
from evalsuite.report.pages.markup import Html, element, fragment

WIDTH, HEIGHT = 420, 210  # units of the drawing; text of 11 stays legible on a phone
LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 34
MOST_POINTS = 400  # more are not told apart at that width
SMOOTHED = 20  # the line is the mean over a twentieth of the steps
Scale = Callable[[float], float]


def loss_curve(points: Sequence[TrainingPoint]) -> Html | None:
    """Return a figure of the loss over the steps, None for fewer than two points."""
    if len(points) < 2:
        return None
    steps = [float(point.step) for point in points]
    losses = [point.loss for point in points]
    smooth = _running_mean(losses, max(1, len(losses) // SMOOTHED))
    x = _scale(steps[0], steps[-1], LEFT, WIDTH - RIGHT)
    y = _scale(*_range(losses), HEIGHT - BOTTOM, TOP)
    said = (
        f"loss {losses[0]:.3g} at step {points[0].step:,}, {smooth[-1]:.3g} at the end "
        f"(step {points[-1].step:,}), lowest {min(losses):.3g}"
    )
    drawing = element(
        "svg",
        element("title", said),
        *_ticks_y(losses, y),
        *_ticks_x(steps, x),
        element("path", d=_path(steps, losses, x, y), class_="raw"),
        element("path", d=_path(steps, smooth, x, y), class_="smooth"),
        viewBox=f"0 0 {WIDTH} {HEIGHT}",
        role="img",
        class_="curve",
    )
    note = f"Loss of the step's batch, faint, and its running mean: {said}."
    return element("figure", drawing, element("figcaption", note))


def _running_mean(values: Sequence[float], width: int) -> list[float]:
    """Return the mean of each value and the `width` - 1 before it."""
    means, total = [], 0.0
    for place, value in enumerate(values):
        total += value - (values[place - width] if place >= width else 0.0)
        means.append(total / min(place + 1, width))
    return means


def _scale(low: float, high: float, start: float, end: float) -> Scale:
    span = (high - low) or 1.0
    return lambda value: start + (value - low) / span * (end - start)


def _range(losses: Sequence[float]) -> tuple[float, float]:
    """Return the bounds of the axis: from 0, up to the first rounded tick above the losses."""
    ticks = _nice(min(0.0, *losses), max(losses))
    step = ticks[1] - ticks[0]
    return ticks[0], math.ceil(max(losses) / step) * step


def _nice(low: float, high: float, most: int = 5) -> list[float]:
    """Return rounded ticks within bounds."""
    raw = max((high - low) / most, 1e-12)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(one * power for one in (1, 2, 5, 10) if one * power >= raw)
    first = math.floor(low / step) * step
    return [first + place * step for place in range(math.floor((high - first) / step) + 2)]


def _ticks_y(losses: Sequence[float], y: Scale) -> list[Html]:
    low, high = _range(losses)
    marks = []
    for tick in _nice(low, high):
        if tick > high * (1 + 1e-9):
            continue
        line = element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=f"{y(tick):.1f}", y2=f"{y(tick):.1f}")
        text = element("text", f"{tick:g}", x=LEFT - 6, y=f"{y(tick) + 4:.1f}", class_="end")
        marks.append(fragment(line, text))
    return marks


def _ticks_x(steps: Sequence[float], x: Scale) -> list[Html]:
    marks = []
    for tick in _nice(0.0, steps[-1], 4):
        if steps[0] <= tick <= steps[-1]:
            label = element("text", f"{tick:,.0f}", x=f"{x(tick):.1f}", y=HEIGHT - 18)
            marks.append(label)
    middle = (LEFT + WIDTH - RIGHT) / 2
    marks.append(element("text", "step", x=middle, y=HEIGHT - 3, class_="name"))
    return marks


def _path(steps: Sequence[float], values: Sequence[float], x: Scale, y: Scale) -> str:
    stride = max(1, len(steps) // MOST_POINTS)
    places = [*range(0, len(steps) - 1, stride), len(steps) - 1]
    return "M" + "L".join(f"{x(steps[one]):.1f},{y(values[one]):.1f}" for one in places)
