"""What a paper's table prints: its columns, its rows, and where their values stand."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from evalsuite.records.board import FOLDER

NO_VALUE = "no value on the boards"


@dataclass(frozen=True, kw_only=True)
class Column:
    """What a column takes from which board; an empty regime or a None takes any."""

    title: str
    board: str
    metric: str
    split: str
    group: str = ""
    regime: str = ""
    variant: str | None = None
    extra_labels: str | None = None
    resolution: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """A published model, as the boards name it; `role` picks rows of an overview table."""

    model: str = ""
    label: str = ""
    section: str = ""
    regime: str = ""
    variant: str | None = None
    role: str = ""
    cite: str = ""


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A table as leaderboards/papers/<paper>.toml defines it.

    `source` limits the cells to entries of one place, such as "wang2022beit3 Table 4". `missing`
    is the reason printed for a cell without a value, `missing_at` for single cells, as
    "label | column". `show_model` names the model beside its value. `third_party` asks also for
    rows that third-party pages alone print; they take no rank.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    source: str = ""
    missing: str = NO_VALUE
    missing_at: Mapping[str, str] = field(default_factory=dict)
    facts: tuple[str, ...] = ()
    transposed: bool = False
    show_model: bool = False
    third_party: bool = False


@cache
def definitions() -> Mapping[str, Definition]:
    """Return every table by its name, such as "beit3/4"."""
    folder = files(FOLDER) / "papers"
    found: dict[str, Definition] = {}
    for file in sorted(folder.iterdir(), key=lambda item: item.name):
        if not file.name.endswith(".toml"):
            continue
        paper = tomllib.loads(file.read_text("utf-8"))
        for number, fields in paper["tables"].items():
            name = f"{file.name.removesuffix('.toml')}/{number}"
            found[name] = _definition(name, paper, fields)
    return found


def table_names() -> list[str]:
    """Return the names of all tables, a paper's own order kept."""
    return list(definitions())


def _definition(name: str, paper: Mapping[str, Any], fields: Mapping[str, Any]) -> Definition:
    """Return a definition; a column or row inherits what the table states for all of them."""
    shared = {key: fields[key] for key in ("regime", "variant") if key in fields}
    cites: Mapping[str, str] = paper.get("cites", {})
    rows = [{"model": row} if isinstance(row, str) else row for row in fields["rows"]]
    known = {
        "caption",
        "source",
        "missing",
        "missing_at",
        "transposed",
        "show_model",
        "third_party",
    }
    return Definition(
        name=name,
        columns=tuple(Column(**{**shared, **column}) for column in fields["columns"]),
        rows=tuple(Row(**{"cite": cites.get(row.get("model", ""), ""), **row}) for row in rows),
        facts=tuple(fields.get("facts", ())),
        **{key: value for key, value in fields.items() if key in known},
    )
