"""What a backbone from scratch reaches at equal fine-tuning: recorded once, shown beside a run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from evalsuite.records.files import read_json
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.tinyworld.marker import MARKER, TINY_WORLD, is_tinyworld

PREFIX = "from_scratch/"
RECORD = "from_scratch.json"
PAGE = "docs/tinyworld.md"
# Scratch has rates of its own, tuned for it; the others say where and how, not what, is computed.
FREE_SETTINGS = {
    *("lr", "layer_decay"),
    *("source", "micro_batch", "precision", "activation_checkpointing"),
}


@dataclass(frozen=True, kw_only=True)
class ScratchRecord:
    """Means over seeds of one task from scratch, and what a run must share to stand beside them.

    `world` holds what the marker of the drawn world must hold, seed and size; `fingerprint` is of
    the split's official files in it: a later version of the world may draw others. `recipe` is that
    of the recorded runs; `scores` are means with the intervals of the table in docs/tinyworld.md.
    """

    task: str
    split: str
    backbone: str
    world: dict[str, Any]
    fingerprint: str
    seeds: list[int]
    recipe: dict[str, Any]
    scores: Sequence[Score]

    def to_json(self) -> dict[str, Any]:
        """Return the form that the record's file holds."""
        return {**asdict(self), "scores": [score.to_json() for score in self.scores]}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "ScratchRecord":
        """Return what `to_json` wrote."""
        return cls(**{**fields, "scores": [Score.from_json(one) for one in fields["scores"]]})

    @property
    def said(self) -> str:
        """Where the means come from, in a sentence."""
        rates = f"lr {self.recipe['lr']:g}"
        if self.recipe["layer_decay"] != 1:
            rates += f", layer decay {self.recipe['layer_decay']:g}"
        return (
            f"A backbone from scratch at equal fine-tuning, recorded in {PAGE}: mean of "
            f"{len(self.seeds)} seeds, their rate tuned for it ({rates}); the "
            "interval is of samples and seeds."
        )

    def has_recipe(self, recipe: Mapping[str, Any]) -> bool:
        """Return whether a recipe is the recorded one, but for what is free."""
        return is_same_recipe(recipe, self.recipe)


def is_same_recipe(first: Mapping[str, Any], second: Mapping[str, Any]) -> bool:
    """Return whether two recipes differ in nothing but what is free."""
    return _fixed(first) == _fixed(second)


def with_from_scratch(report: Report) -> Report:
    """Return the report with the recorded scores among its baselines, named `from_scratch/...`.

    Only a run that differs in nothing but the weights it started from gets them: fine-tuned here by
    the recorded recipe, asked about the whole split of the same drawn world.
    """
    found = [one for one in recorded() if _is_comparable(report, one)]
    if not found:
        return report
    sizes = {score.name: score.n for score in report.scores}
    rows = [
        replace(score, name=PREFIX + score.name)
        for score in found[0].scores
        if sizes.get(score.name) == score.n
    ]
    if not rows:
        return report
    return replace(report, baselines=[*report.baselines, *rows], from_scratch=found[0].said)


def parted(baselines: Sequence[Score]) -> tuple[list[Score], list[Score]]:
    """Return the baselines that are computed from the data, and those recorded from scratch."""
    ours = [score for score in baselines if score.name.startswith(PREFIX)]
    return [score for score in baselines if score not in ours], ours


@cache
def recorded() -> tuple[ScratchRecord, ...]:
    """Return what is recorded, as `make tinyworld-table` wrote it."""
    content = json.loads((files(__package__) / RECORD).read_text("utf-8"))
    return tuple(ScratchRecord.from_json(one) for one in content)


def _is_comparable(report: Report, one: ScratchRecord) -> bool:
    """Return whether nothing but the weights tells a run from the recorded ones."""
    asked = (report.task, report.split, report.backbone)
    return (
        asked == (one.task, one.split, one.backbone)
        and bool(report.weights.get("fine_tuned_here"))
        and report.limit is None
        and not report.failures
        and one.has_recipe(report.recipe)
        and report.data["fingerprint"] == one.fingerprint
        and _is_world(report.data, one.world)
    )


def _is_world(data: Mapping[str, Any], world: Mapping[str, Any]) -> bool:
    """Return whether data is the drawn world of this seed and size."""
    folder = Path(data["folder"])
    if data["name"] != TINY_WORLD or not is_tinyworld(folder):
        return False
    found = read_json(folder / MARKER)
    return all(found.get(key) == value for key, value in world.items())


def _fixed(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that must be equal, as JSON holds them: a tuple is a list there."""
    fixed = {key: value for key, value in recipe.items() if key not in FREE_SETTINGS}
    return dict(json.loads(json.dumps(fixed)))
