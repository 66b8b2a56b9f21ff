"""Karpathy's splits of COCO and Flickr30K, which captioning and retrieval share."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from evalsuite.contracts.benchmark import Ids, OfficialFile, SampleId, Split
from evalsuite.data.official_json import read_records, refuse_repeated
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.records.errors import UserError

DOWNLOAD = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
FORMAT = "Karpathy's splits, an object with a list 'images'"
# Of the unpacked file, as Hugging Face prints it of the dataset cjc/coco, dataset_coco.json; those
# who hash Kaggle's copy, shtvkumar/karpathy-splits, find the same. Of dataset_flickr30k.json two
# digests are printed, and they differ.
COCO_SHA256 = "2fd999220673258012acfb411a4e7e66af7d488050b2519b0badcc49b7600b8d"
COCO_PATH = "karpathy/dataset_coco.json"
COCO_SOURCE = "https://cocodataset.org/#download"
# Karpathy's names; BEiT-3 fine-tunes on both of train (unilm beit3/datasets.py @768a3c8).
COCO_PARTS = {"train": ("train", "restval"), "val": ("val",), "test": ("test",)}
COCO_PARTS["every"] = ("train", "restval", "val", "test")
# Counted in the file: 113,287, 5,000 and 5,000 images, 566,747, 25,010 and 25,010 sentences.
NUM_COCO_SENTENCES = {"train": 566_747, "val": 25_010, "test": 25_010}
NUM_COCO_IMAGES = {"train2014": 82_783, "val2014": 40_504}  # cocodataset.org
COCO_FOLDERS = {"train": ("train2014", "val2014"), "val": ("val2014",), "test": ("val2014",)}


class CaptionedImage(NamedTuple):
    """An image with its texts: `path` relative to the data folder, texts with their ids.

    `domain` stands in nocaps only.
    """

    id: SampleId
    path: str
    texts: Sequence[tuple[SampleId, str]]
    domain: str = ""


class Sentence(msgspec.Struct, gc=False):
    """A caption of Karpathy's file, as its writer typed it."""

    raw: str
    sentid: SampleId


class KarpathyImage(msgspec.Struct, gc=False):
    """An image of Karpathy's file; `split` is train, restval, val or test."""

    filename: str
    split: str
    sentences: list[Sentence]
    filepath: str = ""
    cocoid: SampleId | None = None

    def texts(self) -> list[tuple[SampleId, str]]:
        """Return the captions with their ids."""
        return [(sentence.sentid, sentence.raw) for sentence in self.sentences]


def read_karpathy(path: Path) -> list[KarpathyImage]:
    """Return the images of a file of Karpathy's.

    Raises:
        UserError: the file is missing or not of that format.
    """
    content = read_bytes(path, "Karpathy's splits", DOWNLOAD)
    return read_records(
        path,
        content,
        KarpathyImage,
        FORMAT,
        key="images",
        what="image",
        ids=["cocoid", "sentid"],
    )


def coco_images(data: Path, split: str) -> list[CaptionedImage]:
    """Return COCO's images of train (with restval), val, test or every part; an id is COCO's.

    Raises:
        UserError: the file is missing or malformed, or an image has no COCO id or no sentence, or
            stands there twice.
    """
    path = data / COCO_PATH
    images = [image for image in read_karpathy(path) if image.split in COCO_PARTS[split]]
    bad = [one.filename for one in images if one.cocoid is None or not one.sentences]
    if bad:
        raise UserError(
            f"{path}: {shortened(bad[0])} has no cocoid or no sentence ({len(bad)} such); "
            "is it COCO's file, not Flickr's?"
        )
    found = [
        CaptionedImage(one.cocoid, f"coco/{one.filepath}/{one.filename}", one.texts())
        for one in images
        if one.cocoid is not None
    ]
    refuse_repeated(path, (image.id for image in found), "image")
    return found


def coco_split(name: str, num_samples: int) -> Split:
    """Return train, val or test of COCO with the files that it needs."""
    file = OfficialFile(
        path=COCO_PATH,
        what="Karpathy's splits of COCO with all captions, images",
        source=DOWNLOAD,
        records=sum(NUM_COCO_IMAGES.values()),
        sha256=COCO_SHA256,
    )
    folders = [
        OfficialFile(
            path=f"coco/{folder}",
            what=f"COCO images of {folder}",
            source=COCO_SOURCE,
            records=NUM_COCO_IMAGES[folder],
        )
        for folder in COCO_FOLDERS[name]
    ]
    ids = Ids(r"\d+", "391895")  # of images or sentences, numbers both
    return Split(num_samples=num_samples, files=(file, *folders), ids=ids)
