"""The leaderboards: published numbers of a benchmark, each with its regime and its source."""

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

from evalsuite.records.errors import UserError

Kind = Literal["published", "authors' code", "re-run", "third-party", "ours"]
FOLDER = "evalsuite.leaderboards"
VOCABULARY = "boards.toml"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One published number; leaderboards/README.md says what each column holds.

    `printed` is the value exactly as its source prints it, `value` the same as a number in the
    metric's unit (None for a fact such as "1.9B"). Texts are empty where the source says nothing.
    """

    board: str
    model: str
    metric: str
    printed: str
    value: float | None
    split: str
    regime: str
    protocol: str
    variant: str
    extra_labels: str
    resolution: int | None
    kind: Kind
    params: str
    extra_data: str
    role: str
    weights: str
    setting: str
    source: str
    cross_check: str
    confidence: str
    conflicting: bool
    note: str

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit: how far the true value may lie away."""
        return 0.5 * 10.0 ** -len(self.printed.partition(".")[2])

    @property
    def source_key(self) -> str:
        """The key of the source in sources.bib."""
        return self.source.partition(" ")[0]

    @property
    def locator(self) -> str:
        """Where in the source the value stands, such as "Table 4"."""
        return self.source.partition(" ")[2]


@cache
def board_names() -> tuple[str, ...]:
    """Return the names of all boards, sorted."""
    return tuple(sorted(vocabulary()["boards"]))


@cache
def read_board(name: str, third_party: bool = False) -> tuple[Entry, ...]:
    """Return the entries of a board in the order of its file.

    Args:
        third_party: return also those that rest on third-party pages alone.

    Raises:
        UserError: there is no board of that name.
    """
    if name not in board_names():
        raise UserError(f"no board {name!r}; there are {', '.join(board_names())}")
    text = (files(FOLDER) / f"{name}.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines(), strict=True)
    entries = (_entry(name, row) for row in rows)
    return tuple(entry for entry in entries if third_party or entry.kind != "third-party")


@cache
def vocabulary() -> Mapping[str, Any]:
    """Return boards.toml: boards, metrics, regimes, protocols, variants, extra labels."""
    return MappingProxyType(tomllib.loads((files(FOLDER) / VOCABULARY).read_text("utf-8")))


def model_on(board: str, name: str) -> str:
    """Return the one name of a model that sources call differently, or that they call several."""
    several: dict[str, str] = vocabulary()["several_models"].get(name, {})
    same: dict[str, str] = vocabulary()["same_model"]
    one = several.get(board, name)
    return same.get(one, one)


def board_of(task: str) -> str | None:
    """Return the name of a task's board, None where nothing is published for it."""
    for name, facts in vocabulary()["boards"].items():
        if facts.get("task") == task:
            return str(name)
    return None


def split_of(board: str, split: str) -> str:
    """Return the board's own name of a split: `test-P` of NLVR2 is `test1`."""
    aliases: dict[str, str] = vocabulary()["boards"][board].get("split_aliases", {})
    return aliases.get(split, split)


def in_words(kind: Literal["regimes", "protocols"], word: str | None) -> str:
    """Return a regime or protocol with its meaning, "not known" where there is none."""
    if word is None:
        return "not known"
    meaning = vocabulary()[kind].get(word)
    return f"{word} ({meaning})" if meaning else word


def protocol_of_variant(variant: str | None) -> str | None:
    """Return the one protocol that gives scores of a variant, None where any may."""
    known: dict[str, str] = vocabulary()["variant_protocols"]
    return next((known[word] for word in (variant or "").split() if word in known), None)


def metric_facts(metric: str) -> Mapping[str, Any]:
    """Return title, unit and limit of a score name; `cider/in-domain` has those of `cider`.

    Raises:
        KeyError: the score is on no board.
    """
    facts: Mapping[str, Any] = vocabulary()["metrics"][metric.partition("/")[0]]
    return facts


def _entry(board: str, row: dict[str, str]) -> Entry:
    """Return the entry of a CSV row."""
    values: dict[str, Any] = {**row, "board": board, "printed": row["value"]}
    values["value"] = None if _unit(row["metric"]) == "text" else float(row["value"])
    values["resolution"] = int(row["resolution"]) if row["resolution"] else None
    values["conflicting"] = row["conflicting"] == "yes"
    return Entry(**{field.name: values[field.name] for field in fields(Entry)})


def _unit(metric: str) -> str:
    return str(metric_facts(metric)["unit"])
