"""COCO's instances files as records: only what is scored is read, and every fault is named."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.data.names import Id, as_id
from evalsuite.data.official_json import converted, fast, kind, parsed
from evalsuite.data.reading import read_bytes
from evalsuite.records.errors import UserError

FORMAT = "a COCO instances file"
ABSENT = msgspec.Raw(b"null")
STUFF = (92, "banner")  # the first class of COCO's stuff files, which have no objects


class Image(msgspec.Struct, gc=False):
    """An image; the sides in pixels and the name are as the file says them, if it does."""

    id: Id
    height: Any = None
    width: Any = None
    file_name: Any = None
    not_exhaustive_category_ids: Any = None  # LVIS


class Category(msgspec.Struct, gc=False):
    """A class; ids have gaps in the official files."""

    id: Id
    name: Any = None
    keypoints: Any = None  # COCO's keypoints
    frequency: Any = None  # LVIS

    @property
    def title(self) -> str:
        """The name as a text, the id where the file names none."""
        return str(self.id if self.name is None else self.name)


class Object(msgspec.Struct, gc=False):
    """An object: `bbox` is x, y, width, height in pixels; what the file lacks is None.

    The outline stays as it stands in the file: polygons, run lengths or anything else.
    """

    image_id: Id
    category_id: Id
    id: Id | None = None
    area: float | None = None
    iscrowd: int | float | bool | None = None
    bbox: tuple[float, float, float, float] | None = None
    segmentation: msgspec.Raw = ABSENT
    keypoints: Any = None


class _OddObject(Object, gc=False):
    """An object whose box is none, of which only boxes need to know."""

    bbox: Any = None
    segmentation: Any = None


class CocoFile(msgspec.Struct, gc=False):
    """An instances file; `annotations` is None where they are held back."""

    images: list[Image]
    categories: list[Category]
    annotations: list[Object] | None = None


def read_coco_file(path: Path, source: str = "") -> CocoFile:
    """Return the records of an instances file, in its order.

    Args:
        source: where to get it.

    Raises:
        UserError: the file is missing, torn, another benchmark's, or a record is not of the format.
    """
    content = read_bytes(path, FORMAT, source)
    file = fast(content, CocoFile)
    if file is None:
        file = _odd_file(path, content)
    else:
        firsts = [one[:1] for one in (file.images, file.categories, file.annotations or [])]
        _refuse_foreign(path, *(msgspec.structs.asdict(one[0]) if one else {} for one in firsts))
    if not file.images:
        raise UserError(f"{path}: no images; expected {FORMAT}")
    for records, what, keys in (
        (file.images, "image", ("id",)),
        (file.categories, "category", ("id",)),
        (file.annotations or (), "object", ("id", "image_id", "category_id")),
    ):
        _make_ids(path, records, what, keys)
    return file


def _odd_file(path: Path, content: bytes) -> CocoFile:
    """Return the records of a file that does not fit at once, or say what is wrong with it."""
    value = parsed(path, content, FORMAT)
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds {kind(value)}; expected {FORMAT}, an object")
    _refuse_foreign(path, *(_first(value, key) for key in ("images", "categories", "annotations")))
    if "questions" in value:
        raise UserError(f"{path}: VQA questions; expected {FORMAT}")
    for key in ("images", "categories", "annotations"):
        if not isinstance(value.get(key, [] if key == "annotations" else None), list):
            held = f"{kind(value[key])} under {key!r}" if key in value else f"no {key!r}"
            raise UserError(f"{path}: holds {held}; expected {FORMAT}, with a list there")
    objects = converted(path, value.get("annotations", []), _OddObject, "object")
    for one in objects:
        box = one.bbox
        if isinstance(box, list) and len(box) == 4 and all(type(v) in (int, float) for v in box):
            one.bbox = tuple(map(float, box))
        one.segmentation = msgspec.Raw(json.dumps(one.segmentation).encode())
    return CocoFile(
        converted(path, value["images"], Image, "image"),
        converted(path, value["categories"], Category, "category"),
        list(objects) if "annotations" in value else None,
    )


def _first(value: dict[str, Any], key: str) -> dict[str, Any]:
    records = value.get(key)
    first = records[0] if isinstance(records, list) and records else None
    return first if isinstance(first, dict) else {}


def _refuse_foreign(
    path: Path, image: dict[str, Any], category: dict[str, Any], thing: dict[str, Any]
) -> None:
    """Do nothing where the first records are not another benchmark's.

    Raises:
        UserError: names it. Such a file would give a number, but not that benchmark's.
    """
    has_points = bool(category.get("keypoints")) and bool(thing.get("keypoints"))
    is_lvis = image.get("not_exhaustive_category_ids") is not None
    is_vqa = "answers" in thing or "question_type" in thing
    foreign = (
        ("segments_info" in thing, "panoptic annotations, of segments"),
        ("caption" in thing and "bbox" not in thing, "captions"),
        (
            is_lvis or category.get("frequency") is not None,
            "an LVIS file, which is scored differently",
        ),
        (has_points, "keypoint annotations, of people only"),
        ((category.get("id"), category.get("name")) == STUFF, "stuff annotations, not of objects"),
        (is_vqa, "VQA annotations"),
    )
    for is_foreign, what in foreign:
        if is_foreign:
            raise UserError(f"{path}: {what}; expected {FORMAT}, such as instances_val2017.json")


def _make_ids(path: Path, records: Sequence[Any], what: str, keys: Sequence[str]) -> None:
    """Make every whole float of an id the integer that it equals.

    Raises:
        UserError: names the first that is none.
    """
    for key in keys:
        for number, record in enumerate(records):
            if type(getattr(record, key)) is float:
                try:
                    setattr(record, key, as_id(getattr(record, key)))
                except ValueError as reason:
                    raise UserError(
                        f"{path}: {what} {number} of {len(records)}: {reason} - at `{key}`"
                    ) from None
