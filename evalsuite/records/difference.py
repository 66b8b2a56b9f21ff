"""The paired difference of two sets of predictions, and what follows from its interval."""

from dataclasses import dataclass
from typing import Any, Literal

from evalsuite.records.score import Score


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The headline of A minus that of B over the same samples; `names` say which is A, which B.

    `unlike` says in which of regime and protocol they differ; then neither is better.
    """

    names: tuple[str, str]
    score: Score
    unlike: str = ""

    @property
    def better(self) -> Literal["A", "B"] | None:
        """Which is better; None where they are unlike, or the interval holds 0 or is not there."""
        if self.unlike or self.score.interval is None:
            return None
        low, high = self.score.interval
        if low <= 0 <= high:
            return None
        return "A" if (low > 0) == (self.score.direction == "higher") else "B"

    @property
    def conclusion(self) -> str:
        """What follows."""
        if self.unlike:
            return f"Neither is ranked above the other: they differ in {self.unlike}."
        if self.score.interval is None:
            return "No difference is shown: there are too few samples for an interval."
        if self.better is None:
            return "No difference is shown: the interval contains 0."
        other = "B" if self.better == "A" else "A"
        return f"{self.better} is better than {other}: the interval does not contain 0."

    @property
    def sentence(self) -> str:
        """The difference with its direction, its interval and what follows."""
        score = self.score
        interval = ""
        if score.interval is not None:
            interval = f", 95% interval {score.interval[0]:+.2f} to {score.interval[1]:+.2f}"
        said = f"A minus B: {score.value:+.2f}{interval} over {score.n:,} samples, each answered "
        return f"{said}by both. {self.conclusion}"

    def to_json(self) -> dict[str, Any]:
        """Return the form that `--json` and comparison.json hold."""
        return {
            "A": self.names[0],
            "B": self.names[1],
            "difference": "A minus B",
            "better": self.better,
            "conclusion": self.conclusion,
        }
