"""NLVR2's official files: examples as JSON lines, predictions as CSV."""

import json
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import read_bytes
from evalsuite.records.errors import UserError

from .card import REPOSITORY

LABELS = ("true", "false")
RESULTS_FORMAT = "NLVR2 predictions, a line `identifier,True` or `identifier,False` each"


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
    except msgspec.MsgspecError:
        examples = _checked_lines(path, content)
    refuse_repeated(path, (example.identifier for example in examples), "example")
    return examples


def read_results(path: Path) -> dict[str, str]:
    """Return the label by identifier of an official CSV file of predictions.

    The official script takes the last of several predictions and counts other words as wrong;
    both are mistakes, and refused here.

    Raises:
        UserError: the file is missing, a line is not of the format, or an id comes twice.
    """
    content = read_bytes(path, RESULTS_FORMAT)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not text at byte {error.start} of {len(content)}") from None
    lines = text.splitlines()
    fields = [line.strip().split(",") for line in lines]
    bad = [
        number
        for number, parts in enumerate(fields)
        if len(parts) != 2 or parts[1].lower() not in LABELS
    ]
    if bad:
        raise UserError(
            f"{path}: line {bad[0] + 1} of {len(lines)} is {lines[bad[0]]!r} ({len(bad)} such); "
            "expected `identifier,True` or `identifier,False`"
        )
    refuse_repeated(path, (identifier for identifier, _ in fields), "example")
    return dict(fields)


def _checked_lines(path: Path, content: bytes) -> list[Example]:
    """Return the examples, or name the first line that is none and how many are not."""
    examples, bad = [], []
    lines = content.splitlines()
    for number, line in enumerate(lines, 1):
        try:
            value: Any = json.loads(line)
            examples.append(msgspec.convert(value, Example))
        except (ValueError, msgspec.ValidationError) as reason:
            bad.append((number, str(reason)))
    if bad:
        first, why = bad[0]
        raise UserError(
            f"{path}: line {first} of {len(lines)} is no NLVR2 example: {why} ({len(bad)} such); "
            "is the file cut short?"
        )
    return examples
