"""COCO's instances file as samples need it: images by name and size, objects with their boxes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import shortened
from evalsuite.metrics.coco.file import Category, CocoFile, Image, Object, read_coco_file
from evalsuite.records.errors import UserError

NO_NAME = "image {0.id} has no file_name"
NO_SIZE = "image {0.id} has no height and width in pixels"
NO_CLASS = "object {0.id} has category {0.category_id}, which the file does not list"
NO_BOX = "object {0.id} has the bbox {0.bbox}; expected x, y, width, height"
NEGATIVE = "object {0.id} has the box {0.bbox} of negative size"


class Instances(NamedTuple):
    """An instances file: its records, the images in its order, and each one's objects by its id."""

    file: CocoFile
    images: Sequence[Image]
    categories: Sequence[Category]
    objects: dict[Any, list[Object]]


def read_instances(path: Path, source: str) -> Instances:
    """Return an instances file, classes in the order of their ids.

    Objects of images that the file has not are left out, as pycocotools does.

    Args:
        source: where the file is fetched, for the message where it is not there.

    Raises:
        UserError: the file is missing, torn or not of that format, names an image twice or without
            its size, or an object has a class that the file has not, or no box of positive size.
    """
    file = read_coco_file(path, source)
    refuse_repeated(path, (image.id for image in file.images), "image")
    known = {category.id for category in file.categories}
    things = file.annotations or []
    _refuse(path, file.images, lambda one: not isinstance(one.file_name, str), NO_NAME)
    _refuse(path, file.images, _has_no_size, NO_SIZE)
    _refuse(path, things, lambda one: one.category_id not in known, NO_CLASS)
    _refuse(path, things, lambda one: not isinstance(one.bbox, tuple), NO_BOX)
    _refuse(path, things, lambda one: min(one.bbox[2:]) < 0, NEGATIVE)
    objects: dict[Any, list[Object]] = {image.id: [] for image in file.images}
    for one in things:
        if one.image_id in objects:
            objects[one.image_id].append(one)
    return Instances(file, file.images, sorted(file.categories, key=lambda one: one.id), objects)


def _has_no_size(image: Image) -> bool:
    return any(type(side) is not int or side <= 0 for side in (image.height, image.width))


def _refuse(path: Path, records: Sequence[Any], is_bad: Callable[[Any], bool], what: str) -> None:
    """Raise UserError for the first record that is bad, if there is one."""
    bad = [one for one in records if is_bad(one)]
    if bad:
        raise UserError(f"{path}: {shortened(what.format(bad[0]))} ({len(bad)} such)")
