"""Ids and names as people write them: one rule for every file that names an image or a sample.

An id is a name, not a number: integers of any size, whole floats (`1.0`, as pandas writes them) and
texts are ids. `1` and `"1"` are two names.
"""

from collections.abc import Collection, Iterable
from pathlib import PurePosixPath
from typing import Any

from evalsuite.data.reading import shortened
from evalsuite.records.errors import UserError

# What an id may be in a JSON file; msgspec reads it, `as_id` makes it one.
Id = int | float | str
EXACT = 2**53  # from here on a decimal number may stand for its whole neighbours
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


def as_id(value: Any) -> int | str:
    """Return an id: an integer of any size, or a text; a whole float is the integer it equals.

    Raises:
        ValueError: it is none of them, or a decimal number too large to be exact.
    """
    if isinstance(value, float) and value.is_integer():
        if abs(value) < EXACT:
            return int(value)
        raise ValueError(f"{value!r} may have lost digits as a decimal; write it as a whole number")
    if isinstance(value, int | str) and not isinstance(value, bool):
        return value
    raise ValueError(f"{shortened(value)} is no id; expected a whole number or a text")


def image_stem(name: str) -> str:
    r"""Return an image's name without folders (`/` or `\`) and image suffix (in any case)."""
    last = name.strip().replace("\\", "/").rsplit("/", 1)[-1]
    path = PurePosixPath(last)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else last


def refuse_unknown(
    source: object, ids: Iterable[Any], known: Collection[Any], *, what: str, where: str
) -> None:
    """Do nothing where all ids are known.

    Args:
        what: what has the ids, such as "image".
        where: what they should be in, such as a file's name.

    Raises:
        UserError: names the first strange id and how many there are; says so where the same id is
            known as a text instead of a number, or the other way round.
    """
    strange = [one for one in ids if one not in known]
    if not strange:
        return
    first = strange[0]
    raise UserError(
        f"{source}: {what} {shortened(first)} is not in {where}{other_spelling(first, known)} "
        f"({len(strange)} such)"
    )


def other_spelling(name: Any, known: Collection[Any]) -> str:
    """Return a hint where an id is known as a text instead of a number or the reverse, else ""."""
    if isinstance(name, str) and _number(name) in known:
        return f": there it is the number {name}, here the text {name!r}; write both alike"
    if not isinstance(name, str) and str(name) in known:
        return f": there it is the text {str(name)!r}, here the number {name}; write both alike"
    return ""


def _number(text: str) -> int | None:
    """Return the whole number that a text spells, None where it spells none."""
    try:
        return int(text)
    except ValueError:
        return None
