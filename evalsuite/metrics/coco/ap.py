"""COCO average precision and recall of boxes and masks, bit for bit those of pycocotools.

But for masks with a run of length zero, past the first, at one place in truth and result:
pycocotools' rleIou takes two empty runs for the end of both masks (docs/scorers.md).
"""

import math
from collections.abc import Mapping
from itertools import repeat
from typing import Any, Literal, NamedTuple

import hotcoco
import numpy as np
from hotcoco import mask as run_lengths
from numpy.typing import NDArray

from evalsuite.data.names import other_spelling
from evalsuite.data.reading import shortened
from evalsuite.metrics.coco.detections import Detections
from evalsuite.metrics.coco.outlines import NOT_FILLED, RunLengths, drawn, mask_areas
from evalsuite.metrics.coco.results import collection_paused
from evalsuite.metrics.coco.truth import Truth
from evalsuite.metrics.difference import difference
from evalsuite.records.errors import UserError
from evalsuite.records.score import NO_OBJECT, Score

Kind = Literal["box", "mask"]
IOU_TYPE: Mapping[Kind, str] = {"box": "bbox", "mask": "segm"}
FIELD: Mapping[Kind, str] = {"box": "bbox", "mask": "segmentation"}
ANY_AREA, SMALL, MEDIUM, LARGE = range(4)  # pycocotools Params.areaRngLbl
ONE, TEN, HUNDRED = range(3)  # places in pycocotools Params.maxDets
AT_50, AT_75 = 0, 5  # places in pycocotools Params.iouThrs: 0.50, 0.55, ... 0.95

NUM_GROUPS = 20  # of the jackknife: a group's re-count costs a quarter second at 5,000 images
STUDENT_95 = 2.093  # two-sided 95% point of Student's t with 19 degrees of freedom


class Figure(NamedTuple):
    """One of the twelve: where its name, its array and hotcoco's name for it come together."""

    name: str
    array: Literal["precision", "recall"]
    threshold: int | None
    area: int
    most: int
    engine_name: str


FIGURES = (
    Figure("ap", "precision", None, ANY_AREA, HUNDRED, "AP"),
    Figure("ap50", "precision", AT_50, ANY_AREA, HUNDRED, "AP50"),
    Figure("ap75", "precision", AT_75, ANY_AREA, HUNDRED, "AP75"),
    Figure("ap_small", "precision", None, SMALL, HUNDRED, "APs"),
    Figure("ap_medium", "precision", None, MEDIUM, HUNDRED, "APm"),
    Figure("ap_large", "precision", None, LARGE, HUNDRED, "APl"),
    Figure("ar_1", "recall", None, ANY_AREA, ONE, "AR1"),
    Figure("ar_10", "recall", None, ANY_AREA, TEN, "AR10"),
    Figure("ar_100", "recall", None, ANY_AREA, HUNDRED, "AR100"),
    Figure("ar_small", "recall", None, SMALL, HUNDRED, "ARs"),
    Figure("ar_medium", "recall", None, MEDIUM, HUNDRED, "ARm"),
    Figure("ar_large", "recall", None, LARGE, HUNDRED, "ARl"),
)


class CocoEvaluation(NamedTuple):
    """What pycocotools calls `eval`, and the engine that can count again without some images.

    `precision` is thresholds x recalls x classes x areas x maxima, `recall` lacks the recalls;
    -1 where a class has no ground truth.
    """

    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    engine: Any


