"""ADE20K's table of classes."""

from pathlib import Path

from evalsuite.data.reading import read_text, shortened
from evalsuite.kinds.segmentation.files import Classes
from evalsuite.records.errors import UserError

from .card import CLASSES, DOWNLOAD


def read_classes(data: Path) -> Classes:
    """Return the classes of `objectInfo150.txt` in a data folder.

    Raises:
        UserError: the file is missing or not of that format.
    """
    path = data / CLASSES
    lines = read_text(path, "ADE20K's table of classes", DOWNLOAD).splitlines()[1:]
    rows = [line.split("\t") for line in lines if line.strip()]
    try:
        numbers = [int(row[0]) for row in rows]
        classes = Classes([row[5].strip() for row in rows], [float(row[1]) for row in rows])
    except (IndexError, ValueError) as error:
        raise UserError(f"{path}: not ADE20K's table of classes: {shortened(str(error))}") from None
    if not rows:
        raise UserError(f"{path}: names no class; expected ADE20K's table of classes")
    if numbers != list(range(1, len(rows) + 1)):
        raise UserError(f"{path}: expected classes 1, 2, 3, ... in order; found {numbers[:3]} ...")
    return classes
