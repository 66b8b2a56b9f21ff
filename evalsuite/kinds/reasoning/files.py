"""Result files of statements that are true or false: CSV, as NLVR2's script takes it."""

from pathlib import Path

from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import read_rows, shortened
from evalsuite.metrics.nlvr2 import LABELS
from evalsuite.records.errors import UserError

HEADERS = ("identifier", "id")  # of the first column, where a table has a line of names
RESULTS_FORMAT = "NLVR2 predictions, a line `identifier,True` or `identifier,False` each"


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
