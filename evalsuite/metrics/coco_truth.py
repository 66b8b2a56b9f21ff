"""COCO's ground truth: what pycocotools scores is scored, whatever else a file holds.

hotcoco's own reader goes first. It is typed, so a file that it refuses, or whose ids are not plain
positive integers, is read with care (coco_dataset.py) and handed to it with the scored keys alone.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import hotcoco
import msgspec
import numpy as np

from evalsuite.data.official_json import fast, refuse_repeated
from evalsuite.data.reading import read_bytes
from evalsuite.metrics.coco_dataset import FORMAT, Dataset, read_dataset, refuse_values, scored
from evalsuite.records.errors import UserError

LARGEST = 2**53  # from here on hotcoco's columns of float64 take one id for its neighbour
ALWAYS = ("iscrowd", "area")


class _Thing(msgspec.Struct, gc=False):
    """An image or a category."""

    id: int


class _Object(msgspec.Struct, gc=False):
    """An object that hotcoco reads as pycocotools does, with a box and an outline or without."""

    id: int
    image_id: int
    category_id: int
    iscrowd: int
    area: float
    bbox: list[float] | None = None
    segmentation: list[list[float]] | dict[str, msgspec.Raw] | None = None


class _File(msgspec.Struct, gc=False):
    images: list[_Thing]
    categories: list[_Thing]
    annotations: list[_Object]


class Truth:
    """The ground truth of an instances file.

    Attributes:
        path: the file.
        image_ids: the engine's numbers of the images, sorted int64: the file's ids where those are
            plain. `heights` and `widths` in pixels go with them, 0 where the file has none.
        class_names: name by the file's category id, in the order of ids.
        image_numbers, category_numbers: the engine's number by the file's id; None where they are
            the same.

    Raises:
        UserError: the file is missing or malformed, has no images, is another benchmark's, or an
            object's number is missing, 0 or another's, or it has no `iscrowd` or `area`.
    """

    image_numbers: Mapping[int | str, int] | None = None
    category_numbers: Mapping[int | str, int] | None = None

    def __init__(self, path: Path) -> None:
        self.path = path
        content = read_bytes(path, FORMAT)
        self._lacking: dict[str, list[int]] = {}
        self._dataset: Dataset | None = None
        self._engines: dict[str, Any] = {}
        file = fast(content, _File)
        if file is None or not self._take_plain(file):
            del file
            self._take_odd(read_dataset(path, content))

    def _take_plain(self, file: _File) -> bool:
        """Let hotcoco read the file; return False where it may not, or does not want to."""
        ids = [one.id for one in file.annotations]
        things = [one.id for one in (*file.images, *file.categories)]
        if not file.images or not all(0 < one < LARGEST for one in (*ids, *things)):
            return False
        refuse_repeated(self.path, ids, "object")
        if any(not _is_drawable(one.segmentation) for one in file.annotations):
            return False
        try:
            coco = hotcoco.COCO(str(self.path))
        except Exception:  # hotcoco raises its own kinds; `read_dataset` says what is wrong
            return False
        if len(coco.anns) != len(ids) or len(coco.imgs) != len({one.id for one in file.images}):
            raise AssertionError(f"{self.path}: hotcoco holds other records than the file")
        self._lacking = {
            "bbox": [one.id for one in file.annotations if not one.bbox],
            "segmentation": [one.id for one in file.annotations if not one.segmentation],
        }
        self._take(coco)
        return True

    def _take(self, coco: Any) -> None:
        """Fill the attributes from hotcoco's object."""
        self._engines = {"box": coco, "mask": coco}
        images = sorted(coco.imgs.values(), key=lambda image: image["id"])
        self.image_ids = np.array([image["id"] for image in images], dtype=np.int64)
        self.heights, self.widths = (
            np.array([image.get(side) or 0 for image in images], dtype=np.int64)
            for side in ("height", "width")
        )
        categories = sorted(coco.cats.values(), key=lambda category: category["id"])
        self.class_names: dict[int | str, str] = {
            item["id"]: str(item["name"]) for item in categories
        }

    def _take_odd(self, dataset: Dataset) -> None:
        """Fill the attributes from a file that hotcoco does not read as pycocotools does."""
        refuse_values(self.path, dataset, ALWAYS)
        self._dataset, self._engines = dataset, {}
        self.image_numbers = dataset.image_numbers
        self.category_numbers = dataset.category_numbers
        self.image_ids = np.array([image["id"] for image in dataset.images], dtype=np.int64)
        self.heights, self.widths = (
            np.array([image[side] for image in dataset.images], dtype=np.int64)
            for side in ("height", "width")
        )
        names = [category["name"] for category in dataset.categories]
        ordered = sorted(dataset.category_numbers, key=lambda one: dataset.category_numbers[one])
        self.class_names = dict(zip(ordered, names, strict=True))

    def engine(self, kind: str) -> Any:
        """Return hotcoco's object for scoring a kind, `box` or `mask`.

        Raises:
            UserError: an object has no box (or no outline) that pycocotools could score.
        """
        key = "bbox" if kind == "box" else "segmentation"
        if self._dataset is None:
            self._require(key)
            return self._engines[kind]
        if kind not in self._engines:
            refuse_values(self.path, self._dataset, [key])
            coco = hotcoco.COCO(scored(self._dataset, outlines=kind == "mask"))
            if len(coco.anns) != len(self._dataset.annotations):
                raise AssertionError(f"{self.path}: hotcoco holds other objects than the file")
            self._engines[kind] = coco
        return self._engines[kind]

    def only(self, image_ids: Iterable[int | str]) -> "Truth":
        """Return the truth of some images, for a run that predicted no more; all classes stay."""
        part = Truth.__new__(Truth)
        part.path, part._lacking, part._dataset = self.path, self._lacking, None
        if self._dataset is None:
            coco = self._engines["box"]
            kept = coco.filter(img_ids=sorted(image_ids), drop_empty_images=False).dataset
            # hotcoco drops the classes of which these images show nothing; they may be predicted.
            kept["categories"] = list(coco.cats.values())
            part._take(hotcoco.COCO(kept))
            return part
        whole = self._dataset
        known = whole.image_numbers
        numbers = {known[name] for name in image_ids if name in known}
        part._take_odd(
            whole._replace(
                images=[one for one in whole.images if one["id"] in numbers],
                annotations=[one for one in whole.annotations if one["image_id"] in numbers],
            )
        )
        return part

    def _require(self, key: str) -> None:
        ids = self._lacking[key]
        if ids:
            raise UserError(
                f"{self.path}: object {ids[0]} has no {key}, without which pycocotools scores "
                f"nothing ({len(ids)} such object(s)); export the file with it"
            )


def _is_drawable(outline: list[list[float]] | dict[str, Any] | None) -> bool:
    """Return whether hotcoco draws an outline as pycocotools does, if there is one."""
    if isinstance(outline, dict):
        return "counts" in outline and "size" in outline
    return not outline or all(len(part) >= 6 and len(part) % 2 == 0 for part in outline)
