"""Ids and names as people write them: one rule for every file that names an image or a sample.

An id is a name, not a number: integers of any size, whole floats (`1.0`, as pandas writes them) and
texts are ids. `1` and `"1"` are two names.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from evalsuite.data.reading import shortened

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
    raise ValueError(f"{shortened(value)} is not an id; expected a whole number or a text")


def image_stem(name: str) -> str:
    r"""Return an image's name without folders (`/` or `\`) and image suffix (in any case)."""
    last = name.strip().replace("\\", "/").rsplit("/", 1)[-1]
    path = PurePosixPath(last)
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else last


def image_ids(paths: Iterable[str]) -> list[str]:
    """Return an id for each image of a folder: its name without folders and suffix.

    Where two would be the same, all ids are paths below the folder, without the suffix; with it
    where images of one folder differ in nothing else.

    Args:
        paths: of the images below the folder, separated by `/`.
    """
    with_suffix = list(paths)
    whole = [path.rpartition(".")[0] for path in with_suffix]
    for ids in ([path.rpartition("/")[2] for path in whole], whole):
        if len(set(ids)) == len(ids):
            return ids
    return with_suffix


def named_images(names: Sequence[str], ids: Collection[str]) -> list[str]:
    r"""Return the ids that names stand for, as people write them: by path, with or without suffix.

    A name that stands for none is returned without suffix, and without folders where ids have none.

    Args:
        names: of images, separated by `/` or `\`; there may be more folders before those of an id.
        ids: as `image_ids` returns them.

    Raises:
        ValueError: a name lacks the folder or suffix that tells two images apart.
    """
    known = set(ids)
    depth = max((one.count("/") for one in known), default=0)
    if not depth:
        return [name if name in known else image_stem(name) for name in names]
    spelled: dict[str, list[str]] = {}
    for one in known:
        folders, _, last = one.rpartition("/")
        for spelling in (image_stem(last), f"{folders}/{image_stem(last)}"):
            spelled.setdefault(spelling, []).append(one)
    return [_named_by_path(name, depth, known, spelled) for name in names]


def _named_by_path(
    name: str, depth: int, known: Collection[str], spelled: Mapping[str, list[str]]
) -> str:
    """Return the id that a name stands for where ids are paths; `spelled` holds shorter forms."""
    *folders, last = name.strip().replace("\\", "/").split("/")
    path = "/".join([*folders[-depth:], last])
    bare = "/".join([*folders[-depth:], image_stem(last)])
    if path in known or bare in known:
        return path if path in known else bare
    alike = sorted(spelled.get(bare, ()))
    if len(alike) > 1:
        raise ValueError(f"{path} may be {' or '.join(alike[:2])}: write the full path")
    return alike[0] if alike else bare


def other_spelling(name: Any, known: Collection[Any]) -> str:
    """Return a hint where an id is known as a text instead of a number or the reverse, else ""."""
    if isinstance(name, str) and _number(name) in known:
        return f": there it is the number {name}, here the text {name!r}; write both the same way"
    if not isinstance(name, str) and str(name) in known:
        return (
            f": there it is the text {str(name)!r}, here the number {name}; write both the same way"
        )
    return ""


def _number(text: str) -> int | None:
    """Return the whole number that a text spells, None where it spells none."""
    try:
        return int(text)
    except ValueError:
        return None
