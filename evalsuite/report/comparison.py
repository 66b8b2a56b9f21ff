"""Two runs of one benchmark side by side: the paired difference, and where they disagree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evalsuite.contracts.benchmark import SampleDisplay
from evalsuite.records.difference import Difference
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.pages.markup import Html, element, fragment
from evalsuite.report.pages.parts import title_of
from evalsuite.report.pages.samples import SampleView

NAMES = ("A", "B")
CIRCUMSTANCES = (
    "commit",
    "device",
    "processor",
    "instructions",
    "matrix_library",
    "threads",
    "processes",
)
SCORE_COLUMNS = ("score", "A", "B", "A - B")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two reports, A and B, and the headline of A minus that of B over the same samples."""

    first: Report
    second: Report
    difference: Difference

    @property
    def sentence(self) -> str:
        """What the difference says."""
        return self.difference.sentence

    @property
    def scores(self) -> list[tuple[Score, Score]]:
        """The scores that both have."""
        theirs = {score.name: score for score in self.second.scores}
        return [(one, theirs[one.name]) for one in self.first.scores if one.name in theirs]

    @property
    def departures(self) -> list[tuple[str, str, str]]:
        """The settings and circumstances in which the runs differ."""
        facts = (_facts(self.first), _facts(self.second))
        names = dict.fromkeys([*facts[0], *facts[1]])
        rows = [(name, *(one.get(name, "none") for one in facts)) for name in names]
        return [(name, first, second) for name, first, second in rows if first != second]


def comparison_markdown(comparison: Comparison) -> str:
    """Return comparison.md."""
    report = comparison.first
    lines = [f"# {report.title}, {report.split}: two runs", ""]
    lines += [
        f"- {name}: {run}" for name, run in zip(NAMES, comparison.difference.names, strict=True)
    ]
    lines += ["", f"**{comparison.sentence}**", ""]
    lines += ["| score | A | B | A - B |", "|---|---:|---:|---:|"]
    for one, other in comparison.scores:
        difference = one.value - other.value
        lines.append(f"| {one.name} | {one.value:.2f} | {other.value:.2f} | {difference:+.2f} |")
    lines += ["", "Only the headline's difference has a paired interval.", ""]
    lines += ["## What differs", ""]
    lines += ["| setting | A | B |", "|---|---|---|"] if comparison.departures else ["Nothing."]
    lines += [f"| {' | '.join(map(_cell, row))} |" for row in comparison.departures]
    return "\n".join(lines) + "\n"


def comparison_block(comparison: Comparison) -> Html:
    """Return the same for a page."""
    runs = [
        element("li", element("strong", name), f": {run}")
        for name, run in zip(NAMES, comparison.difference.names, strict=True)
    ]
    plain = [_score_row(*pair) for pair in comparison.scores if "/" not in pair[0].name]
    parts = [_score_row(*pair) for pair in comparison.scores if "/" in pair[0].name]
    value = comparison.difference.score
    unit = f" {title_of(comparison.first.scores[0].name)}, A minus B"
    return fragment(
        element("h2", "Difference", id="difference"),
        element("ul", *runs),
        element(
            "p",
            element("span", f"{value.value:+.2f}", class_="big"),
            element("span", unit, class_="unit"),
            class_="headline",
        ),
        element("p", comparison.sentence),
        _table(SCORE_COLUMNS, plain),
        element("details", element("summary", f"{len(parts)} parts"), _table(SCORE_COLUMNS, parts))
        if parts
        else None,
        element("p", "Only the headline's difference has a paired interval.", class_="about"),
        element("h2", "What differs"),
        _table(("setting", "A", "B"), comparison.departures)
        if comparison.departures
        else element("p", "Nothing but the predictions."),
    )


def compared_samples(first: Sequence[SampleView], second: Sequence[SampleView]) -> list[SampleView]:
    """Return samples with what both runs said; the score is that of A minus that of B."""
    others = {one.id: one.shown for one in second}
    found = []
    for one in first:
        if one.id in others:
            found.append(one._replace(shown=_merged(one.shown, others[one.id])))
    return found


def _merged(mine: SampleDisplay, other: SampleDisplay) -> SampleDisplay:
    lines: dict[str, str] = {}
    for label, text in mine.lines.items():
        if other.lines.get(label) == text and not label.startswith("predicted"):
            lines[label] = text
        else:
            lines |= {f"{label}, A": text, f"{label}, B": other.lines.get(label, "")}
    groups = dict(mine.groups)
    if mine.score is None or other.score is None:
        return mine._replace(lines=lines, mark="", outcome="")
    difference = mine.score - other.score
    groups["better"] = "A" if difference > 0 else "B" if difference < 0 else "equal"
    outcome = f"A: {mine.outcome}; B: {other.outcome}"
    pictures = tuple(one._replace(caption=_of("A", one.caption)) for one in mine.pictures)
    return SampleDisplay(lines, difference, outcome, "", groups, pictures)


def _of(name: str, caption: str) -> str:
    return f"{caption}, {name}" if caption.startswith(("predicted", "found")) else caption


def _facts(report: Report) -> Mapping[str, str]:
    """Return what may differ between two runs, as text."""
    facts: dict[str, Any] = {
        "backbone": report.backbone,
        "regime": report.regime,
        "protocol": report.protocol,
        "weights": report.weights["origin"],
        "sha256 of the weights": report.weights.get("sha256"),
        "seed": report.seed,
        "limit": report.limit,
        **{f"recipe {key}": value for key, value in report.recipe.items()},
        **{key: report.environment.get(key) for key in CIRCUMSTANCES},
        "versions": report.environment.get("versions"),
    }
    return {name: "none" if value is None else str(value) for name, value in facts.items()}


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    head = element("tr", *(element("th", name, scope="col") for name in columns))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", one) for one in row[1:]))
        for row in rows
    ]
    table = element("table", element("thead", head), element("tbody", *body), class_="plain")
    return element("div", table, class_="scroll")


def _score_row(one: Score, other: Score) -> tuple[str, ...]:
    difference = one.value - other.value
    signed = f"{difference:+.2f}" if difference else "0.00"
    return title_of(one.name), f"{one.value:.2f}", f"{other.value:.2f}", signed


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")
