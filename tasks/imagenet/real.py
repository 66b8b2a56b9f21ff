"""ReaL's labels of ImageNet's val, as the numbers of the classes that have a folder."""

import re
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

from evalsuite.data.names import image_stem
from evalsuite.data.official_json import read_records
from evalsuite.data.reading import read_bytes
from evalsuite.records.errors import Remark, UserError

from .card import REAL_SOURCE

# The classes of the challenge, in the order of ReaL: timm data/_info/imagenet_synsets.
WNIDS = "wnids.csv"
# Lists of real.json are in the order of the images' numbers. Hugging Face's copy adds the wnid.
NAME = re.compile(r"ILSVRC2012_val_(\d{8})(?:_n\d{8})?")
NO_FOLDER = -1  # a class of ReaL's that is none of those here: never an image's best


def real_labels(path: Path, names: Sequence[str], wnids: Sequence[str]) -> list[list[int]] | None:
    """Return the ReaL classes of each image, as places in `wnids`; None where there are none.

    A class that has no folder is `NO_FOLDER`. ReaL is optional: what keeps it from being scored is
    a warning.
    """
    if not path.is_file():
        return None
    try:
        return _labels(path, names, wnids)
    except UserError as error:
        warnings.warn(f"{error}: no ReaL accuracy", Remark, stacklevel=3)
        return None


def _labels(path: Path, names: Sequence[str], wnids: Sequence[str]) -> list[list[int]]:
    """Return what `real_labels` does.

    Raises:
        UserError: the file is malformed, or classes or images are not ImageNet's.
    """
    lists = _lists(path)
    official = {wnid: number for number, wnid in enumerate(official_wnids())}
    strange = [wnid for wnid in wnids if wnid not in official]
    if strange:
        raise UserError(
            f"{path}: numbers the {len(official)} classes of ImageNet, and the folder {strange[0]} "
            f"is none of their wnids ({len(strange)} such)"
        )
    place_of = {official[wnid]: place for place, wnid in enumerate(wnids)}
    numbers = [_number(name) for name in names]
    lacking = [name for name, one in zip(names, numbers, strict=True) if not 0 < one <= len(lists)]
    if lacking:
        raise UserError(
            f"{path}: has no entry of image {lacking[0]} ({len(lacking)} such image(s))"
        )
    return [[place_of.get(one, NO_FOLDER) for one in lists[number - 1]] for number in numbers]


def _lists(path: Path) -> list[list[int]]:
    what = f"the lists of ReaL ({REAL_SOURCE})"
    lists = read_records(path, read_bytes(path, what), list[int], what)
    beyond = [place for place, one in enumerate(lists) if one and not _is_official(one)]
    if beyond:
        raise UserError(
            f"{path}: list {beyond[0]} holds {lists[beyond[0]][:5]} ({len(beyond)} such); expected "
            f"numbers of classes from 0 to {len(official_wnids()) - 1}"
        )
    return lists


def _is_official(numbers: list[int]) -> bool:
    return min(numbers) >= 0 and max(numbers) < len(official_wnids())


def _number(name: str) -> int:
    """Return the number in an image's name, counted from 1; 0 where there is none."""
    match = NAME.fullmatch(image_stem(name))
    return int(match[1]) if match else 0


@cache
def official_wnids() -> tuple[str, ...]:
    """Return the wnids of the challenge's 1,000 classes, in their order."""
    return tuple((files(__package__) / WNIDS).read_text("utf-8").split()[1:])
