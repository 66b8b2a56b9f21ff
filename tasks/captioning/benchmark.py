"""COCO captioning for `evalsuite tasks`, `doctor` and `score`: official files in, scores out."""

from dataclasses import replace
from pathlib import Path

from evalsuite.contracts.benchmark import Card, OfficialFile, Split
from evalsuite.data.karpathy import (
    COCO_SOURCE,
    NUM_COCO_IMAGES,
    CaptionedImage,
    coco_images,
    coco_split,
)
from evalsuite.kinds.captioning.benchmark import CaptionBenchmark
from evalsuite.kinds.captioning.files import read_coco_captions

TEST_PATH = "coco/annotations/image_info_test2014.json"
TEST_WHAT = "COCO test2014 images without captions"
NUM_TEST_IMAGES = 40_775  # cocodataset.org
SERVER = "COCO caption challenge, https://codalab.lisn.upsaclay.fr/competitions/7404"
# The server reads captions_val2014_<model>_results.json first and stops where it is missing:
# https://github.com/cocodataset/cocodataset.github.io/issues/55
ARCHIVE = ("val2014", "test2014")
# Karpathy & Fei-Fei 2015, section 4: 5,000 images each for val and test. Training goes over the
# sentences of train and restval (BEiT-3, BLIP).
NUM_SAMPLES = {"train": 566_747, "val": 5_000, "test": 5_000}


def captioned_images(data: Path, split: str) -> list[CaptionedImage]:
    """Return the images of a split; an id is COCO's.

    Raises:
        UserError: the file is missing or malformed.
    """
    if split == "val2014":
        # Three quarters of them are in Karpathy's training set: captioned for the server alone.
        every = coco_images(data, "every")
        return [one._replace(texts=()) for one in every if "/val2014/" in one.path]
    if split != "test2014":
        return coco_images(data, split)
    images = read_coco_captions(data / TEST_PATH, TEST_WHAT, COCO_SOURCE).images
    return [CaptionedImage(one.id, f"coco/test2014/{one.file_name}", ()) for one in images]


TEST2014 = Split(
    num_samples=NUM_TEST_IMAGES,
    files=(
        OfficialFile(path=TEST_PATH, what=TEST_WHAT, source=COCO_SOURCE, records=NUM_TEST_IMAGES),
        OfficialFile(
            path="coco/test2014",
            what="COCO images of test2014",
            source=COCO_SOURCE,
            records=NUM_TEST_IMAGES,
        ),
    ),
    server=SERVER,
    result_name="captions_test2014_{model}_results.json",  # https://cocodataset.org/#upload
    archive=ARCHIVE,
)
VAL2014 = replace(
    coco_split("val", NUM_COCO_IMAGES["val2014"]),
    server=SERVER,
    result_name="captions_val2014_{model}_results.json",
    archive=ARCHIVE,
)

CARD = Card(
    name="captioning",
    title="COCO captioning",
    headline="cider",
    needs=("causal_text",),
    paper="arXiv:1504.00325",
    homepage="https://cocodataset.org/#captions-2015",
    data_licence="CC BY 4.0 (captions); the images have their Flickr owners' licences",
    train_split="train",
    eval_split="test",
    protocol="generate",
    hub_task="image-to-text",
    splits={
        **{name: coco_split(name, count) for name, count in NUM_SAMPLES.items()},
        "val2014": VAL2014,
        "test2014": TEST2014,
    },
)

BENCHMARK = CaptionBenchmark(card=CARD, read=captioned_images)
