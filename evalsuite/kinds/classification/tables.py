"""Best classes by image as people write them: our own form, and tables as timm's inference.py.

Our own: a JSON object {image name: [class, ...]}, or one line `image name,class,...` per image,
best first; a class is its name or its number.
timm's (inference.py @0041cb7): columns `filename`, `index` (--include-index), `label` (unless
--label-type none) and `prob` or `logit`; of k classes each holds a list, or is k columns `index_0`
to `index_k` (--results-separate-col). As .csv, in which a list is numpy's text; as .json by file
name ("json"), by `columns` and `data` ("json-split") or one record per line ("json-record", which
today writes .csv under that suffix); as .parquet.
"""

import ast
import contextlib
import importlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.data.official_json import kind, parsed
from evalsuite.data.reading import read_bytes, read_rows, shortened
from evalsuite.records.errors import UserError

FORMAT = "best classes by image name (.json, .csv), or logits (.npz)"
FILE_NAME = re.compile("(file|image|img)(_?(name|id|path))?|name|path|id")
TRUTH = re.compile("gt|targets?|(ground_?)?truth|true|actual|y|y_?true|labels")
SCORES = frozenset({"prob", "logit", "output", "score", "confidence"})
PARQUET = b"PAR1"
LONGEST_NUMBER = 9  # digits of a class; longer ones are names
LISTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^\s,\[\]]+""")
Class = int | str


class Line(NamedTuple):
    """The best classes of one image, best first; what they are called where there are both."""

    name: str
    classes: list[Class]
    labels: list[Class]


class Table(NamedTuple):
    """A table with a line of names: `rows` are as long as `columns`."""

    columns: list[str]
    rows: Sequence[Sequence[Any]]


def read_lines(path: Path) -> list[Line]:
    """Return the best classes of each image of a file, in its order.

    Raises:
        UserError: the file is missing, of another form, or has no classes.
    """
    with contextlib.suppress(OSError), path.open("rb") as file:
        if file.read(len(PARQUET)) == PARQUET:
            return _of_table(path, _parquet(path))
    content = read_bytes(path, FORMAT)
    if content.lstrip()[:1] in (b"{", b"["):
        return _of_json(path, content)
    return _of_rows(path, [row.cells for row in read_rows(path, FORMAT)])


def _parquet(path: Path) -> Table:
    """Return a Parquet table."""
    # pyarrow takes 0.2 seconds to load, for which no other file should wait.
    parquet: Any = importlib.import_module("pyarrow.parquet")
    try:
        columns = parquet.read_table(path).to_pydict()
    except (ValueError, OSError) as error:  # pyarrow's own are ValueErrors
        raise UserError(f"{path}: not a whole Parquet table: {shortened(str(error))}") from None
    return Table(list(columns), list(zip(*columns.values(), strict=True)))


def _of_json(path: Path, content: bytes) -> list[Line]:
    lines = [line for line in content.splitlines() if line.strip()]
    if len(lines) > 1 and _is_record(lines[0]):
        return _of_records(path, [_record(path, *one, len(lines)) for one in enumerate(lines, 1)])
    value = parsed(path, content, FORMAT, has_names_as_keys=True)
    if isinstance(value, list):
        return _of_records(path, value)
    if value.keys() >= {"columns", "data"}:
        return _of_table(path, _split_table(path, value))
    if value and all(isinstance(one, dict) for one in value.values()):
        return _of_records(path, [{"filename": name, **one} for name, one in value.items()])
    return [Line(name, _classes(path, name, one), []) for name, one in value.items()]


def _is_record(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _record(path: Path, number: int, line: bytes, count: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = shortened(str(error))
        raise UserError(f"{path}: line {number} of {count} is not JSON: {reason}") from None


def _split_table(path: Path, value: dict[str, Any]) -> Table:
    """Return a table that pandas wrote by `columns` and `data`."""
    columns, rows = value["columns"], value["data"]
    if not isinstance(columns, list) or not isinstance(rows, list):
        raise UserError(f"{path}: columns and data are not lists; expected {FORMAT}")
    bad = [n for n, row in enumerate(rows) if not isinstance(row, list) or len(row) != len(columns)]
    if bad:
        raise UserError(
            f"{path}: row {bad[0]} of data is {shortened(rows[bad[0]])} ({len(bad)} such); "
            f"expected {len(columns)} values"
        )
    return Table([str(one) for one in columns], rows)


def _of_records(path: Path, records: Sequence[Any]) -> list[Line]:
    """Return the classes of a list of objects with the same keys."""
    keys = list(records[0]) if records and isinstance(records[0], dict) else []
    bad = [
        place
        for place, one in enumerate(records)
        if not isinstance(one, dict) or one.keys() != set(keys)
    ]
    if bad:
        raise UserError(
            f"{path}: record {bad[0]} of {len(records)} is {shortened(records[bad[0]])} "
            f"({len(bad)} such); expected an object with the keys of the first"
        )
    return _of_table(path, Table(keys, [[one[key] for key in keys] for one in records]))


def _of_rows(path: Path, rows: list[list[str]]) -> list[Line]:
    """Return the classes of a table of texts, with or without a line of names."""
    if not rows or not _is_header(rows[0]):
        return [Line(row[0], [one for cell in row[1:] for one in _flat(cell)], []) for row in rows]
    columns, *rows = rows
    bad = [place for place, row in enumerate(rows) if len(row) != len(columns)]
    if bad:
        raise UserError(
            f"{path}: {shortened(','.join(rows[bad[0]]))} has {len(rows[bad[0]])} cells "
            f"({len(bad)} such row(s)); expected {len(columns)}, as many as the line of names"
        )
    return _of_table(path, Table(columns, [[_cell(cell) for cell in row] for row in rows]))


def _is_header(row: list[str]) -> bool:
    """Return whether a line names columns; pandas leaves the name of its own, the first, empty."""
    first = next((cell for cell in row if cell.strip()), "")
    return FILE_NAME.fullmatch(first.strip().lower()) is not None


def _of_table(path: Path, table: Table) -> list[Line]:
    """Return the classes of a table by the names of its columns.

    Columns of another name than timm's are those of the classes, best first, where they are called
    alike: one that holds the truth, read as the best class, would be right everywhere.
    """
    names = [column.strip().lower() for column in table.columns]
    bases = [re.sub(r"(?<=.)[ _-]?\d+$", "", name) for name in names]
    name_at = next((place for place, name in enumerate(names) if FILE_NAME.fullmatch(name)), None)
    numbers = [place for place, base in enumerate(bases) if base == "index"]
    labels = [place for place, base in enumerate(bases) if base == "label"]
    used = {name_at, *numbers, *labels}
    rest = [place for place, base in enumerate(bases) if place not in used and base not in SCORES]
    rest = [place for place in rest if names[place] and not names[place].startswith("unnamed")]
    words = {bases[place] for place in rest if len(bases[place]) > 1}
    if not numbers and not labels and len(words) <= 1 and not any(map(TRUTH.fullmatch, words)):
        numbers, rest = rest, []
    if name_at is None or rest or not (numbers or labels):
        raise UserError(
            f"{path}: has the columns {shortened(', '.join(table.columns))}; expected filename and "
            "index or label, as timm's inference.py writes them with --include-index --topk 5"
        )
    lines = []
    for row in table.rows:
        name = str(row[name_at])
        index, label = (
            [one for place in places for one in _classes(path, name, row[place])]
            for places in (numbers, labels)
        )
        lines.append(Line(name, index or label, label if index else []))
    return lines


def _classes(path: Path, name: str, value: Any) -> list[Class]:
    """Return the classes in a value: one or a list.

    Raises:
        UserError: it is neither.
    """
    classes = value if isinstance(value, list) else [value]
    bad = [one for one in classes if isinstance(one, bool) or not isinstance(one, int | str)]
    if bad:
        raise UserError(
            f"{path}: {shortened(name)} has {shortened(value)}, {kind(bad[0])} as a class; "
            "expected its name or number, best first"
        )
    return classes


def _cell(text: str) -> Class | list[Class]:
    """Return the class, or the list of classes, that a cell of a table holds."""
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return [_listed(one) for one in LISTED.findall(text)]
    is_number = text.isdecimal() and len(text) <= LONGEST_NUMBER
    return int(text) if is_number else text


def _listed(text: str) -> Class:
    """Return one class of a list in Python's or numpy's text."""
    if text[0] in "'\"":
        return str(ast.literal_eval(text))
    return int(text) if text.isdecimal() and len(text) <= LONGEST_NUMBER else text


def _flat(text: str) -> list[Class]:
    cell = _cell(text)
    return cell if isinstance(cell, list) else [cell]
