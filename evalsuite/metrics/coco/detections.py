"""Detections as columns; every bad value is named."""

import contextlib
import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evalsuite.data.names import Id, as_id
from evalsuite.data.reading import shortened
from evalsuite.metrics.coco.outlines import Polygons, RunLengths, shown_outline
from evalsuite.records.errors import UserError


class Record(msgspec.Struct, gc=False, frozen=True):
    """One record of a COCO result file; `bbox` is (x, y, width, height) in pixels."""

    image_id: Id
    category_id: Id
    score: float
    bbox: tuple[float, float, float, float] | None = None
    segmentation: RunLengths | None = None


class OddRecord(NamedTuple):
    """A record that `Record` does not fit: with an outline as people write it.

    `segmentation` is run lengths, polygons, None for none, or why it is neither.
    """

    image_id: int | str
    category_id: int | str
    score: float
    bbox: tuple[float, float, float, float] | None
    segmentation: RunLengths | Polygons | str | None


class Detections(Mapping[int | str, list[dict[str, Any]]]):
    """All detections of a result file, as columns; as a mapping, the records of each image.

    Attributes:
        image_ids, category_ids: one per detection, in the file's order; int64, or objects where
            they are texts or larger.
        scores: float64.
        boxes: float64 N x 4 (x, y, width, height in pixels), None when there are none.
        masks: one `RunLengths`, or polygons, per detection; None when there are none.
        mask_file: the file that holds the masks where this one has boxes alone, else None.
        has_drawn_boxes: whether no record has a box of its own.
        remark: why masks (or boxes) that stand in the file are left aside, or empty.
        source: the file's name, for messages.
    """

    def __init__(self, records: Sequence[Record | OddRecord], source: str) -> None:
        self.source, self.remark = source, ""
        self.mask_file: Detections | None = None
        self.image_ids = self._id_column("image_id", [one.image_id for one in records])
        self.category_ids = self._id_column("category_id", [one.category_id for one in records])
        self.scores = np.array([record.score for record in records], dtype=np.float64)
        self.boxes: NDArray[np.float64] | None = None
        self.masks: list[RunLengths | Polygons] | None = None
        boxes: list[Any] = [one.bbox for one in records]
        masks: list[Any] = [one.segmentation for one in records]
        kinds_of_boxes, kinds_of_masks = set(map(type, boxes)), set(map(type, masks))
        self.has_drawn_boxes = kinds_of_boxes <= {NoneType}
        if NoneType not in kinds_of_boxes:
            flat = np.fromiter(chain.from_iterable(boxes), np.float64, 4 * len(boxes))
            self.boxes = flat.reshape(-1, 4)
        if not kinds_of_masks & {NoneType, str}:
            self.masks = masks
        if self.masks is None and kinds_of_masks != {NoneType}:
            self._note_left_out("segmentation", masks)
        if self.boxes is None and not self.has_drawn_boxes:
            self._note_left_out("bbox", boxes)
        if self.boxes is None and self.masks is None:
            none = f"{source}: no record has a bbox or a segmentation; expected one of them"
            raise UserError(self.remark or none)
        if self.remark:
            left = "masks" if self.masks is None else "boxes"
            self.remark = f"{self.remark}: {left} are not scored"
        self._refuse_bad_values()

    @property
    def kinds(self) -> tuple[str, ...]:
        """What can be scored, `box`, `mask` or both, what the file itself says first.

        Where no record has a box, pycocotools draws them around the masks.
        """
        if self.boxes is not None:
            return ("box",) if self.of("mask").masks is None else ("box", "mask")
        return ("mask", "box") if self.has_drawn_boxes else ("mask",)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was detected."""
        return not self.scores.size

    @property
    def own_kinds(self) -> tuple[str, ...]:
        """What the file itself says: `box`, `mask` or both."""
        return self.kinds if self.boxes is not None else ("mask",)

    def of(self, kind: str) -> "Detections":
        """Return what has the boxes or the masks: this, or the file that was joined to it."""
        return self.mask_file if kind == "mask" and self.mask_file is not None else self

    def joined(self, other: "Detections") -> "Detections":
        """Return this file's boxes with the other's masks, or the reverse, as mmdetection writes.

        Raises:
            UserError: they are no such pair.
        """
        for boxes, masks in ((self, other), (other, self)):
            has_boxes_alone = boxes.boxes is not None and (boxes.masks is None or boxes.is_empty)
            if has_boxes_alone and masks.masks is not None:
                pair = copy.copy(boxes)
                pair.mask_file = masks
                return pair
        raise UserError(
            f"{self.source} and {other.source}: two files are scored together where one holds "
            "boxes alone and the other masks; to compare two models, add --paired"
        )

    def __len__(self) -> int:
        return len(self._places())

    def __iter__(self) -> Iterator[int | str]:
        return iter(self._places())

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._places()

    def __getitem__(self, image_id: int | str) -> list[dict[str, Any]]:
        return [self._record(place) for place in self._places()[image_id]]

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield the records of a COCO result file."""
        for place, image_id in enumerate(self.image_ids.tolist()):
            yield {"image_id": image_id, **self._record(place)}

    def refuse(self, is_bad: ArrayLike, what: str) -> None:
        """Raise UserError for the first record that is bad, if there is one."""
        bad = np.flatnonzero(np.asarray(is_bad))
        if bad.size:
            place = int(bad[0])
            where = f"record {place} (image_id {shortened(str(self.image_ids[place]))})"
            raise UserError(f"{self.source}: {where} {what}; {bad.size} such record(s)")

    def _record(self, place: int) -> dict[str, Any]:
        record: dict[str, Any] = {
            "category_id": self.category_ids[place : place + 1].tolist()[0],
            "score": float(self.scores[place]),
        }
        if self.boxes is not None:
            record["bbox"] = self.boxes[place].tolist()
        if self.masks is not None:
            record["segmentation"] = shown_outline(self.masks[place])
        return record

    def _places(self) -> dict[int | str, list[int]]:
        """Return the places of each image's detections; built once."""
        if not hasattr(self, "_places_of"):
            self._places_of: dict[int | str, list[int]] = {}
            for place, image_id in enumerate(self.image_ids.tolist()):
                self._places_of.setdefault(image_id, []).append(place)
        return self._places_of

    def _id_column(self, key: str, ids: list[Id]) -> NDArray[Any]:
        """Return ids as a column, whole floats as the integers that they equal.

        Raises:
            UserError: names the record whose id is none.
        """
        kinds = set(map(type, ids))
        if float in kinds:
            ids = list(ids)
            for place, one in enumerate(ids):
                try:
                    ids[place] = as_id(one)
                except ValueError as reason:
                    where = f"{self.source}: record {place}"
                    raise UserError(f"{where}: {reason} - at `{key}`") from None
        with contextlib.suppress(OverflowError):
            if str not in kinds:
                return np.array(ids, dtype=np.int64)
        column = np.empty(len(ids), dtype=object)
        column[:] = ids
        return column

    def _note_left_out(self, key: str, values: Sequence[Any]) -> None:
        """Keep the reason why boxes or masks that some records have are left aside."""
        is_bad = [value is None or isinstance(value, str) for value in values]
        first = values[is_bad.index(True)]
        lacks = f"has no {key} while others have one; give it to all or to none"
        try:
            self.refuse(is_bad, first if isinstance(first, str) else lacks)
        except UserError as fault:
            self.remark = self.remark or str(fault)

    def _refuse_bad_values(self) -> None:
        self.refuse(~np.isfinite(self.scores), "has a score that is not a finite number")
        if self.boxes is not None:
            self.refuse(~np.isfinite(self.boxes).all(1), "has a box that is not finite")
            self.refuse((self.boxes[:, 2:] < 0).any(1), "has a box of negative width or height")
