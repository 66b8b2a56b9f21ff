"""What the COCO benchmarks share: made objects with noisy detections, and both engines."""

import contextlib
import io
import json
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from evalsuite.tasks.detection.benchmark import BENCHMARK
from harness import Bench, Engine, Floor
from numpy.typing import NDArray
from pycocotools import mask as official_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evalsuite.metrics.coco.ap import IOU_TYPE, Kind, ap_scores, evaluate
from evalsuite.metrics.coco.outlines import RunLengths, mask_areas
from evalsuite.metrics.coco.results import detections_of

TRUTH = "coco/annotations/instances_val2017.json"
RESULTS = {"box": "boxes.json", "mask": "masks.json"}
Json = dict[str, Any]

NUM_IMAGES = 5000
DETECTIONS_PER_IMAGE = 100
NUM_CATEGORIES = 80
HEIGHT, WIDTH = 480, 640
VERTICES = 24  # of a made outline: RLE strings of about 170 bytes, as of real masks


def coco_bench(kind: Kind, *, speed: float) -> Bench:
    """Return the benchmark of box or mask AP; `speed` is the floor of ours."""
    file = RESULTS[kind]
    scorers = {
        "official": (_warm_official, partial(_official_scores, file=file, kind=kind)),
        "ours": (_warm_ours, partial(_our_scores, file=file, kind=kind)),
        "ours, with intervals": (_warm_ours, partial(_our_scores_with_interval, file=file)),
    }
    return Bench(
        name=Path(f"coco_{file}").stem,
        title=f"COCO {kind} AP",
        size="5,000 images x 100 detections",
        make_inputs=_make_inputs,
        engines={
            name: Engine(warm=warm, load=lambda folder: folder, score=score)
            for name, (warm, score) in scorers.items()
        },
        floors={"ours": Floor(speed, 0.5), "ours, with intervals": Floor(None, None)},
        inputs="coco",
    )


