"""COCO detection for `evalsuite tasks`, `doctor` and `score`: AP of boxes, of masks, or of both."""

import warnings
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, cast

from evalsuite.contracts.benchmark import Predictions, Sample, SampleId, Shown
from evalsuite.data.reading import shortened
from evalsuite.kinds.detection.checks import SizeCheck, refuse_useless_training
from evalsuite.kinds.detection.files import read_instances
from evalsuite.kinds.detection.shown import showing
from evalsuite.metrics.coco.ap import (
    Evaluated,
    Kind,
    ap_scores,
    class_ap,
    evaluate,
    paired_ap,
)
from evalsuite.metrics.coco.detections import Detections
from evalsuite.metrics.coco.file import Image, Object
from evalsuite.metrics.coco.official import official_ap
from evalsuite.metrics.coco.results import detections_of, read_detections, write_detections
from evalsuite.metrics.coco.truth import Truth
from evalsuite.records.errors import Remark, UserError, refuse_unknown_split
from evalsuite.records.score import Score

from .card import CARD, COCO, FOLDERS, HELD_BACK, annotations_path

DRAWN = "no record has a bbox: box figures are of the boxes around the masks, as loadRes draws them"
AREAS = (
    "--official: pycocotools is given masks without their boxes; with them it takes a mask's area "
    "from its box, which changes the figures by size"
)


class Detection:
    """COCO: where things of eighty classes are, as boxes and as masks.

    A prediction is the list of an image's records as in a COCO result file: `category_id`, `score`
    and `bbox`, `segmentation` (compressed run lengths), or both.
    """

    card = CARD
    official_hint = "test-dev is scored by COCO's evaluation servers only"

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the images of a split in file order, those without an object too.

        The target holds `size` (height, width) and, object by object, `boxes` (x, y, width, height
        in pixels), `categories` (ids), `segmentations` (JSON text: polygons or run lengths),
        `areas` and `crowds` (0 or 1); they are empty where the ground truth is held back.

        Raises:
            UserError: there is no such split, or its file is missing, malformed, or of no use to
                score with; only what is trained on need not be.
        """
        official = data / annotations_path(_known(split))
        file = read_instances(official, COCO)
        if split != CARD.train_split and split not in HELD_BACK:
            Truth(official, file.file)  # before hours of predicting
        for image in file.images:
            path = f"coco/{FOLDERS[split]}/{image.file_name}"
            target = _target(image, file.objects[image.id])
            yield Sample(cast(SampleId, image.id), (path,), "", target)

    def split_check(self, data: Path, split: str) -> SizeCheck:
        """Return what holds the images of a split against their annotations.

        Raises:
            UserError: training objects are there without outlines, or of other classes.
        """
        training = data / annotations_path(CARD.train_split)
        if training.is_file():
            refuse_useless_training(data / annotations_path(_known(split)), training, COCO)
        return SizeCheck(data)

    def categories(self, data: Path, split: str) -> dict[Any, str]:
        """Return the name of every class by its id, in the order of ids.

        Raises:
            UserError: as `samples`.
        """
        file = read_instances(data / annotations_path(_known(split)), COCO)
        return {one.id: one.title for one in file.categories}

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Truth:
        """Return the truth of a split; `only` keeps that of some images.

        Raises:
            UserError: the file is missing or malformed, or the ground truth is held back.
        """
        if _known(split) in HELD_BACK:
            raise UserError(
                f"COCO's {split} is held back: write a result file and submit it at "
                f"{CARD.splits[split].server}"
            )
        path = data / annotations_path(split)
        if not path.is_file():
            source = CARD.splits[split].files[0].source
            raise UserError(f"{path}: no such file; get it from {source}")
        truth = Truth(path)
        return truth if only is None else truth.only(only)

    def read_predictions(self, path: Path) -> Predictions:
        """Return the detections of a COCO result file.

        Raises:
            UserError: the file is missing, torn, not of the format, or holds a bad value.
        """
        return cast(Predictions, read_detections(path))

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write a COCO result file, as the test-dev server takes it.

        With `data` and `split` its images are first checked to be the split's.

        Raises:
            UserError: a record is malformed, or of an image that the split has not.
        """
        if data is not None and split is not None:
            file = read_instances(data / annotations_path(_known(split)), COCO)
            known = {image.id for image in file.images}
            strange = [id for id in predictions if id not in known]
            if strange:
                raise UserError(
                    f"image {shortened(strange[0])} is not in COCO's {split} "
                    f"({len(strange)} such image(s))"
                )
        write_detections(predictions, path)

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return the twelve figures of boxes, of masks, or of both, whatever was predicted.

        Where there are both, a figure of masks follows that of boxes, so that the first few
        scores tell of both. An image without a record has no detections. All are in percent; see
        `ap_scores` for how the intervals are made.

        Raises:
            UserError: an image or class is not in the truth, or a mask is malformed.
        """
        figures = [
            ap_scores(evaluated, references, kind, interval=interval)
            for kind, evaluated in _evaluated(detections_of(predictions), references).items()
        ]
        return [score for together in zip(*figures, strict=True) for score in together]

    def class_scores(self, predictions: Predictions, references: Any) -> list[Score]:
        """Return the AP of every class that has ground truth: `box_ap/person`, `mask_ap/person`."""
        scores: list[Score] = []
        for kind, evaluated in _evaluated(detections_of(predictions), references).items():
            scores += class_ap(evaluated, references, kind)
        return scores

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return the AP of `first` minus that of `second`: of boxes if both have them, or of masks.

        Raises:
            UserError: they have neither in common.
        """
        both = [detections_of(one) for one in (first, second)]
        kinds = [kind for kind in _kinds(both[0]) if all(kind in one.own_kinds for one in both)]
        if not kinds:
            raise UserError("one has boxes and the other masks; expected the same in both")
        evaluated = [evaluate(one, references, kinds[0]) for one in both]
        return paired_ap(evaluated[0], evaluated[1], references, kinds[0])

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], Shown]:
        """Return what shows an image on a page."""
        return showing(predictions, self.categories(data, split), is_held_back=split in HELD_BACK)

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return `nothing`: the box AP of finding nothing at all, which is 0."""
        if split in HELD_BACK:
            return []
        truth = self.references(data, split, only=only)
        empty = cast(Predictions, Detections([], "nothing"))
        nothing = self.score(empty, truth, interval=False)[0]
        return [Score(name="nothing", value=nothing.value, unit="percent", n=nothing.n)]

    def joined(self, first: Predictions, second: Predictions) -> Predictions:
        """Return the boxes of one file with the masks of the other, as mmdetection writes them.

        Raises:
            UserError: they are no such pair.
        """
        return cast(Predictions, detections_of(first).joined(detections_of(second)))

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what pycocotools says of a result file; None: see `official_hint`."""
        return self.official_joined(self.read_predictions(predictions), data, split)

    def official_joined(self, found: Predictions, data: Path, split: str) -> list[Score] | None:
        """Return what pycocotools says of detections, kind by kind; None: see `official_hint`."""
        if _known(split) in HELD_BACK:
            return None
        truth, detections = self.references(data, split), detections_of(found)
        masks = detections.of("mask")
        if masks.boxes is not None and masks.masks is not None and not masks.is_empty:
            warnings.warn(AREAS, Remark, stacklevel=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Remark)  # ours have said it
            kinds = _evaluated(detections, truth)
        return [one for kind in kinds for one in official_ap(detections.of(kind), truth, kind)]


