"""Reading official JSON files: every failure is one line that names file and place."""

import json
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from pathlib import Path
from types import GenericAlias
from typing import Any, TypeVar

import msgspec

from evalsuite.data.names import as_id
from evalsuite.data.reading import NEAR, shortened
from evalsuite.records.errors import UserError

Record = TypeVar("Record")
Value = TypeVar("Value")


def fast(content: bytes, to: type[Value]) -> Value | None:
    """Return a file's content as a type, by msgspec; None where that refuses it.

    The caller then reads it with `parsed_list` and `converted`, which are slower, take what the
    standard library takes, and say what is wrong.
    """
    try:
        return msgspec.json.decode(content, type=to)
    except (msgspec.MsgspecError, RecursionError):
        return None


def parsed(
    path: Path, content: bytes, expected: str = "JSON", *, has_names_as_keys: bool = False
) -> Any:
    """Return the JSON value in a file's content, as the standard library reads it.

    Args:
        has_names_as_keys: whether a key of an object may stand for a sample: then it comes once,
            where the standard library would keep the last one silently.

    Raises:
        UserError: it is not JSON; says what it seems to be, or at which byte it breaks.
    """
    try:
        return json.loads(content, object_pairs_hook=_once if has_names_as_keys else None)
    except UserError as repeated:
        raise UserError(f"{path}: {repeated}; expected {expected}") from None
    except json.JSONDecodeError as error:
        place = len(error.doc[: error.pos].encode("utf-8", "surrogatepass"))
        found = _not_json(content, place, error.msg)
        raise UserError(f"{path}: {found}; expected {expected}") from None
    except RecursionError:
        raise UserError(f"{path}: nested too deeply to be read; expected {expected}") from None
    except ValueError as error:  # a number of more than 4,300 digits
        raise UserError(f"{path}: cannot be read ({shortened(str(error))})") from None


def parsed_list(path: Path, content: bytes, key: str | None, expected: str) -> list[Any]:
    """Return the list that a file holds, under a key or (None) at the top.

    Raises:
        UserError: it is not JSON, or there is no such list.
    """
    value = parsed(path, content, expected)
    records = value
    if key is not None:
        records = value.get(key) if isinstance(value, dict) else None
    if not isinstance(records, list):
        raise UserError(f"{path}: holds {_described(value, key)}; expected {expected}")
    return records


def read_records(
    path: Path,
    content: bytes,
    to: type[Record],
    expected: str,
    *,
    key: str | None = None,
    what: str = "record",
    ids: Collection[str] = (),
) -> list[Record]:
    """Return the records of the list that a file holds, under a key or (None) at the top.

    Args:
        content: the bytes of the file.
        ids: as of `converted`.

    Raises:
        UserError: it is not JSON, there is no such list, or a record does not fit.
    """
    listed: Any = GenericAlias(list, (to,))
    whole: Any = fast(content, listed if key is None else _holder(key, listed))
    if whole is not None:
        records: list[Record] = whole if key is None else getattr(whole, key)
        return records
    return converted(path, parsed_list(path, content, key, expected), to, what, ids)


@cache
def _holder(key: str, value: Any) -> type[msgspec.Struct]:
    """Return the type of an object that holds a value under a key."""
    return msgspec.defstruct("Holder", [(key, value)])


def converted(
    path: Path,
    records: Iterable[Any],
    to: type[Record],
    what: str = "record",
    ids: Collection[str] = (),
) -> list[Record]:
    """Return the records as a msgspec type.

    Args:
        ids: the keys, at any depth, that hold ids: a whole float there is an integer.

    Raises:
        UserError: names the first record that does not fit, and how many there are.
    """

    def convert(record: Any) -> Record:
        try:
            return msgspec.convert(with_ids(record, ids) if ids else record, to)
        except (ValueError, RecursionError) as reason:  # msgspec's own are ValueErrors
            raise ValueError(shortened(str(reason))) from None

    return converted_by(path, list(records), convert, what)


def converted_by(
    source: Path | str,
    records: Sequence[Any],
    convert: Callable[[Any], Record],
    what: str = "record",
) -> list[Record]:
    """Return what a function makes of each record.

    Raises:
        UserError: names the first record for which it raises ValueError, and how many there are.
    """
    good, bad = [], []
    for number, record in enumerate(records):
        try:
            good.append(convert(record))
        except ValueError as reason:
            bad.append((number, reason))
    if bad:
        first, why = bad[0]
        raise UserError(
            f"{source}: {what} {first} of {len(records)}, {shortened(records[first])}: {why} "
            f"({len(bad)} such)"
        )
    return good


def with_ids(value: Any, keys: Collection[str]) -> Any:
    """Return a value with the ids under some keys made one by `as_id`.

    Raises:
        ValueError: names the key whose value is no id.
    """
    if isinstance(value, list):
        return [with_ids(one, keys) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, one in value.items():
        try:
            made[key] = as_id(one) if key in keys else with_ids(one, keys)
        except ValueError as reason:
            raise ValueError(f"{reason} - at `{key}`") from None
    return made


def refuse_repeated(path: Path, ids: Iterable[object], what: str) -> None:
    """Do nothing where all ids differ.

    Raises:
        UserError: names the first id that appears more than once, and the number of duplicates.
    """
    seen: set[object] = set()
    again = [one for one in ids if one in seen or seen.add(one)]  # type: ignore[func-returns-value]
    if again:
        raise UserError(
            f"{path}: {what} {shortened(again[0])} appears more than once "
            f"({len(again)} duplicate(s))"
        )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object whose keys differ.

    Raises:
        UserError: names the first key that appears more than once.
    """
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        first = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        too_many = len(pairs) - len(made)
        raise UserError(
            f"the key {shortened(first)} appears more than once ({too_many} duplicate(s))"
        )
    return made


def kind(value: object) -> str:
    """Return what a JSON value is, in words."""
    words = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN or Infinity"
    return "null" if value is None else words.get(type(value), "a number")


def _described(value: Any, key: str | None) -> str:
    """Return what a file holds in place of a list, by its keys where it is an object."""
    if not isinstance(value, dict):
        return kind(value)
    keys = shortened(", ".join(map(str, value))) or "none"
    if key is None:
        return f"an object with the keys {keys}"
    if key in value:
        return f"{kind(value[key])} under {key!r}"
    return f"an object without {key!r}; its keys are {keys}"


def _not_json(content: bytes, place: int, reason: str) -> str:
    """Return what a file that is not JSON seems to be."""
    text = content.strip()
    if not text:
        return "an empty file"
    lines = [line for line in content[: 1 << 20].splitlines() if line.strip()]
    if reason == "Extra data" and len(lines) > 1 and _is_json(lines[0]) and _is_json(lines[1]):
        return "JSON lines, one value a line: put the lines into one list, [a, b, ...]"
    if text[:1] not in b'[{"' and len(lines) > 1:
        for mark, name in ((b"\t", "tabs"), (b",", "commas")):
            if mark in lines[0] and mark in lines[1]:
                return f"a table with {name} ({shortened(lines[0].decode('utf-8', 'replace'))})"
    near = content[max(0, place - NEAR) : place].decode("utf-8", "replace")
    where = f"not JSON at byte {place} of {len(content)} ({reason}, after {shortened(near)!r})"
    is_cut = place >= len(content.rstrip()) or reason.startswith("Unterminated string")
    return f"{where}: the file is cut short" if is_cut else where


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
