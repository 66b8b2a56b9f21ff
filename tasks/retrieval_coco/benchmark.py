"""COCO retrieval on Karpathy's split, for `evalsuite tasks`, `doctor` and `score`."""

from pathlib import Path

from evalsuite.benchmark import Card, OfficialFile, Split
from evalsuite.data.captions import read_karpathy
from evalsuite.metrics.retrieval_benchmark import CaptionedImage, RetrievalBenchmark
from evalsuite.records.errors import UserError

SOURCE = "karpathy/dataset_coco.json"
DOWNLOAD = "https://cs.stanford.edu/people/karpathy/deepimagesent/"
COCO = "https://cocodataset.org/#download"
# Karpathy's names; BEiT-3 fine-tunes on both of train (unilm beit3/datasets.py).
KARPATHY_SPLITS = {"train": ("train", "restval"), "val": ("val",), "test": ("test",)}
# Captions, counted in Karpathy's file: 113,287, 5,000 and 5,000 images.
NUM_TEXTS = {"train": 566_747, "val": 25_010, "test": 25_010}
NUM_IMAGES = {"train2014": 82_783, "val2014": 40_504}  # the COCO page
FOLDERS = {"train": ("train2014", "val2014"), "val": ("val2014",), "test": ("val2014",)}


def captioned_images(data: Path, split: str) -> list[CaptionedImage]:
    """Return the images of a split; an image's id is COCO's, a text's Karpathy's `sentid`.

    Raises:
        UserError: the file is missing or malformed, or an image lacks its COCO id.
    """
    path = data / SOURCE
    images = [one for one in read_karpathy(path, DOWNLOAD) if one.split in KARPATHY_SPLITS[split]]
    without = [one.filename for one in images if one.cocoid < 0]
    if without:
        raise UserError(f"{path}: {without[0]} has no cocoid ({len(without)} such image(s))")
    return [
        CaptionedImage(
            one.cocoid,
            f"coco/{one.filepath}/{one.filename}",
            [(sentence.sentid, sentence.raw) for sentence in one.sentences],
        )
        for one in images
    ]


def _split(name: str) -> Split:
    """Return one split with the files that it needs."""
    file = OfficialFile(
        path=SOURCE,
        what="Karpathy's COCO splits",
        source=DOWNLOAD,
        records=sum(NUM_IMAGES.values()),
    )
    folders = [
        OfficialFile(
            path=f"coco/{folder}",
            what=f"COCO images of {folder}",
            source=COCO,
            records=NUM_IMAGES[folder],
        )
        for folder in FOLDERS[name]
    ]
    return Split(num_samples=NUM_TEXTS[name], files=(file, *folders))


CARD = Card(
    name="retrieval_coco",
    title="COCO retrieval",
    headline="tr_at_1",
    needs=("image", "text"),
    paper="arXiv:1412.2306",
    homepage="https://cocodataset.org",
    data_licence="CC BY 4.0 (captions); the images have their owners' licences",
    train_split="train",
    eval_split="test",
    hub_task="image-text-retrieval",
    splits={name: _split(name) for name in NUM_TEXTS},
)

BENCHMARK = RetrievalBenchmark(card=CARD, read=captioned_images, source=SOURCE)