def evaluate(detections: Detections, truth: Truth, kind: Kind) -> CocoEvaluation:
    """Return every precision and recall entry of a result file's boxes or masks.

    Raises:
        UserError: an image or category id is not in the truth, a mask has not its image's size, or
            an object of the truth has no box (or outline).
    """
    coco = truth.engine(kind)
    columns = np.zeros((len(detections.scores), 7))
    columns[:, 0] = _numbers(detections, "image_id", truth)
    columns[:, 5] = detections.scores
    columns[:, 6] = _numbers(detections, "category_id", truth)
    if kind == "box" and detections.boxes is not None:
        columns[:, 1:5] = detections.boxes
        found = coco.load_res(columns)
    else:
        found = _load_masks(detections, truth, columns, kind)
    if len(found.get_ann_ids()) != len(columns):
        raise AssertionError(f"{detections.source}: hotcoco holds other records than the file")
    engine = hotcoco.COCOeval(coco, found, IOU_TYPE[kind])
    try:
        engine.evaluate()
    except Exception as error:
        raise UserError(f"{truth.path}: {kind}es cannot be evaluated: {error}") from None
    engine.accumulate()
    arrays: dict[str, Any] = engine.eval or {}
    return CocoEvaluation(np.asarray(arrays["precision"]), np.asarray(arrays["recall"]), engine)


def ap_scores(
    evaluated: CocoEvaluation, truth: Truth, kind: Kind, *, interval: bool
) -> list[Score]:
    """Return the twelve figures in percent, `box_ap` (or `mask_ap`) first; -1 without any truth.

    The 95% interval is the value -+ 2.093 standard errors of the delete-a-group jackknife over 20
    random groups of images (Kott 2001, J. Official Statistics 17): AP of resampled images is
    biased upwards, since its precision envelope keeps every lucky stretch, and a percentile
    bootstrap would miss its own value. Fewer than 20 images have no interval.
    """
    left_out = left_out_figures(evaluated, truth) if interval else None
    num_images = truth.num_images
    scores = []
    for figure in FIGURES:
        value = _percent(_mean(_entries(evaluated, figure)))
        bounds = None
        if left_out is not None:
            bounds = jackknife_bounds(value, left_out[figure.name], low=0.0)
        scores.append(
            Score(
                name=f"{kind}_{figure.name}",
                value=value,
                unit="percent",
                n=num_images,
                interval=bounds,
            )
        )
    return scores


def paired_ap(first: CocoEvaluation, second: CocoEvaluation, truth: Truth, kind: Kind) -> Score:
    """Return the AP of `first` minus that of `second` in points, with the jackknife's interval."""
    values = [_percent(_mean(_entries(one, FIGURES[0]))) for one in (first, second)]
    left_out = [left_out_figures(evaluated, truth) for evaluated in (first, second)]
    value, interval = values[0] - values[1], None
    if left_out[0] is not None and left_out[1] is not None:
        without = left_out[0]["ap"] - left_out[1]["ap"]
        interval = jackknife_bounds(value, without, low=-100.0)
    return difference(f"{kind}_ap", value, interval, n=truth.num_images)


def class_ap(evaluated: CocoEvaluation, truth: Truth, kind: Kind) -> list[Score]:
    """Return AP in percent of every class that has ground truth, named `box_ap/<class>`."""
    scores = []
    for place, name in enumerate(truth.class_names.values()):
        value = _mean(evaluated.precision[:, :, place, ANY_AREA, HUNDRED])
        if value >= 0:
            num_images = truth.num_images
            scores.append(
                Score(name=f"{kind}_ap/{name}", value=100 * value, unit="percent", n=num_images)
            )
    return scores


def left_out_figures(
    evaluated: CocoEvaluation, truth: Truth
) -> dict[str, NDArray[np.float64]] | None:
    """Return each figure in percent without each of the 20 groups of images; None below 20 images.

    The groups depend on the number of images alone, so two result files can be compared pairwise.
    """
    num_images = truth.num_images
    if num_images < NUM_GROUPS:
        return None
    numbers = np.arange(1, num_images + 1)
    group = np.random.default_rng(0).permutation(num_images) % NUM_GROUPS
    kept = {str(number): numbers[group != number].tolist() for number in range(NUM_GROUPS)}
    counted = evaluated.engine.slice_by(kept)
    return {
        figure.name: np.array([100 * counted[number][figure.engine_name] for number in kept])
        for figure in FIGURES
    }


