"""The radar of a page's runs as inline SVG; a file of its own because matplotlib imports slowly."""

import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from evalsuite.records.report import Report
from evalsuite.report.pages.markup import Html
from evalsuite.report.radar.draw import radar
from evalsuite.report.radar.series import (
    PREVIOUS_SOTA,
    Scaling,
    all_axes,
    published_series,
    run_series,
)

FEWEST_AXES = 3  # a radar of fewer is a line


def radar_svg(reports: Sequence[Report]) -> Html | None:
    """Return the radar of runs beside published systems, None where they have too few axes."""
    mine = run_series(reports)
    axes = {axis.name for axis in all_axes() if any(axis.name in one.points for one in mine)}
    if len(axes) < FEWEST_AXES:
        return None
    series = [published_series(PREVIOUS_SOTA), published_series("BEiT-3"), *mine[:5]]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "radar.svg"
        # The paper's rings are of the official data: on drawn data every point would lie outside.
        scaling: Scaling = "absolute" if all(one.is_other_data for one in mine) else "paper"
        radar(series, path=path, scaling=scaling)
        text = path.read_text("utf-8")
    opening = re.search(r"<svg[^>]*viewBox=\"([^\"]+)\"[^>]*>", text)
    assert opening is not None
    box, inner = opening.group(1), text[opening.end() : text.rindex("</svg>")]
    inner = re.sub(r"<metadata>.*?</metadata>", "", inner, flags=re.DOTALL)
    label = f"Radar: {', '.join(one.name for one in series)}; the values stand in the table."
    space = "http://www.w3.org/1999/xlink"
    return Html(
        f'<figure class="radar"><svg viewBox="{box}" role="img" aria-label="{label}" '
        f'xmlns:xlink="{space}">{inner}</svg></figure>'
    )
