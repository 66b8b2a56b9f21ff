"""COCO captions, the Karpathy splits of COCO and Flickr30k, and nocaps, in their official files."""

import string
from typing import Any

from evalsuite.tinyworld.captions import captions
from evalsuite.tinyworld.files import write_json
from evalsuite.tinyworld.scene import Scene
from evalsuite.tinyworld.world import PIXELS, STREAMS, World, coco_name, image_id, write_image

LICENCES = [
    {
        "url": "https://creativecommons.org/publicdomain/zero/1.0/",
        "id": 1,
        "name": "CC0 1.0 Universal",
    }
]
DATE = "2013-11-14 16:28:13"
SENTENCES_EACH = 10  # ids kept free for an image's captions
# Karpathy's val and test are 5,000 images each of val2014's 40,504; the rest is restval.
KARPATHY_SHARE = 5 / 11
FLICKR_SHARES = {"val": 1 / 14, "test": 1 / 14}
# nocaps: ten captions an image. A domain is a number of things; four are never seen in training.
NOCAPS_CAPTIONS = 10
NOCAPS_DOMAINS = {"in-domain": 2, "near-domain": 3, "out-domain": 4}
# Unlike the others, the official nocaps files name images by their Open Images id (16 hex digits).
NOCAPS_FILES = {"val": "nocaps_val_4500_captions.json", "test": "nocaps_test_image_info.json"}


def info(description: str) -> dict[str, Any]:
    """Return the head of a COCO file."""
    return {
        "description": description,
        "url": "https://cocodataset.org",
        "version": "1.0",
        "year": 2014,
        "contributor": "evalsuite tiny world",
        "date_created": "2017/09/01",
    }


def image_record(name: str, number: int, pixels: int) -> dict[str, Any]:
    """Return an image's entry of an official COCO file."""
    file_name = coco_name(name, number)
    return {
        "license": 1,
        "file_name": file_name,
        "coco_url": f"http://images.cocodataset.org/{name}/{file_name}",
        "height": pixels,
        "width": pixels,
        "date_captured": DATE,
        "id": number,
    }


def write_captions(world: World, name: str) -> None:
    """Write `coco/annotations/captions_<name>.json`."""
    images, annotations = [], []
    for number, one in world.scenes(name):
        images.append(image_record(name, number, PIXELS))
        annotations += [
            {"image_id": number, "id": sentence["sentid"], "caption": sentence["raw"]}
            for sentence in _sentences(one, number, 0)
        ]
    content = {"info": info(f"Tiny world {name}"), "images": images, "licenses": LICENCES}
    content["annotations"] = annotations
    write_json(world.folder / f"coco/annotations/captions_{name}.json", content)


def write_karpathy_coco(world: World) -> None:
    """Write `karpathy/dataset_coco.json` over train2014 and val2014."""
    images: list[dict[str, Any]] = []
    for name in ("train2014", "val2014"):
        count = world.counts[name]
        for index, (number, one) in enumerate(world.scenes(name)):
            sentences = _sentences(one, number, len(images))
            images.append(
                {
                    "filepath": name,
                    "sentids": [sentence["sentid"] for sentence in sentences],
                    "filename": coco_name(name, number),
                    "imgid": len(images),
                    "split": "train" if name == "train2014" else _val_split(index, count),
                    "sentences": sentences,
                    "cocoid": number,
                }
            )
    path = world.folder / "karpathy/dataset_coco.json"
    write_json(path, {"images": images, "dataset": "coco"})


def write_flickr(world: World) -> None:
    """Draw `flickr30k-images/`."""
    folder = world.folder / "flickr30k-images"
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in world.scenes("flickr30k"):
        write_image(folder / f"{number}.jpg", one)


def write_karpathy_flickr(world: World) -> None:
    """Write `karpathy/dataset_flickr30k.json`."""
    count = world.counts["flickr30k"]
    val, test = (round(count * FLICKR_SHARES[split]) for split in ("val", "test"))
    images = []
    for index, (number, one) in enumerate(world.scenes("flickr30k")):
        sentences = _sentences(one, number, index)
        images.append(
            {
                "sentids": [sentence["sentid"] for sentence in sentences],
                "imgid": index,
                "sentences": sentences,
                "split": "val" if index < val else "test" if index < val + test else "train",
                "filename": f"{number}.jpg",
            }
        )
    path = world.folder / "karpathy/dataset_flickr30k.json"
    write_json(path, {"images": images, "dataset": "flickr30k"})


def write_nocaps(world: World) -> None:
    """Write `nocaps/`: images and files of val (with captions and domains) and test (without)."""
    for split, file_name in NOCAPS_FILES.items():
        folder = world.folder / "nocaps" / split
        folder.mkdir(parents=True, exist_ok=True)
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        name = f"nocaps {split}"
        for index in range(world.counts[name]):
            domain = tuple(NOCAPS_DOMAINS)[index % len(NOCAPS_DOMAINS)]
            one = world.scene(name, index, things=NOCAPS_DOMAINS[domain])
            record = _nocaps_image(name, index)
            write_image(folder / record["file_name"], one)
            images.append({**record, "domain": domain} if split == "val" else record)
            texts = captions(one, NOCAPS_CAPTIONS) if split == "val" else []
            annotations += [
                {"image_id": index, "id": len(annotations) + place, "caption": text}
                for place, text in enumerate(texts)
            ]
        content = {"info": info(f"Tiny world nocaps {split}"), "licenses": LICENCES}
        content["images"] = images
        if split == "val":
            content["annotations"] = annotations
        write_json(world.folder / "nocaps" / file_name, content)


def _nocaps_image(name: str, index: int) -> dict[str, Any]:
    """Return an image's entry of an official nocaps file; ids count from 0."""
    open_images_id = f"{(STREAMS[name] << 40) + image_id(name, index):016x}"
    return {
        "license": 1,
        "file_name": f"{open_images_id}.jpg",
        "coco_url": f"https://s3.amazonaws.com/nocaps/{name.split()[1]}/{open_images_id}.jpg",
        "height": PIXELS,
        "width": PIXELS,
        "date_captured": DATE,
        "open_images_id": open_images_id,
        "id": index,
    }


def _val_split(index: int, count: int) -> str:
    """Return the Karpathy split of an image of val2014: val, test, then restval."""
    part = round(count * KARPATHY_SHARE)
    return "val" if index < part else "test" if index < 2 * part else "restval"


def _sentences(one: Scene, number: int, imgid: int) -> list[dict[str, Any]]:
    """Return an image's captions in Karpathy's form; ids are the same in every file."""
    return [
        {
            "tokens": text.lower().translate(NO_MARKS).split(),
            "raw": text,
            "imgid": imgid,
            "sentid": number * SENTENCES_EACH + place,
        }
        for place, text in enumerate(captions(one))
    ]


NO_MARKS = str.maketrans("", "", string.punctuation)
