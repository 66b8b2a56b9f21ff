"""NLVR2's official files: examples as JSON lines, predictions as CSV."""

import json
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import read_bytes, read_rows, shortened
from evalsuite.records.errors import UserError

from .card import REPOSITORY

HEADERS = ("identifier", "id")  # of the first column, where a table has a line of names
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
    except (msgspec.MsgspecError, RecursionError):
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
    rows = read_rows(path, RESULTS_FORMAT)
    if rows and rows[0].cells[0].strip().lower() in HEADERS:
        rows = rows[1:]
    bad = [row for row in rows if len(row.cells) != 2 or row.cells[1].lower() not in LABELS]
    if bad:
        raise UserError(
            f"{path}: line {bad[0].line} is {shortened(','.join(bad[0].cells))!r} "
            f"({len(bad)} of {len(rows)} such); expected `identifier,True` or `identifier,False`"
        )
    labels = [(row.cells[0], row.cells[1]) for row in rows]
    refuse_repeated(path, (identifier for identifier, _ in labels), "example")
    return dict(labels)


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