def _evaluated(found: Detections, truth: Truth) -> dict[Kind, Evaluated]:
    """Return the evaluation of each kind that can be scored; says which cannot, and why.

    Raises:
        UserError: none can.
    """
    evaluated: dict[Kind, Evaluated] = {}
    reasons: list[UserError] = []
    for kind in _kinds(found):
        try:
            evaluated[kind] = evaluate(found.of(kind), truth, kind)
        except UserError as error:
            reasons.append(error)
    # Boxes around the masks of a file are no answer to one who asked for its masks.
    if not evaluated or (reasons and found.own_kinds == ("mask",)):
        raise reasons[0]
    left_out = "masks" if "box" in evaluated else "boxes"
    remarks = [f"{reason}: {left_out} are not scored" for reason in reasons]
    if "box" in evaluated and found.has_drawn_boxes and not found.is_empty:
        remarks.append(f"{found.source}: {DRAWN}")
    for remark in dict.fromkeys((found.remark, found.of("mask").remark, *remarks)):
        if remark:
            warnings.warn(remark, Remark, stacklevel=3)
    return evaluated


def _kinds(found: Detections) -> tuple[Kind, ...]:
    return cast("tuple[Kind, ...]", found.kinds)


def _known(split: str) -> str:
    """Return the split."""
    refuse_unknown_split("COCO detection", split, FOLDERS)
    return split


def _target(image: Image, objects: list[Object]) -> dict[str, Any]:
    return {
        "size": [image.height, image.width],
        "boxes": [list(one.bbox or ()) for one in objects],
        "categories": [one.category_id for one in objects],
        "segmentations": [bytes(one.segmentation).decode() for one in objects],
        "areas": [one.area or 0.0 for one in objects],
        "crowds": [int(one.iscrowd or 0) for one in objects],
    }


BENCHMARK = Detection()
