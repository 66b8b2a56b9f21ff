"""NLVR2's official files of examples, JSON lines."""

import json
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.records.errors import UserError

from .card import REPOSITORY


class Example(msgspec.Struct, gc=False):
    """One line of an official file; `label` is empty where it is held back."""

    identifier: str
    sentence: str
    label: str = ""
    directory: int | str | None = None


def read_examples(path: Path) -> list[Example]:
    """Return the examples of a file, in its order.

    Raises:
        UserError: the file is missing, a line is not of the official format, or an id comes twice.
    """
    content = read_bytes(path, "NLVR2 examples", REPOSITORY)
    decoder = msgspec.json.Decoder(Example)
    try:
        examples = decoder.decode_lines(content)
    except (msgspec.MsgspecError, RecursionError):
        examples = _checked_lines(path, content)
    refuse_repeated(path, (example.identifier for example in examples), "example")
    return examples


def _checked_lines(path: Path, content: bytes) -> list[Example]:
    """Return the examples, or name the first line that is none and how many are not."""
    examples, bad = [], []
    lines = content.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            value: Any = json.loads(line)
            examples.append(msgspec.convert(value, Example))
        except (ValueError, RecursionError) as reason:
            bad.append((number, shortened(str(reason))))
    if bad:
        first, why = bad[0]
        raise UserError(
            f"{path}: line {first} of {len(lines)} is not an NLVR2 example: {why} "
            f"({len(bad)} such); is the file cut short?"
        )
    return examples
