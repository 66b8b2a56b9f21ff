"""Flickr30K retrieval on Karpathy's split, for `evalsuite tasks`, `doctor` and `score`."""

from pathlib import Path

from evalsuite.contracts.benchmark import Card, Ids, OfficialFile, SampleId, Split
from evalsuite.data.karpathy import DOWNLOAD, CaptionedImage, read_karpathy
from evalsuite.data.names import image_stem
from evalsuite.data.official_json import refuse_repeated
from evalsuite.kinds.retrieval.benchmark import RetrievalBenchmark

SOURCE = "karpathy/dataset_flickr30k.json"
IMAGES = "flickr30k-images"
HOMEPAGE = "https://shannon.cs.illinois.edu/DenotationGraph/"
# Captions: five for each of 29,000, 1,014 and 1,000 images (arXiv:1412.2306).
NUM_TEXTS = {"train": 145_000, "val": 5_070, "test": 5_000}
NUM_KARPATHY_IMAGES = 31_014
LONGEST_NAME = 255  # characters of a file's name
NUM_IMAGES = 31_783  # of the official folder (arXiv:1505.04870); Karpathy's file leaves some out


def captioned_images(data: Path, split: str) -> list[CaptionedImage]:
    """Return the images of a split; an image's id is its file name, a number where it is one.

    Raises:
        UserError: the file is missing or malformed, or two images have one name.
    """
    path = data / SOURCE
    images = [one for one in read_karpathy(path) if one.split == split]
    found = [
        CaptionedImage(_image_id(one.filename), f"{IMAGES}/{one.filename}", one.texts())
        for one in images
    ]
    refuse_repeated(path, (image.id for image in found), "image")
    return found


def _image_id(filename: str) -> SampleId:
    stem = image_stem(filename)
    is_number = stem.isascii() and stem.isdecimal() and len(stem) <= LONGEST_NAME
    return int(stem) if is_number else stem


def _split(name: str) -> Split:
    """Return one split with the files that it needs."""
    return Split(
        num_samples=NUM_TEXTS[name],
        ids=Ids(r"\d+", "0"),  # Karpathy's sentence ids
        files=(
            OfficialFile(
                path=SOURCE,
                what="Karpathy's Flickr30K splits",
                source=DOWNLOAD,
                records=NUM_KARPATHY_IMAGES,
            ),
            OfficialFile(path=IMAGES, what="Flickr30K images", source=HOMEPAGE, records=NUM_IMAGES),
        ),
    )


CARD = Card(
    name="retrieval_flickr30k",
    title="Flickr30K retrieval",
    headline="tr_at_1",
    needs=("image", "text"),
    paper="arXiv:1505.04870",
    homepage=HOMEPAGE,
    data_licence="research use only, on request (captions); the images have their owners' licences",
    train_split="train",
    eval_split="test",
    protocol="embed",
    head_from_pretraining=True,
    hub_task="image-text-retrieval",
    splits={name: _split(name) for name in NUM_TEXTS},
)

BENCHMARK = RetrievalBenchmark(card=CARD, read=captioned_images, source=SOURCE)
