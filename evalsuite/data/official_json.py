"""Reading official JSON files: every failure is one line that names file and place."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from evalsuite.records.errors import UserError

Record = TypeVar("Record")
SHOWN = 120  # characters of an offending record in a message


def read_bytes(path: Path, what: str, source: str = "") -> bytes:
    """Return the content of a file; `what` and `source` say what it is and where to get it.

    Raises:
        UserError: it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        where = f"; get it from {source}" if source else ""
        raise UserError(f"{path}: no such file; expected {what}{where}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected {what}") from None


def parsed(path: Path, content: bytes) -> Any:
    """Return the JSON value in a file's content, as the standard library reads it.

    Raises:
        UserError: it is not JSON; says at which byte it breaks.
    """
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        place = len(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
        raise UserError(
            f"{path}: not JSON at byte {place} of {len(content)} ({error.msg}); "
            "is the file cut short?"
        ) from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text at byte {error.start} of {len(content)}") from None


def parsed_list(path: Path, content: bytes, key: str | None, expected: str) -> list[Any]:
    """Return the list that a file holds, under a key or (None) at the top.

    Raises:
        UserError: it is not JSON, or there is no such list.
    """
    value = parsed(path, content)
    records = value
    if key is not None:
        records = value.get(key) if isinstance(value, dict) else None
    if not isinstance(records, list):
        without = f" without a list {key!r}" if key and isinstance(value, dict) else ""
        raise UserError(f"{path}: holds {kind(value)}{without}; expected {expected}")
    return records


def converted(path: Path, records: list[Any], to: type[Record]) -> list[Record]:
    """Return the records as a msgspec type.

    Raises:
        UserError: names the first record that does not fit, and how many there are.
    """
    good, bad = [], []
    for number, record in enumerate(records):
        try:
            good.append(msgspec.convert(record, to))
        except msgspec.ValidationError as reason:
            bad.append((number, reason))
    if bad:
        first, why = bad[0]
        raise UserError(
            f"{path}: record {first} of {len(records)}, {json.dumps(records[first])[:SHOWN]}: "
            f"{why} ({len(bad)} such)"
        )
    return good


def refuse_repeated(path: Path, ids: Iterable[object], what: str) -> None:
    """Do nothing where all ids differ.

    Raises:
        UserError: names the first id that comes again, and how many records are too many.
    """
    seen: set[object] = set()
    again = [one for one in ids if one in seen or seen.add(one)]  # type: ignore[func-returns-value]
    if again:
        raise UserError(
            f"{path}: {what} {again[0]} stands there more than once ({len(again)} records too many)"
        )


def kind(value: object) -> str:
    """Return what a JSON value is, in words."""
    words = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    return "null" if value is None else words.get(type(value), "a number")
