"""The facts of nocaps: splits, their official files and sizes."""

from evalsuite.benchmark import Card, OfficialFile, Split

SOURCE = "https://nocaps.org/download"
PATHS = {
    "val": "nocaps/nocaps_val_4500_captions.json",
    "test": "nocaps/nocaps_test_image_info.json",
}
NUM_IMAGES = {"val": 4_500, "test": 10_600}  # Agrawal et al. 2019, section 3
SERVER = "EvalAI, https://eval.ai/web/challenges/challenge-page/355"
KARPATHY_PATH = "karpathy/dataset_coco.json"
KARPATHY_SOURCE = "https://cs.stanford.edu/people/karpathy/deepimagesent/caption_datasets.zip"
COCO_SOURCE = "https://cocodataset.org/#download"
# nocaps has no training captions of its own; models learn from COCO's (BEiT-3: the sentences of
# Karpathy's train and restval).
NUM_TRAIN_SENTENCES = 566_747
NUM_KARPATHY_IMAGES = 123_287
NUM_COCO_IMAGES = {"train2014": 82_783, "val2014": 40_504}


def _split(name: str) -> Split:
    """Return val or test."""
    return Split(
        num_samples=NUM_IMAGES[name],
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


TRAIN = Split(
    num_samples=NUM_TRAIN_SENTENCES,
    files=(
        OfficialFile(
            path=KARPATHY_PATH,
            what="Karpathy's splits of COCO with all captions, images",
            source=KARPATHY_SOURCE,
            records=NUM_KARPATHY_IMAGES,
        ),
        *(
            OfficialFile(
                path=f"coco/{name}",
                what=f"COCO images of {name}",
                source=COCO_SOURCE,
                records=records,
            )
            for name, records in NUM_COCO_IMAGES.items()
        ),
    ),
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
    hub_task="image-to-text",
    splits={"train": TRAIN, "val": _split("val"), "test": _split("test")},
)