def _official_scores(folder: Path, file: str, kind: Kind) -> Json:
    """Return pycocotools' figures in percent, and a check sum of all precisions and recalls."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(folder / TRUTH))
        evaluation = COCOeval(truth, truth.loadRes(str(folder / file)), IOU_TYPE[kind])
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    figures = [100 * float(value) for value in evaluation.stats]  # all exist in these inputs
    return _comparable(figures, evaluation.eval["precision"], evaluation.eval["recall"])


def _our_scores(folder: Path, file: str, kind: Kind) -> Json:
    """Return the same of ours."""
    truth = BENCHMARK.references(folder, "val")
    found = detections_of(BENCHMARK.read_predictions(folder / file))
    evaluated = evaluate(found, truth, kind)
    figures = [score.value for score in ap_scores(evaluated, truth, kind, interval=False)]
    return _comparable(figures, evaluated.precision, evaluated.recall)


def _our_scores_with_interval(folder: Path, file: str) -> Json:
    """Return our figures, made with the intervals that the command line gives by default."""
    truth = BENCHMARK.references(folder, "val")
    scores = BENCHMARK.score(BENCHMARK.read_predictions(folder / file), truth)
    return {"figures": [score.value for score in scores]}


def _warm_ours() -> None:
    """Load our compiled code, on one mask."""
    mask_areas([RunLengths((1, 1), "01")])


def _warm_official() -> None:
    """Do nothing: pycocotools has no code to load but its imports."""


def _comparable(
    figures: list[float], precision: NDArray[np.float64], recall: NDArray[np.float64]
) -> Json:
    entries = [zlib.crc32(np.ascontiguousarray(array).data) for array in (precision, recall)]
    return {"figures": figures, "entries": entries}


def _make_inputs(folder: Path, seed: int) -> None:
    """Write instances_val2017.json, boxes.json and masks.json: made objects, jittered and noisy."""
    generator = np.random.default_rng(seed)
    images: list[Json] = []
    annotations: list[Json] = []
    boxes: list[Json] = []
    masks: list[Json] = []
    for image_id in range(1, NUM_IMAGES + 1):
        images.append(
            {"id": image_id, "height": HEIGHT, "width": WIDTH, "file_name": f"{image_id:012d}.jpg"}
        )
        truth = _objects(generator, generator.poisson(7.96))  # 39,791 objects, as in the real file
        annotations += [
            _annotation(generator, image_id, outline, category, len(annotations) + place)
            for place, (outline, category) in enumerate(truth)
        ]
        for outline, category, score in _detections(generator, truth):
            record = {"image_id": image_id, "category_id": category}
            low, high = outline.min(0), outline.max(0)
            box = [round(float(value), 2) for value in (*low, *(high - low))]
            rle = official_mask.frPyObjects([outline.ravel().tolist()], HEIGHT, WIDTH)[0]
            segmentation = {"size": rle["size"], "counts": rle["counts"].decode()}
            boxes.append({**record, "bbox": box, "score": score})
            masks.append({**record, "segmentation": segmentation, "score": score})
    categories = [
        {"id": number, "name": f"class {number}"} for number in range(1, NUM_CATEGORIES + 1)
    ]
    truth_file = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "coco" / "annotations").mkdir(parents=True, exist_ok=True)
    _write(folder / TRUTH, truth_file)
    _write(folder / RESULTS["box"], boxes)
    _write(folder / RESULTS["mask"], masks)


def _objects(generator: np.random.Generator, count: int) -> list[tuple[NDArray[np.float64], int]]:
    """Return outlines (vertices x 2, pixels) of random ellipses with rough edges, and classes."""
    made = []
    for _ in range(count):
        size = np.exp(generator.uniform(np.log(10), np.log(250), 2))
        centre = generator.uniform((0, 0), (WIDTH, HEIGHT))
        made.append(
            (_outline(generator, centre, size), int(generator.integers(1, NUM_CATEGORIES + 1)))
        )
    return made


def _outline(
    generator: np.random.Generator, centre: NDArray[np.float64], size: NDArray[np.float64]
) -> NDArray[np.float64]:
    angles = np.linspace(0, 2 * np.pi, VERTICES, endpoint=False)
    radius = generator.uniform(0.4, 0.5, VERTICES)
    points = centre + np.stack([np.cos(angles), np.sin(angles)], 1) * radius[:, None] * size
    clipped: NDArray[np.float64] = np.clip(points, 0, (WIDTH, HEIGHT)).round(2)
    return clipped


def _annotation(
    generator: np.random.Generator,
    image_id: int,
    outline: NDArray[np.float64],
    category: int,
    number: int,
) -> Json:
    """Return one ground truth record; one in eighty is a crowd, as in the real file."""
    polygon = [outline.ravel().tolist()]
    rle = official_mask.frPyObjects(polygon, HEIGHT, WIDTH)[0]
    low, high = outline.min(0), outline.max(0)
    crowd = bool(generator.random() < 1 / 80)
    return {
        "id": number + 1,
        "image_id": image_id,
        "category_id": category,
        "iscrowd": int(crowd),
        "area": float(official_mask.area(rle)),
        "bbox": [round(float(value), 2) for value in (*low, *(high - low))],
        "segmentation": {"size": rle["size"], "counts": rle["counts"].decode()}
        if crowd
        else polygon,
    }


def _detections(
    generator: np.random.Generator, truth: list[tuple[NDArray[np.float64], int]]
) -> list[tuple[NDArray[np.float64], int, float]]:
    """Return a hundred outlines with class and score: jittered objects, near misses and noise."""
    made = []
    for outline, category in truth:
        for _ in range(1 + generator.poisson(2)):
            jitter = generator.normal(0, 0.06, 2) * (outline.max(0) - outline.min(0))
            shown = (
                category
                if generator.random() < 0.9
                else int(generator.integers(1, NUM_CATEGORIES + 1))
            )
            moved = np.round(np.clip(outline + jitter, 0, (WIDTH, HEIGHT)), 2)
            made.append((moved, shown, float(np.float32(generator.beta(4, 2)))))
    made = made[:DETECTIONS_PER_IMAGE]
    noise = _objects(generator, DETECTIONS_PER_IMAGE - len(made))
    made += [
        (outline, category, float(np.float32(generator.beta(1, 6)))) for outline, category in noise
    ]
    return [made[place] for place in generator.permutation(len(made))]


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))
