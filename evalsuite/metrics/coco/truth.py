"""COCO's ground truth: what pycocotools scores is scored, whatever else a file holds.

The engine sees images, categories and objects numbered 1, 2, 3, ... in the order of `numpy.unique`
of their ids, on which score ties between images depend; so an id may be any name.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import hotcoco
import numpy as np
from numpy.typing import NDArray

from evalsuite.data.names import Id, other_spelling
from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import shortened
from evalsuite.metrics.coco.file import FORMAT, CocoFile, read_coco_file
from evalsuite.metrics.coco.outlines import (
    NOT_FILLED,
    Polygons,
    RunLengths,
    Size,
    mask_areas,
    outlines_of,
    shown_outline,
)
from evalsuite.metrics.coco.results import collection_paused
from evalsuite.records.errors import UserError

NO_OBJECT = (0, "0")  # pycocotools keeps matches as numbers, and 0 for none
LACKING = "without which pycocotools scores nothing; export the file with it"


class Truth:
    """The ground truth of an instances file, or of some of its images.

    Attributes:
        path: the file.
        image_numbers, category_numbers: the engine's number by the file's id, in that order.
        sizes: height and width in pixels, by the engine's number less 1.
        class_names: name by the file's category id, in the order of ids.

    Args:
        file: the content where it has been read already.
        only: the images that were predicted, where not all were; all classes stay.

    Raises:
        UserError: the file is missing or malformed, has no images, is another benchmark's, names an
            id twice, or an object lacks `iscrowd` or `area` or is numbered 0.
    """

    def __init__(
        self, path: Path, file: CocoFile | None = None, only: Collection[Any] | None = None
    ) -> None:
        self.path = path
        self._file = read_coco_file(path) if file is None else file
        if self._file.annotations is None:
            raise UserError(
                f"{path}: holds no 'annotations', only images (those of test-dev are held back); "
                f"expected {FORMAT} with objects, such as instances_val2017.json"
            )
        self._all = self._file.annotations
        self._refuse_objects()
        images = {one.id: one for one in self._file.images}
        self.image_numbers = self._numbers("image", [one.id for one in self._file.images], only)
        self.sizes = [_size(images[name]) for name in self.image_numbers]
        classes = {one.id: one.title for one in self._file.categories}
        self.category_numbers = self._numbers("category", [one.id for one in self._file.categories])
        self.class_names: dict[Any, str] = {name: classes[name] for name in self.category_numbers}
        # Objects of no image or class of the file are left out, as pycocotools leaves them out.
        self._objects = [
            one
            for one in self._all
            if one.image_id in self.image_numbers and one.category_id in self.category_numbers
        ]
        self._refuse(lambda one: one.iscrowd is None, f"has no iscrowd, {LACKING}")
        self._refuse(lambda one: one.area is None, f"has no area, {LACKING}")
        self._refuse(lambda one: one.iscrowd not in (0, 1), "has iscrowd {0.iscrowd}, not 0 or 1")
        self._refuse(lambda one: not math.isfinite(one.area), "has the area {0.area}, no number")
        self._engines: dict[str, Any] = {}

    @property
    def num_images(self) -> int:
        """The number of images."""
        return len(self.image_numbers)

    def only(self, image_ids: Collection[Any]) -> "Truth":
        """Return the truth of some images, for a run that predicted no more."""
        return Truth(self.path, self._file, image_ids)

    def engine(self, kind: str) -> Any:
        """Return hotcoco's object for scoring a kind, `box` or `mask`; the same every time.

        Raises:
            UserError: an object has no box (or no outline) that pycocotools could score.
        """
        if kind not in self._engines:
            self._engines[kind] = self._loaded(kind)
        return self._engines[kind]

    def _loaded(self, kind: str) -> Any:
        """Return hotcoco's object with what is scored alone."""
        objects = self._objects
        boxes = self._boxes() if kind == "box" else np.zeros((len(objects), 4))
        with collection_paused():
            outlines = self._outlines() if kind == "mask" else None
        sides = [dict(zip(("height", "width"), size, strict=True)) for size in self.sizes]
        coco = hotcoco.COCO.from_arrays(
            [{"id": number, **size} for number, size in enumerate(sides, 1)],
            [{"id": number, "name": f"{number}"} for number in self.category_numbers.values()],
            np.array([self.image_numbers[one.image_id] for one in objects], dtype=np.int64),
            np.array([self.category_numbers[one.category_id] for one in objects], dtype=np.int64),
            boxes,
            ids=np.arange(1, len(objects) + 1),
            area=np.array([one.area for one in objects], dtype=np.float64),
            iscrowd=np.array([one.iscrowd for one in objects], dtype=np.int64),
            segmentation=outlines,
        )
        held = (coco.get_img_ids(), coco.get_cat_ids(), coco.get_ann_ids())
        expected = (self.num_images, len(self.category_numbers), len(objects))
        if tuple(map(len, held)) != expected:
            raise AssertionError(f"{self.path}: hotcoco holds other records than the file")
        return coco

    def _boxes(self) -> NDArray[np.float64]:
        """Return the objects' boxes, N x 4: x, y, width, height in pixels."""
        self._refuse(lambda one: one.bbox in (None, []), f"has no bbox, {LACKING}")
        is_odd: Callable[[Any], bool] = lambda one: type(one.bbox) is not tuple  # noqa: E731
        self._refuse(is_odd, "has a bbox that is not four numbers, x, y, width, height")
        boxes = np.array([one.bbox for one in self._objects], dtype=np.float64).reshape(-1, 4)
        is_bad = ~np.isfinite(boxes).all(1)
        self._refuse_places(is_bad, "has a bbox that is not finite")
        self._refuse_places((boxes[:, 2:] < 0).any(1), "has a bbox of negative width or height")
        return boxes

    def _outlines(self) -> list[Any]:
        """Return the objects' outlines as hotcoco takes them."""
        outlines: list[Polygons | RunLengths] = []
        faults: list[tuple[int, ValueError]] = []
        decoded = outlines_of([one.segmentation for one in self._objects])
        for place, (one, outline) in enumerate(zip(self._objects, decoded, strict=True)):
            try:
                size = self.sizes[self.image_numbers[one.image_id] - 1]
                outlines.append(_drawable(outline, one.image_id, size))
            except ValueError as fault:
                faults.append((place, fault))
        for place, why in faults[:1]:
            raise UserError(self._said(place, str(why), len(faults)))
        places = [at for at, one in enumerate(outlines) if isinstance(one, RunLengths)]
        masks = [one for one in outlines if isinstance(one, RunLengths)]
        is_bad = np.zeros(len(outlines), dtype=bool)
        is_bad[places] = mask_areas(masks)[1] != [math.prod(one.size) for one in masks]
        self._refuse_places(is_bad, NOT_FILLED)
        return [shown_outline(one) for one in outlines]

    def _numbers(
        self, what: str, names: Sequence[Any], only: Collection[Any] | None = None
    ) -> Mapping[Id, int]:
        """Return the place of each id, counted from 1, in the order of `numpy.unique`."""
        refuse_repeated(self.path, names, what)
        if len({isinstance(one, str) for one in names}) > 1:
            text = next(one for one in names if isinstance(one, str))
            raise UserError(
                f"{self.path}: some ids of the {what} records are numbers and some are texts, such "
                f"as {shortened(text)}; write all alike"
            )
        known = set(names)
        owners = [one.image_id if what == "image" else one.category_id for one in self._all]
        for owner in set(owners) - known:
            if hint := other_spelling(owner, known):
                name = shortened(self._all[owners.index(owner)].id)
                raise UserError(
                    f"{self.path}: object {name} has {what}_id {shortened(owner)}, of which the "
                    f"file has no {what}{hint}"
                )
        kept = names if only is None else known.intersection(only)
        return {name: number for number, name in enumerate(sorted(kept), 1)}

    def _refuse_objects(self) -> None:
        """Refuse numbers of objects with which pycocotools scores nothing, or something else."""
        ids = [one.id for one in self._all]
        if None in ids:
            raise UserError(
                f"{self.path}: object {ids.index(None)} of {len(ids)} has no id, {LACKING}"
            )
        for one in NO_OBJECT:
            if one in ids:
                raise UserError(
                    f"{self.path}: object {ids.index(one)} is numbered 0, which pycocotools takes "
                    "for no object at all; number them from 1"
                )
        refuse_repeated(self.path, ids, "object")

    def _refuse(self, is_bad: Callable[[Any], bool], what: str) -> None:
        """Raise UserError for the first object that is bad, if there is one."""
        bad = [place for place, one in enumerate(self._objects) if is_bad(one)]
        if bad:
            raise UserError(self._said(bad[0], what.format(self._objects[bad[0]]), len(bad)))

    def _refuse_places(self, is_bad: Any, what: str) -> None:
        for place in np.flatnonzero(is_bad)[:1]:
            raise UserError(self._said(int(place), what, int(is_bad.sum())))

    def _said(self, place: int, what: str, count: int) -> str:
        name = shortened(self._objects[place].id)
        return f"{self.path}: object {name} {what} ({count} such object(s))"


def _size(image: Any) -> Size:
    """Return height and width in pixels, 0 where the file does not say them."""
    sides = [
        int(side)
        if isinstance(side, int | float) and math.isfinite(side) and 0 < side < 2**31
        else 0
        for side in (image.height, image.width)
    ]
    return sides[0], sides[1]


def _drawable(
    outline: Polygons | RunLengths | ValueError | None, image_id: Any, size: Size
) -> Polygons | RunLengths:
    """Return an outline that can be drawn in an image of that size.

    Raises:
        ValueError: it cannot; says why.
    """
    if isinstance(outline, ValueError):
        raise outline
    if outline is None:
        raise ValueError(f"has no segmentation, {LACKING}")
    if 0 in size:
        raise ValueError(
            f"is in image {shortened(image_id)}, whose height and width the file does not give: "
            "no mask can be drawn"
        )
    if isinstance(outline, RunLengths) and outline.size != size:
        raise ValueError(
            f"has run lengths of size {list(outline.size)} in an image of {list(size)} "
            "(height, width)"
        )
    return outline
