"""COCO's instances files of 2017: boxes, polygons, areas, and crowds as run lengths."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from evalsuite.tinyworld.captioning import LICENCES, image_record, info
from evalsuite.tinyworld.draw import Mask, mask, outline
from evalsuite.tinyworld.files import write_json
from evalsuite.tinyworld.scene import COLOURS, SHAPES, Scene, Thing
from evalsuite.tinyworld.world import DENSE_PIXELS, World, coco_name, write_image

CROWDS = 0.08  # share of scenes that get a crowd; COCO has about one in ten images
# A shape in a colour: of shapes alone every backbone's box AP50 was 99. There is no official 12.
CATEGORY_ID = {
    (shape, colour): place + (place >= 12)
    for place, (shape, colour) in enumerate(product(SHAPES, COLOURS), start=1)
}
CATEGORIES = [
    {
        "supercategory": "curve" if shape == "ring" else "polygon",
        "id": number,
        "name": f"{colour} {shape}",
    }
    for (shape, colour), number in CATEGORY_ID.items()
]
HUNDREDTHS = 100  # of a pixel: what outlines are rounded to
CROWD_ID = 900_000_000_000  # crowds' annotation ids lie apart, as in COCO


def write_dense_images(world: World, name: str) -> None:
    """Draw `coco/<name>` of 2017."""
    folder = world.folder / "coco" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in world.scenes(name, crowds=CROWDS):
        write_image(folder / coco_name(name, number), one, DENSE_PIXELS)


def write_instances(world: World, name: str) -> None:
    """Write `coco/annotations/instances_<name>.json`."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, one in world.scenes(name, crowds=CROWDS):
        images.append(image_record(name, number, DENSE_PIXELS))
        annotations += [_thing(number, place, thing) for place, thing in enumerate(one.things)]
        if one.crowd:
            annotations.append(_crowd(number, one))
    content = {"info": info(f"Tiny world {name}"), "licenses": LICENCES, "images": images}
    content |= {"annotations": annotations, "categories": CATEGORIES}
    write_json(world.folder / f"coco/annotations/instances_{name}.json", content)


def run_lengths(inside: Mask) -> list[int]:
    """Return COCO's uncompressed run lengths: down the columns, beginning with the zeros."""
    flat = inside.ravel(order="F").astype(np.int8)
    edges = np.flatnonzero(np.diff(flat)) + 1
    starts = [0, *edges.tolist(), flat.size]
    runs = np.diff(starts).tolist()
    return [0, *runs] if flat[0] else runs


def _thing(image: int, place: int, thing: Thing) -> dict[str, Any]:
    """Return the official annotation of one thing."""
    polygons = [
        [round(value * DENSE_PIXELS, 2) for point in polygon for value in point]
        for polygon in outline(thing)
    ]
    return {
        "segmentation": polygons,
        "area": sum(_doubled_area(polygon) for polygon in polygons) / 2 / HUNDREDTHS**2,
        "iscrowd": 0,
        "image_id": image,
        "bbox": _box([x for p in polygons for x in p[::2]], [y for p in polygons for y in p[1::2]]),
        "category_id": CATEGORY_ID[thing.shape, thing.colour],
        "id": image * 10 + place,
    }


def _crowd(image: int, one: Scene) -> dict[str, Any]:
    """Return the official annotation of a crowd, whose members are alike."""
    inside = np.any([mask(thing, DENSE_PIXELS) for thing in one.crowd], axis=0)
    rows, columns = np.nonzero(inside)
    box = [int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]
    return {
        "segmentation": {"counts": run_lengths(inside), "size": [DENSE_PIXELS, DENSE_PIXELS]},
        "area": int(inside.sum()),
        "iscrowd": 1,
        "image_id": image,
        "bbox": box,
        "category_id": CATEGORY_ID[one.crowd[0].shape, one.crowd[0].colour],
        "id": CROWD_ID + image,
    }


def _doubled_area(polygon: Sequence[float]) -> int:
    """Return twice a polygon's area by the shoelace formula, in square hundredths of a pixel.

    In whole numbers: the last digit of a float's sum is the processor's own.
    """
    points = [round(value * HUNDREDTHS) for value in polygon]
    corners = list(zip(points[::2], points[1::2], strict=True))
    following = [*corners[1:], corners[0]]
    pairs = zip(corners, following, strict=True)
    return abs(sum(x * next_y - y * next_x for (x, y), (next_x, next_y) in pairs))


def _box(x: list[float], y: list[float]) -> list[float]:
    """Return left, top, width and height."""
    return [round(v, 2) for v in (min(x), min(y), max(x) - min(x), max(y) - min(y))]
