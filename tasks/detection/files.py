"""COCO's instances file as records."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from evalsuite.data.official_json import converted, parsed_list, refuse_repeated
from evalsuite.data.reading import read_bytes
from evalsuite.records.errors import UserError

from .card import COCO

Record = TypeVar("Record", bound=msgspec.Struct)


class Image(msgspec.Struct, gc=False):
    """An image of the file; sizes in pixels."""

    id: int
    file_name: str
    height: int
    width: int


class Category(msgspec.Struct, gc=False):
    """A class; ids have gaps in the official files."""

    id: int
    name: str


class Annotation(msgspec.Struct, gc=False):
    """An object: `bbox` is x, y, width, height in pixels, `segmentation` polygons or run lengths.

    The segmentation stays as it stands in the file.
    """

    id: int
    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    area: float
    segmentation: msgspec.Raw = msgspec.Raw(b"[]")
    iscrowd: int = 0


class Instances(msgspec.Struct, gc=False):
    """An instances file; without annotations where they are held back."""

    images: list[Image]
    categories: list[Category]
    annotations: list[Annotation] = []

    def of_images(self) -> dict[int, list[Annotation]]:
        """Return every image's objects, both in the order of the file.

        Objects of images that the file has not are left out, as pycocotools does.
        """
        found: dict[int, list[Annotation]] = {image.id: [] for image in self.images}
        for annotation in self.annotations:
            if annotation.image_id in found:
                found[annotation.image_id].append(annotation)
        return found


def read_instances(path: Path) -> Instances:
    """Return an instances file.

    Raises:
        UserError: the file is missing, torn or not of that format, names an image twice, or an
            object has a class that the file has not or a box of negative size.
    """
    content = read_bytes(path, "a COCO instances file", COCO)
    try:
        file = msgspec.json.decode(content, type=Instances)
    except msgspec.MsgspecError:
        file = Instances(
            _list(path, content, "images", Image),
            _list(path, content, "categories", Category),
            _list(path, content, "annotations", Annotation),
        )
    refuse_repeated(path, (image.id for image in file.images), "image")
    known = {category.id for category in file.categories}
    _refuse(
        path,
        "of category {0.category_id}, which the file has not",
        [one for one in file.annotations if one.category_id not in known],
    )
    _refuse(
        path,
        "with the box {0.bbox} of negative size",
        [one for one in file.annotations if min(one.bbox[2:]) < 0],
    )
    return file


def _list(path: Path, content: bytes, key: str, to: type[Record]) -> list[Record]:
    return converted(path, parsed_list(path, content, key, "a COCO instances file"), to)


def _refuse(path: Path, what: str, bad: list[Any]) -> None:
    if bad:
        found = what.format(bad[0])
        raise UserError(f"{path}: object {bad[0].id} is {found} ({len(bad)} such object(s))")
