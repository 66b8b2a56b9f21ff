"""COCO box and mask AP: 5,000 images with 100 detections each, result files on disk to scores."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as official_mask

NUM_IMAGES = 5000
DETECTIONS_PER_IMAGE = 100
NUM_CATEGORIES = 80
HEIGHT, WIDTH = 480, 640
Json = dict[str, Any]
VERTICES = 24  # of a made outline: RLE strings of about 170 bytes, as of real masks


def make_inputs(folder: Path, seed: int) -> None:
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
    _write(folder / "coco" / "annotations" / "instances_val2017.json", truth_file)
    _write(folder / "boxes.json", boxes)
    _write(folder / "masks.json", masks)


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
