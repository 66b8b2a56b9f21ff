"""The log of a fine-tuning: loss and learning rate, one JSON line every few steps, append only."""

import json
import math
from pathlib import Path
from typing import NamedTuple

from evalsuite.records.errors import UserError
from evalsuite.records.files import said


class TrainingPoint(NamedTuple):
    """Where fine-tuning stood: the step counted from 1, the loss of its batch, and the rate."""

    step: int
    loss: float
    lr: float


def note_training(path: Path, point: TrainingPoint) -> None:
    """Append a point to a log.

    A line begins by ending the one before, so that one torn by a kill swallows no other.

    Raises:
        UserError: the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as stream:
            start = "\n" if stream.tell() else ""
            stream.write(start + json.dumps(point._asdict()))
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {said(error)}") from error


def read_training(path: Path) -> list[TrainingPoint]:
    """Return the points of a log by step; empty where there is no log.

    A step that was done again after an interruption counts as it was done last.
    """
    points: dict[int, TrainingPoint] = {}
    lines = path.read_bytes().split(b"\n") if path.is_file() else []
    for line in lines:
        point = _point(line)
        if point is not None:
            points[point.step] = point
    return [points[step] for step in sorted(points)]


def _point(line: bytes) -> TrainingPoint | None:
    """Return the point of a line, None for a torn one."""
    try:
        fields = json.loads(line)
        point = TrainingPoint(int(fields["step"]), float(fields["loss"]), float(fields["lr"]))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return point if math.isfinite(point.loss) else None
