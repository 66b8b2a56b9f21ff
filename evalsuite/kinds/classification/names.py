"""Which class a name or a number in a result file means; what may mean two is told or refused."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence

from evalsuite.kinds.classification.tables import Class
from evalsuite.records.errors import Remark, UserError


def in_timms_order(wnids: Sequence[str]) -> list[str]:
    """Return folders in timm's order: without case, and numbers in them as numbers.

    torchvision's is that of text. Source: timm data/readers/reader_image_folder.py (natural_key).
    """
    return sorted(
        wnids,
        key=lambda one: [int(s) if s.isdecimal() else s for s in re.split(r"(\d+)", one.lower())],
    )


def refuse_unknown_order(source: str, wnids: Sequence[str], advice: str) -> None:
    """Do nothing where timm and torchvision agree in the order of the folders.

    Raises:
        UserError: they do not, so that nobody knows which class a place is.
    """
    pairs = zip(in_timms_order(wnids), sorted(wnids), strict=True)
    theirs, other = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    if theirs != other:
        raise UserError(
            f"{source}: gives classes by number, but timm numbers these folders in another order "
            f"than torchvision ({theirs} where that has {other}); {advice}"
        )


def described_places(names: Mapping[str, str], wnids: Sequence[str]) -> dict[str, int]:
    """Return the number of each class by its description, but for those that two classes share.

    Args:
        names: the description of each class by its wnid, of more classes than these perhaps.
    """
    texts = list(names.values())
    shared = {text for text in texts if texts.count(text) > 1}
    return {
        names[wnid]: place
        for place, wnid in enumerate(wnids)
        if wnid in names and names[wnid] not in shared
    }


def places_by_name(wnids: Sequence[str], described: Mapping[str, int]) -> dict[Class, int]:
    """Return the number of each class by its wnid, and by its description where that is known."""
    places: dict[Class, int] = {wnid: place for place, wnid in enumerate(wnids)}
    return {text: place for text, place in described.items() if text not in places} | places


def place_of(said: Class, places: Mapping[Class, int]) -> int:
    """Return the number of a class as a file says it, -1 where it is none.

    timm's --label-type detail adds the definition: "crane: lifts and moves heavy objects".
    """
    if said not in places and isinstance(said, str):
        said = said.partition(": ")[0]
    return places.get(said, -1)


def places_by_number(source: str, said: set[int], wnids: Sequence[str]) -> dict[Class, int]:
    """Return the number of each class by the numbers that a file gives.

    Where the folders are named by numbers, a number in the file is a folder's name: it cannot be
    told from one in a CSV file. Only where no folder could be meant is it the place in their order.

    Raises:
        UserError: the numbers may be folders as well as places, and these are not the same; or
            places in either of two orders.
    """
    places: dict[Class, int] = {place: place for place in range(len(wnids))}
    if not all(wnid.isdecimal() for wnid in wnids):
        if said:
            refuse_unknown_order(source, wnids, "write the folders' names")
        return places
    folders: dict[Class, int] = {int(wnid): place for place, wnid in enumerate(wnids)}
    if not said <= places.keys():
        return folders
    if folders != places and said <= folders.keys():
        raise UserError(
            f"{source}: class {min(said)}: the folder of that name, or its place from 0 in the "
            f"folders {wnids[0]} to {wnids[-1]}? write names as texts in a .json file"
        )
    _tell_other_order(source, said, wnids)
    return folders if folders == places else places


def _tell_other_order(source: str, said: Iterable[int], wnids: Sequence[str]) -> None:
    """Say which folder a number is taken for, where it is another in the order of text."""
    as_text = sorted(wnids)
    differ = [number for number in sorted(said) if as_text[number] != wnids[number]]
    if differ:
        first = differ[0]
        warnings.warn(
            f"{source}: class {first} is read as the folder {wnids[first]}, not as "
            f"{as_text[first]}, which has place {first} where folders are sorted as text "
            "(torchvision): if that is meant, write names as texts in a .json file",
            Remark,
            stacklevel=2,
        )
