"""What a run has come to, in the tracker that has seen its loss: scores, table, radar."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from accelerate import PartialState
from accelerate.tracking import GeneralTracker, TensorBoardTracker, WandBTracker
from PIL import Image

from evalsuite.records.report import Report
from evalsuite.report.markdown import markdown

COLUMNS = ["score", "value", "low", "high", "n"]


def track_report(trackers: Sequence[GeneralTracker], report: Report) -> None:
    """Send every score with the bounds of its interval, and the report as text or as a table.

    A score is named SPLIT/SCORE, its bounds SPLIT/SCORE/low and /high. Call it on the process that
    holds the trackers.
    """
    values: dict[str, float] = {}
    rows = []
    for score in report.scores:
        name = f"{report.split}/{score.name}"
        low, high = score.interval or (None, None)
        values[name] = score.value
        if low is not None and high is not None:
            values |= {f"{name}/low": low, f"{name}/high": high}
        rows.append([score.name, score.value, low, high, score.n])
    for tracker in trackers:
        tracker.log(values)
        if isinstance(tracker, WandBTracker):
            tracker.log_table(f"{report.split} scores", columns=COLUMNS, data=rows)
        else:
            tracker.log({f"{report.split} report": markdown(report)})


def track_picture(name: str, picture: Path, track: str, runs: Path) -> None:
    """Send a picture of several runs to a tracker run of its own, `name`."""
    PartialState()  # accelerate's log asks for it, and this may be called without any training
    tracker = WandBTracker(name) if track == "wandb" else TensorBoardTracker(name, runs)
    tracker.start()
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))[None]  # images, rows, columns, channels
    if isinstance(tracker, TensorBoardTracker):
        tracker.log_images({name: pixels}, dataformats="NHWC")
    else:
        tracker.log_images({name: pixels})
    tracker.finish()
