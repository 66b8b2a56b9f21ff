"""What a run reached and under which circumstances: the content of report.json."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from evalsuite.records.near_ties import NearTies
from evalsuite.records.run import Session, Settings, SplitData, Weights
from evalsuite.records.score import Score
from evalsuite.records.shapes import misfit

SCHEMA_VERSION = 2
# What readers of a report look up in its dictionaries.
FORMS = {"weights": Weights, "recipe": Settings, "data": SplitData, "environment": Session}


@dataclass(frozen=True, kw_only=True)
class Report:
    """Scores of one split, the verdict on them, and their provenance.

    `scores` is empty where a server holds the ground truth; `submission` then names the file for
    it. `failures` are samples that could not be read, by id; they are in no score. `phases` hold
    seconds, samples per second and peak memory (GiB) of fine-tuning and predicting. `near_ties` is
    None where they were not counted. `regime` says how the weights came to the task and `protocol`
    how the task is answered, in the words of boards.toml; None where that is not known. `changed`
    holds the settings that are not the published recipe's: its value, and this run's.
    `from_scratch` says where the baselines of that name come from; None where there is none.
    """

    task: str
    title: str
    split: str
    backbone: str
    weights: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    data: dict[str, Any]
    limit: int | None
    scores: Sequence[Score]
    regime: str | None = None
    protocol: str | None = None
    changed: dict[str, Any] = field(default_factory=dict)
    baselines: Sequence[Score] = ()
    from_scratch: str | None = None
    expected: dict[str, Any] | None = None
    verdict: dict[str, str] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    near_ties: NearTies | None = None
    submission: str | None = None
    phases: dict[str, dict[str, float]] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the content of report.json, as evalsuite/report/schema.json describes it."""
        fields = asdict(self)
        fields["scores"] = [score.to_json() for score in self.scores]
        fields["baselines"] = [score.to_json() for score in self.baselines]
        return {"schema_version": SCHEMA_VERSION, **fields}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Report":
        """Return the report that `to_json` wrote, in this version or an earlier one."""
        known = {key: value for key, value in fields.items() if key != "schema_version"}
        for key in ("scores", "baselines"):
            known[key] = [Score.from_json(score) for score in known.get(key, ())]
        if known.get("near_ties") is not None:
            known["near_ties"] = NearTies(**known["near_ties"])
        return cls(**known)


def report_misfit(content: Any) -> str | None:
    """Return where the content of a report.json is not that of a report, None where it is."""
    if not isinstance(content, dict):
        return "it is not an object"
    problem = misfit({key: content[key] for key in content if key != "schema_version"}, Report)
    if problem:
        return problem
    inside = (misfit(content.get(key, {}), form, key) for key, form in FORMS.items())
    return next(filter(None, inside), None)
