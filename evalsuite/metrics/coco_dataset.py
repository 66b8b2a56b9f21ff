"""A COCO instances file read with care: any ids, the scored keys alone, every fault named."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.data.names import as_id
from evalsuite.data.official_json import kind, parsed, refuse_repeated
from evalsuite.data.reading import shortened
from evalsuite.records.errors import UserError

FORMAT = "a COCO instances file"
LEAST_POLYGON = 6  # numbers; pycocotools takes four for a box, and raises for none
Json = dict[str, Any]
Numbers = Mapping[int | str, int]


class Dataset(NamedTuple):
    """The records of an instances file, numbered 1, 2, 3, ... in the order of their ids.

    Annotations keep what the file says under each key; those of images that the file lacks are
    left out, as pycocotools leaves them out.
    """

    images: list[Json]
    categories: list[Json]
    annotations: list[Json]
    image_numbers: Numbers
    category_numbers: Numbers


def read_dataset(path: Path, content: bytes) -> Dataset:
    """Return the records of an instances file.

    Raises:
        UserError: it is no such file; an id is missing, 0 (of an object) or another's.
    """
    value = parsed(path, content, FORMAT)
    refuse_foreign(path, value)
    lists = [_records(path, value, key) for key in ("images", "categories", "annotations")]
    images, categories, annotations = lists
    if not images:
        raise UserError(f"{path}: no images; expected {FORMAT}")
    image_numbers = _numbered(path, _ids(path, images, "image"), "image")
    category_numbers = _numbered(path, _ids(path, categories, "category"), "category")
    ids = _ids(path, annotations, "object")
    if 0 in ids:
        raise UserError(
            f"{path}: object 0 is numbered 0, which pycocotools takes for no object at all; "
            "number them from 1"
        )
    refuse_repeated(path, ids, "object")
    names: list[tuple[str, Numbers]] = [
        ("image_id", image_numbers),
        ("category_id", category_numbers),
    ]
    kept = []
    for record, own in zip(annotations, ids, strict=True):
        owner, category = (_number(path, record, own, key, known) for key, known in names)
        if owner is not None and category is not None:
            kept.append({**record, "id": own, "image_id": owner, "category_id": category})
    return Dataset(
        [
            {"id": number, "height": _side(image, "height"), "width": _side(image, "width")}
            for image, number in _in_order(images, image_numbers)
        ],
        [
            {"id": number, "name": str(record.get("name", record["id"]))}
            for record, number in _in_order(categories, category_numbers)
        ],
        kept,
        image_numbers,
        category_numbers,
    )


def scored(dataset: Dataset, *, outlines: bool) -> Json:
    """Return a dataset with the scored keys alone, as hotcoco takes it."""
    return {
        "images": [{**image, "file_name": ""} for image in dataset.images],
        "categories": dataset.categories,
        "annotations": [
            {
                "id": place,
                "image_id": one["image_id"],
                "category_id": one["category_id"],
                "iscrowd": int(one["iscrowd"]),
                "area": float(one["area"]),
                "bbox": [float(side) for side in one["bbox"]] if one.get("bbox") else [0.0] * 4,
                **({"segmentation": one["segmentation"]} if outlines else {}),
            }
            for place, one in enumerate(dataset.annotations, 1)
        ],
    }


def refuse_foreign(path: Path, value: Any) -> None:
    """Raise UserError where a file is another benchmark's, or no object at all."""
    if not isinstance(value, dict):
        raise UserError(f"{path}: holds {kind(value)}; expected {FORMAT}")
    for key, what in (("questions", "VQA questions"), ("segments_info", "panoptic annotations")):
        if key in value:
            raise UserError(f"{path}: {what}; expected {FORMAT}")
    first = _first(value, "annotations")
    image, category = _first(value, "images"), _first(value, "categories")
    foreign = (
        ("segments_info" in first, "COCO's panoptic annotations"),
        ("caption" in first and "bbox" not in first, "COCO's captions"),
        ("answers" in first or "question_type" in first, "VQA annotations"),
        ("not_exhaustive_category_ids" in image or "synset" in category, "an LVIS file"),
    )
    for is_foreign, what in foreign:
        if is_foreign:
            raise UserError(f"{path}: {what}; expected {FORMAT}, such as instances_val2017.json")


