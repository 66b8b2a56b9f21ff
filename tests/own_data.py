"""A person's own small data in the official layouts, drawn for tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

ADE = "ADEChallengeData2016"
WIDTH, HEIGHT = 48, 32


def photo(seed: int = 0) -> Image.Image:
    pixels_HWC = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Image.fromarray(pixels_HWC)


def orientation(tag: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = tag
    return exif


def draw_classes(data: Path, names: str = "abcdef", each: int = 2) -> None:
    """Draw an image folder with a class for each letter."""
    for split in ("train", "val"):
        for name in names:
            folder = data / "imagenet" / split / name
            folder.mkdir(parents=True)
            for number in range(each):
                photo(number).save(folder / f"{name}_{split}_{number}.jpg")


def draw_label_maps(data: Path, labels: Callable[[], Image.Image]) -> None:
    """Draw photos of four classes, each with a label map."""
    table = "".join(f"{number}\t0.25\t10\t4\t1\tclass {number}\n" for number in range(1, 5))
    (data / ADE).mkdir(parents=True)
    (data / ADE / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tStuff\tName\n" + table)
    for split in ("training", "validation"):
        for kind in ("images", "annotations"):
            (data / ADE / kind / split).mkdir(parents=True)
        for number in range(3):
            photo(number).save(data / ADE / "images" / split / f"{split}{number}.jpg")
            labels().save(data / ADE / "annotations" / split / f"{split}{number}.png")


def label_map(*labels: int, size: tuple[int, int] = (WIDTH, HEIGHT)) -> Image.Image:
    """Return a map of upright stripes, one for each label."""
    row = np.repeat(np.array(labels, np.uint8), -(-size[0] // len(labels)))[: size[0]]
    return Image.fromarray(np.tile(row, (size[1], 1)))


def draw_objects(data: Path, **changes: Any) -> None:
    """Draw COCO files with an object an image; `changes` are made in every object of val.

    A change to `...` leaves the key out.
    """
    for split in ("train2017", "val2017"):
        (data / "coco" / split).mkdir(parents=True)
        content = coco_file(split, changes)
        for image in content["images"]:
            photo(image["id"]).save(data / "coco" / split / image["file_name"])
        write_coco(data, split, content)


def coco_file(split: str, changes: dict[str, Any]) -> dict[str, Any]:
    box = [4, 4, 20, 16]
    outline = [4, 4, 24, 4, 24, 20, 4, 20]
    one = {"category_id": 1, "bbox": box, "area": 320, "iscrowd": 0, "segmentation": [outline]}
    one = {key: value for key, value in {**one, **changes}.items() if value is not ...}
    numbers = range(1, 4)
    sides = {"width": WIDTH, "height": HEIGHT}
    images = [{"id": id, "file_name": f"{split}_{id}.jpg", **sides} for id in numbers]
    objects = [{"id": id, "image_id": id, **one} for id in numbers]
    categories = [{"id": 1, "name": "bolt"}, {"id": 2, "name": "nut"}]
    return {"images": images, "annotations": objects, "categories": categories}


def coco_path(data: Path, split: str) -> Path:
    return data / "coco" / "annotations" / f"instances_{split}.json"


def write_coco(data: Path, split: str, content: dict[str, Any]) -> None:
    path = coco_path(data, split)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content))
