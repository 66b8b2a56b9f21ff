"""What decides whether the score of a run may stand beside a published one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from evalsuite.records.recipe import ANSWERED_WITH
from evalsuite.records.report import Report
from evalsuite.tinyworld.marker import TINY_WORLD

NOT_CHECKED = "measured before this was checked; evaluate again"


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What decides whether a run's score may stand beside a published one.

    `weights` is the file name of the loaded checkpoint, empty without one. `data` is "tinyworld"
    for drawn data; `checked` says what of it was held against the official data, None where nothing
    was, and `unlike` what differs. `resolution` is in pixels per side. `skipped` counts samples in
    no score. `num_parameters` is of backbone and head, `head_outputs` the width of the head's last
    layer. `is_trained_here` says that this run trained the weights, and `is_blind` that images were
    greyed out. `changed` holds the settings of answering, and of training where this run trained,
    that are not the published recipe's, by name: the recipe's value and this run's.
    """

    task: str
    split: str
    backbone: str
    regime: str | None = None
    protocol: str | None = None
    weights: str = ""
    sha256: str | None = None
    num_parameters: int | None = None
    head_outputs: int | None = None
    is_trained_here: bool = False
    data: str | None = None
    checked: str | None = None
    unlike: str | None = None
    resolution: int | None = None
    limit: int | None = None
    skipped: int = 0
    is_blind: bool = False
    changed: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    @property
    def is_official(self) -> bool:
        """Whether the score is of all samples of the official data, answered as is usual."""
        is_whole = self.limit is None and not self.skipped
        is_as_usual = not self.is_blind and not self.changed
        is_checked = self.checked is not None and self.unlike is None
        return is_whole and is_as_usual and is_checked and self.data != TINY_WORLD

    @classmethod
    def of(cls, report: Report) -> "Conditions":
        """Return the conditions that a report states."""
        weights, data, recipe = report.weights, report.data, report.recipe
        if weights.get("sha256", "") is None:  # no file: the backbone started from scratch
            weights = {}
        origin = str(weights.get("origin") or "")
        return cls(
            task=report.task,
            split=report.split,
            backbone=report.backbone,
            regime=report.regime,
            protocol=report.protocol,
            weights=PurePosixPath(urlsplit(origin.replace("\\", "/")).path).name.strip(),
            sha256=weights.get("sha256"),
            num_parameters=weights.get("num_parameters"),
            head_outputs=weights.get("head_outputs"),
            is_trained_here=bool(weights.get("fine_tuned_here")),
            data=data.get("name"),
            checked=data.get("checked"),
            unlike=data.get("unlike"),
            resolution=recipe.get("image_size"),
            limit=report.limit,
            skipped=len(report.failures),
            is_blind=bool(recipe.get("blind")),
            changed=report.changed,
        )

    def unlike_official(self) -> list[str]:
        """Return why the samples, or how they were answered, are not those of a published value."""
        reasons = []
        if self.data == TINY_WORLD:
            reasons.append("measured on the drawn tiny world, published on the official data")
        elif self.checked is None:
            reasons.append(f"not known to be the official data: {NOT_CHECKED}")
        elif self.unlike is not None:
            reasons.append(f"not known to be the official data: {self.unlike}")
        if self.is_blind:
            reasons.append("the images were greyed out (blind)")
        if self.limit is not None:
            reasons.append(f"only the first {self.limit} samples were measured (--limit)")
        if self.skipped:
            reasons.append(f"{self.skipped} samples could not be read and are in no score")
        reasons += [
            f"{'answered' if name in ANSWERED_WITH else 'trained'} with {name}={used}, "
            f"the published recipe has {published}"
            for name, (published, used) in self.changed.items()
        ]
        return reasons