def jackknife_bounds(
    value: float, left_out: NDArray[np.float64], *, low: float
) -> tuple[float, float] | None:
    """Return value -+ t standard errors of a delete-a-group jackknife, cut at `low` and 100.

    None where the figure does not exist (no ground truth of that size).
    """
    if value < low or (left_out < low).any():
        return None
    spread = float(((left_out - left_out.mean()) ** 2).sum())
    reach = STUDENT_95 * math.sqrt(spread * (NUM_GROUPS - 1) / NUM_GROUPS)
    return max(low, value - reach), min(100.0, value + reach)


def _entries(evaluated: CocoEvaluation, figure: Figure) -> NDArray[np.float64]:
    """Return the entries that a figure is the mean of, in pycocotools' memory order."""
    array = evaluated.precision if figure.array == "precision" else evaluated.recall
    if figure.threshold is not None:
        array = array[[figure.threshold]]
    return array[..., figure.area, figure.most]


def _percent(mean: float) -> float:
    """Return a mean in percent; -1 for a figure that does not exist, as pycocotools prints it."""
    return mean if mean < 0 else 100 * mean


def _mean(entries: NDArray[np.float64]) -> float:
    """Return the mean of the entries that exist, else `NO_OBJECT` (cocoeval.py, summarize)."""
    existing = entries[entries > -1]
    return float(np.mean(existing)) if existing.size else NO_OBJECT


def _numbers(detections: Detections, key: str, truth: Truth) -> NDArray[np.int64]:
    """Return the engine's number of each detection's image (`image_id`) or class (`category_id`).

    Raises:
        UserError: one is not in the truth.
    """
    column, known = {
        "image_id": (detections.image_ids, truth.image_numbers),
        "category_id": (detections.category_ids, truth.category_numbers),
    }[key]
    names = column.tolist()
    numbers = np.fromiter(map(known.get, names, repeat(0)), np.int64, len(names))
    for place in np.flatnonzero(numbers == 0)[:1]:
        hint = other_spelling(names[place], known)
        what = f"has {key} {shortened(names[place])}, which is not in {truth.path.name}{hint}"
        detections.refuse(numbers == 0, what)
    return numbers


def _load_masks(
    detections: Detections, truth: Truth, columns: NDArray[np.float64], kind: Kind
) -> Any:
    """Return masks, or the boxes around them, as the engine's results, with the mask's own area.

    Boxes of the file are left out: with both, pycocotools' loadRes takes the area from the box,
    which moves AP by size (reference trap D2: small 60.16 -> 62.02).
    """
    sizes = np.array(truth.sizes, dtype=np.int64)[columns[:, 0].astype(np.int64) - 1]
    detections.refuse(
        (sizes == 0).any(1),
        f"has a mask, but {truth.path.name} does not say its image's height and width",
    )
    masks: list[Any] = detections.masks or []
    if set(map(type, masks)) - {RunLengths}:
        masks = [
            one if isinstance(one, RunLengths) else drawn(one, truth.sizes[int(number) - 1])
            for one, number in zip(masks, columns[:, 0], strict=True)
        ]
    areas, totals = mask_areas(masks)
    own_sizes = np.array([mask.size for mask in masks], dtype=np.int64).reshape(-1, 2)
    is_other = (own_sizes != sizes).any(1)
    for place in np.flatnonzero(is_other)[:1]:
        found, wanted = own_sizes[place].tolist(), sizes[place].tolist()
        what = f"has a mask of size {found}, its image has {wanted} (height, width)"
        detections.refuse(is_other, what)
    detections.refuse(totals != own_sizes.prod(1), NOT_FILLED)
    coco = truth.engine(kind)
    with collection_paused():
        strings = [{"size": mask.size, "counts": mask.counts} for mask in masks]
        if kind == "box" and masks:
            columns[:, 1:5] = run_lengths.toBbox(strings)
            results = coco.load_res(columns)
        else:
            results = coco.load_res(columns, segmentation=strings)
    if masks:
        results.update_anns(ids=np.arange(1, len(masks) + 1), area=areas.astype(np.float64))
    return results