def refuse_values(path: Path, dataset: Dataset, keys: Sequence[str]) -> None:
    """Raise UserError for the first object without a value that pycocotools could score.

    Args:
        keys: of `iscrowd`, `area`, `bbox`, `segmentation`.
    """
    for key in keys:
        absent = [one["id"] for one in dataset.annotations if one.get(key) in (None, [])]
        if absent:
            raise UserError(
                f"{path}: object {shortened(absent[0])} has no {key}, without which pycocotools "
                f"scores nothing ({len(absent)} such object(s)); export the file with it"
            )
        fits = _FITS[key]
        bad = [one for one in dataset.annotations if not fits(one[key])]
        if bad:
            found = f"object {shortened(bad[0]['id'])} has {key} {shortened(bad[0][key])}"
            raise UserError(
                f"{path}: {found}; expected {_EXPECTED[key]} ({len(bad)} such object(s))"
            )


def is_outline(value: Any) -> bool:
    """Return whether pycocotools can draw an outline: polygons of three points, or run lengths."""
    if isinstance(value, dict):
        size = value.get("size")
        counts = value.get("counts")
        return (
            isinstance(size, list)
            and len(size) == 2
            and all(isinstance(side, int) and side > 0 for side in size)
            and isinstance(counts, str | list)
        )
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(part, list)
            and len(part) >= LEAST_POLYGON
            and len(part) % 2 == 0
            and all(map(_is_number, part))
            for part in value
        )
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


_FITS: Mapping[str, Callable[[Any], bool]] = {
    "iscrowd": lambda value: value in (0, 1),
    "area": _is_number,
    "bbox": _is_box,
    "segmentation": is_outline,
}
_EXPECTED = {
    "iscrowd": "0 or 1",
    "area": "a finite number of pixels",
    "bbox": "four finite numbers: x, y, width, height",
    "segmentation": "polygons of three points or more, or run lengths with their size",
}


def _records(path: Path, value: Json, key: str) -> list[Json]:
    """Return a list of objects of the file."""
    records = value.get(key)
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        holds = f"{kind(records)} under {key!r}" if key in value else f"no list {key!r}"
        raise UserError(f"{path}: not {FORMAT}: holds {holds}; expected a list of objects there")
    return records


def _first(value: Json, key: str) -> Json:
    records = value.get(key)
    return records[0] if isinstance(records, list) and records and _is_dict(records[0]) else {}


def _is_dict(value: Any) -> bool:
    return isinstance(value, dict)


def _ids(path: Path, records: list[Json], what: str) -> list[int | str]:
    """Return the ids of records."""
    ids = []
    for place, record in enumerate(records):
        try:
            ids.append(as_id(record["id"]))
        except (KeyError, ValueError) as error:
            why = "has no id" if isinstance(error, KeyError) else f"has the id {error}"
            shown = shortened(record)
            raise UserError(f"{path}: {what} number {place}, {shown}, {why}") from None
    return ids


def _numbered(path: Path, ids: list[int | str], what: str) -> Numbers:
    """Return the place of each id, counted from 1, in the order of `numpy.unique`."""
    if len({type(one) for one in ids}) > 1:
        texts = [one for one in ids if isinstance(one, str)]
        raise UserError(
            f"{path}: some {what} ids are numbers and some are texts, such as "
            f"{shortened(texts[0])!r}; write all alike"
        )
    refuse_repeated(path, ids, what)
    return {one: place for place, one in enumerate(sorted(ids), 1)}


def _in_order(records: Iterable[Json], numbers: Numbers) -> list[tuple[Json, int]]:
    pairs = [(record, numbers[as_id(record["id"])]) for record in records]
    return sorted(pairs, key=lambda pair: pair[1])


def _number(path: Path, record: Json, own: int | str, key: str, known: Numbers) -> int | None:
    """Return the number of an object's image or category, None where the file lacks it."""
    try:
        return known.get(as_id(record[key]))
    except (KeyError, ValueError):
        raise UserError(
            f"{path}: object {shortened(own)} has {key} {shortened(record.get(key))}; "
            "expected an id of the file"
        ) from None


def _side(image: Json, key: str) -> int:
    """Return a side of an image in pixels, 0 where the file does not say it."""
    value = image.get(key)
    return int(value) if isinstance(value, int | float) and 0 < value < 2**31 else 0
