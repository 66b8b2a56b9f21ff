"""What benchmarks of COCO's form share: each brings its card, whose files say where they are."""

import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from evalsuite.contracts.benchmark import Card, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.data.reading import shortened
from evalsuite.kinds.detection.checks import SizeCheck, refuse_useless_training
from evalsuite.kinds.detection.files import Instances, read_instances
from evalsuite.kinds.detection.shown import showing
from evalsuite.metrics.coco.ap import (
    CocoEvaluation,
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
from evalsuite.records.errors import Remark, UserError
from evalsuite.records.score import Score

DRAWN = "no record has a bbox: box figures are of the boxes around the masks, as loadRes draws them"
AREAS = (
    "--official: pycocotools is given masks without their boxes; with them it takes a mask's area "
    "from its box, which changes the figures by size"
)


@dataclass(kw_only=True)
class DetectionBenchmark:
    """Where things of some classes are, as boxes and as masks.

    Of a split's files on the card the first is its annotation file, the second the folder of its
    images. Where a server scores it, the file holds images and classes alone. A prediction is the
    list of an image's records as in a COCO result file: `category_id`, `score` and `bbox`,
    `segmentation` (compressed run lengths), or both.
    """

    card: Card
    official_hint: str = "without ground truth only the benchmark's server can score"

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the images of a split in file order, those without an object too.

        The target holds `size` (height, width) and, object by object, `boxes` (x, y, width, height
        in pixels), `categories` (ids), `segmentations` (JSON text: polygons or run lengths),
        `areas` and `crowds` (0 or 1); they are empty where the ground truth is held back.

        Raises:
            UserError: there is no such split, or its file is missing, malformed, or of no use to
                score with; only what is trained on need not be.
        """
        file = self._read(data, split)
        if split != self.card.train_split and not self._is_held_back(split):
            Truth(self._annotations(data, split), file.file)  # before hours of predicting
        folder = self.card.split(split).files[1].path
        for image in file.images:
            path = f"{folder}/{image.file_name}"
            target = _target(image, file.objects[image.id])
            yield Sample(cast(SampleId, image.id), (path,), "", target)

    def split_check(self, data: Path, split: str) -> SizeCheck:
        """Return what holds the images of a split against their annotations.

        Raises:
            UserError: training objects are there without outlines, or of other classes.
        """
        training = self._annotations(data, self.card.train_split)
        if training.is_file():
            source = self.card.split(split).files[0].source
            refuse_useless_training(self._annotations(data, split), training, source)
        return SizeCheck(data)

    def categories(self, data: Path, split: str) -> dict[Any, str]:
        """Return the name of every class by its id, in the order of ids.

        Raises:
            UserError: as `samples`.
        """
        file = self._read(data, split)
        return {one.id: one.title for one in file.categories}

    def any_categories(self, data: Path) -> dict[Any, str]:
        """Return the classes of whichever file is there; all hold the same, the smallest is first.

        Raises:
            UserError: there is none.
        """
        splits = [self.card.eval_split, self.card.train_split, *self.card.splits]
        for split in splits:
            if self._annotations(data, split).is_file():
                return self.categories(data, split)
        path = self._annotations(data, splits[0])
        raise UserError(f"{path}: no such file, nor that of any split; see `evalsuite doctor`")

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Truth:
        """Return the truth of a split; `only` keeps that of some images.

        Raises:
            UserError: the file is missing or malformed, or the ground truth is held back.
        """
        if self._is_held_back(split):
            raise UserError(
                f"{split} of {self.card.title} is held back: write a result file and submit it at "
                f"{self.card.split(split).server}"
            )
        path = self._annotations(data, split)
        if not path.is_file():
            source = self.card.split(split).files[0].source
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
            known = {image.id for image in self._read(data, split).images}
            strange = [id for id in predictions if id not in known]
            if strange:
                raise UserError(
                    f"image {shortened(strange[0])} is not in {split} of {self.card.title} "
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
    ) -> Callable[[Sample], SampleDisplay]:
        """Return what shows an image on a page."""
        return showing(
            predictions, self.categories(data, split), is_held_back=self._is_held_back(split)
        )

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return `nothing`: the box AP of finding nothing at all, which is 0."""
        if self._is_held_back(split):
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
        if self._is_held_back(split):
            return None
        truth, detections = self.references(data, split), detections_of(found)
        masks = detections.of("mask")
        if masks.boxes is not None and masks.masks is not None and not masks.is_empty:
            warnings.warn(AREAS, Remark, stacklevel=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Remark)  # ours have said it
            kinds = _evaluated(detections, truth)
        return [one for kind in kinds for one in official_ap(detections.of(kind), truth, kind)]

    def _annotations(self, data: Path, split: str) -> Path:
        """Return the annotation file of a split."""
        return data / self.card.split(split).files[0].path

    def _read(self, data: Path, split: str) -> Instances:
        """Return what the annotation file of a split holds."""
        return read_instances(
            self._annotations(data, split), self.card.split(split).files[0].source
        )

    def _is_held_back(self, split: str) -> bool:
        """Return whether the ground truth of a split is with a server."""
        return self.card.split(split).server is not None


def _evaluated(found: Detections, truth: Truth) -> dict[Kind, CocoEvaluation]:
    """Return the evaluation of each kind that can be scored; says which cannot, and why.

    Raises:
        UserError: none can.
    """
    evaluated: dict[Kind, CocoEvaluation] = {}
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


def _target(image: Image, objects: list[Object]) -> dict[str, Any]:
    return {
        "size": [image.height, image.width],
        "boxes": [list(one.bbox or ()) for one in objects],
        "categories": [one.category_id for one in objects],
        "segmentations": [bytes(one.segmentation).decode() for one in objects],
        "areas": [one.area or 0.0 for one in objects],
        "crowds": [int(one.iscrowd or 0) for one in objects],
    }
