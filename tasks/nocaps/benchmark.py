"""nocaps for `evalsuite tasks`, `doctor` and `score`: official files in, official scores out."""

from pathlib import Path

from evalsuite.contracts.benchmark import Card, Ids, OfficialFile, Split
from evalsuite.data.karpathy import (
    NUM_COCO_SENTENCES,
    CaptionedImage,
    coco_images,
    coco_split,
)
from evalsuite.kinds.captioning.benchmark import CaptionBenchmark
from evalsuite.kinds.captioning.files import read_coco_captions

SOURCE = "https://nocaps.org/download"
PATHS = {
    "val": "nocaps/nocaps_val_4500_captions.json",
    "test": "nocaps/nocaps_test_image_info.json",
}
NUM_IMAGES = {"val": 4_500, "test": 10_600}  # Agrawal et al. 2019, section 3
SERVER = "EvalAI, https://eval.ai/web/challenges/challenge-page/355"


def captioned_images(data: Path, split: str) -> list[CaptionedImage]:
    """Return the images of val or test with their domains, or COCO's of train.

    Raises:
        UserError: the file is missing or malformed.
    """
    if split == "train":
        return coco_images(data, split)
    file = read_coco_captions(data / PATHS[split], f"nocaps {split} images", SOURCE)
    captions = file.captions_of_images()
    return [
        CaptionedImage(
            one.id, f"nocaps/{split}/{one.file_name}", list(enumerate(captions[one.id])), one.domain
        )
        for one in file.images
    ]


def _split(name: str) -> Split:
    """Return val or test."""
    return Split(
        num_samples=NUM_IMAGES[name],
        ids=Ids(r"\d+", "0"),
        files=(
            OfficialFile(
                path=PATHS[name],
                what=f"nocaps {name} images" + (" and captions" if name == "val" else ""),
                source=SOURCE,
                records=NUM_IMAGES[name],
            ),
            OfficialFile(
                path=f"nocaps/{name}",
                what=f"nocaps images of {name}, from Open Images",
                source=SOURCE,
                records=NUM_IMAGES[name],
            ),
        ),
        server=SERVER if name == "test" else None,
    )


CARD = Card(
    name="nocaps",
    title="nocaps",
    headline="cider",
    needs=("causal_text",),
    paper="arXiv:1812.08658",
    homepage="https://nocaps.org",
    data_licence="CC BY 2.0 (captions); the images are of Open Images, CC BY 2.0",
    train_split="train",
    eval_split="val",
    protocol="generate",
    tuned_regime="transfer",  # learnt from COCO, tested here as it is
    hub_task="image-to-text",
    splits={
        # nocaps has no training captions of its own; models learn from COCO's (BEiT-3: the
        # sentences of Karpathy's train and restval).
        "train": coco_split("train", NUM_COCO_SENTENCES["train"]),
        "val": _split("val"),
        "test": _split("test"),
    },
)

BENCHMARK = CaptionBenchmark(
    card=CARD, read=captioned_images, domains=("in-domain", "near-domain", "out-domain")
)
