"""COCO's ground truth, refused where pycocotools could not score it."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hotcoco
import msgspec
import numpy as np

from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import read_bytes
from evalsuite.records.errors import UserError

ABSENT = msgspec.Raw(b"null")
KEYS = ("iscrowd", "area", "bbox", "segmentation")


class _Object(msgspec.Struct, gc=False):
    """What of an object decides whether it can be scored, as it stands in the file."""

    id: int | float = 0
    iscrowd: msgspec.Raw = ABSENT
    area: msgspec.Raw = ABSENT
    bbox: msgspec.Raw = ABSENT
    segmentation: msgspec.Raw = ABSENT


class _File(msgspec.Struct, gc=False):
    annotations: list[_Object] = []


class Truth:
    """The ground truth of an instances file.

    Attributes:
        path: the file.
        image_ids: sorted int64; `heights` and `widths` in pixels go with it.
        class_names: name by category id, in the order of ids.

    Raises:
        UserError: the file is missing or malformed, has no images, or an object's number is 0 or
            another's, or it has no `iscrowd` or `area`.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._lacking = path, _lacking(path)
        self.require("iscrowd")
        self.require("area")
        try:
            coco = hotcoco.COCO(str(path))
        except Exception as error:  # hotcoco raises its own kinds; all of them mean a bad file
            raise UserError(f"{path}: not a COCO instances file: {error}") from None
        self._take(coco)

    def _take(self, coco: Any) -> None:
        """Fill the attributes from hotcoco's object."""
        self.coco = coco
        images = sorted(self.coco.imgs.values(), key=lambda image: image["id"])
        if not images:
            raise UserError(f"{self.path}: no images; expected a COCO instances file")
        self.image_ids = np.array([image["id"] for image in images], dtype=np.int64)
        self.heights = np.array([image["height"] for image in images], dtype=np.int64)
        self.widths = np.array([image["width"] for image in images], dtype=np.int64)
        categories = sorted(self.coco.cats.values(), key=lambda category: category["id"])
        self.class_names = {int(item["id"]): str(item["name"]) for item in categories}

    def only(self, image_ids: Iterable[int]) -> "Truth":
        """Return the truth of some images, for a run that predicted no more; all classes stay."""
        kept = self.coco.filter(img_ids=sorted(image_ids), drop_empty_images=False).dataset
        # hotcoco drops the classes of which these images show nothing; they may be predicted.
        kept["categories"] = list(self.coco.cats.values())
        part = Truth.__new__(Truth)
        part.path, part._lacking = self.path, self._lacking
        part._take(hotcoco.COCO(kept))
        return part

    def require(self, key: str) -> None:
        """Do nothing where every object has what pycocotools reads.

        Raises:
            UserError: one has not; pycocotools raises as well, where hotcoco would make it up.
        """
        ids = self._lacking[key]
        if ids:
            raise UserError(
                f"{self.path}: object {ids[0]} has no {key}, without which pycocotools scores "
                f"nothing ({len(ids)} such object(s)); add it to the file"
            )


def _lacking(path: Path) -> dict[str, list[float]]:
    """Return the ids of the objects without each of `KEYS`; null and [] are as good as nothing.

    Raises:
        UserError: an object is numbered 0, or as another.
    """
    try:
        objects = msgspec.json.decode(read_bytes(path, "a COCO instances file"), type=_File)
    except msgspec.MsgspecError as error:
        raise UserError(f"{path}: not a COCO instances file: {error}") from None
    ids = [one.id for one in objects.annotations]
    if 0 in ids:
        raise UserError(
            f"{path}: object 0 is numbered 0, which pycocotools takes for no object at all; "
            "number them from 1"
        )
    refuse_repeated(path, ids, "object")
    return {
        key: [one.id for one in objects.annotations if bytes(getattr(one, key)) in (b"null", b"[]")]
        for key in KEYS
    }
