"""How much an official file or folder holds, whatever the benchmark."""

import os
from pathlib import Path

import msgspec

from evalsuite.data.reading import read_bytes
from evalsuite.records.errors import UserError

# Records stay undecoded: a file of 400 MB is counted in a second and in little more memory.
Value = list[msgspec.Raw] | dict[str, msgspec.Raw] | str | int | float | bool | None


def count_files(folder: Path) -> int:
    """Return how many files a folder holds at any depth; hidden ones left out."""
    return sum(sum(not name.startswith(".") for name in names) for _, _, names in os.walk(folder))


def count_records(path: Path) -> dict[str, int]:
    """Return the lengths of the lists of a JSON file by key, or how many lines it has.

    A list at the top, and a file of one JSON value a line, have the key "records"; a file of
    another kind the key "lines".

    Raises:
        UserError: the file is cut short or is not JSON.
    """
    content = read_bytes(path, "an official file")
    if path.suffix not in (".json", ".jsonl"):
        return {"lines": len(content.splitlines())}
    try:
        value = msgspec.json.decode(content, type=list[msgspec.Raw] | dict[str, Value])
    except (msgspec.MsgspecError, RecursionError) as error:
        lines = content.splitlines()
        if len(lines) > 1 and all(_is_json(line) for line in lines):
            return {"records": len(lines)}
        found = f"{len(content):,} bytes that are not whole JSON ({error})"
        raise UserError(f"{path}: {found}; is the file cut short?") from None
    if isinstance(value, list):
        return {"records": len(value)}
    return {key: len(inner) for key, inner in value.items() if isinstance(inner, list)}


def _is_json(line: bytes) -> bool:
    """Return whether a line is one JSON object."""
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True
