"""A measured value with everything needed to read it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Direction = Literal["higher", "lower"]
NO_OBJECT = -1.0  # in the place of a value: no object to measure (pycocotools, cocoeval.py)


@dataclass(frozen=True, kw_only=True)
class Score:
    """One number of a benchmark.

    `value` and `interval` are in `unit`: percent are 0 to 100, caption metrics are x100.
    `n` counts the benchmark's natural units (questions, images, pairs) behind the value.
    `interval` is the 95% interval, None where it was not asked for.
    """

    name: str
    value: float
    unit: str
    n: int
    interval: tuple[float, float] | None = None
    direction: Direction = "higher"

    @property
    def is_measured(self) -> bool:
        """Whether there was an object to measure."""
        return self.value != NO_OBJECT

    @property
    def interval_text(self) -> str:
        """The interval as reports show it."""
        return f"{self.interval[0]:.2f} to {self.interval[1]:.2f}" if self.interval else "none"

    def to_json(self) -> dict[str, Any]:
        """Return the form that `--json` and report.json hold."""
        fields = asdict(self)
        fields["interval"] = None if self.interval is None else list(self.interval)
        return fields

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> "Score":
        """Return the score that `to_json` wrote."""
        interval = fields["interval"]
        return cls(**{**fields, "interval": None if interval is None else tuple(interval)})


def named(scores: Iterable[Score], name: str) -> Score:
    """Return the score of that name.

    Raises:
        KeyError: there is none.
    """
    for score in scores:
        if score.name == name:
            return score
    raise KeyError(f"no score {name!r}")
