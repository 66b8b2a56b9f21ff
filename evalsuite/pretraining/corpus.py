"""The pretraining corpus: images with captions of COCO's train2014, in Karpathy's split."""

from collections.abc import Iterator
from pathlib import Path
from typing import cast

from evalsuite.contracts.benchmark import Benchmark, Card, Sample, Split
from evalsuite.data.karpathy import COCO_PATH, coco_split, read_karpathy
from evalsuite.records.errors import UserError


class Corpus:
    """Pairs of an image and one of its captions: what the index asks of a benchmark, no more."""

    def __init__(self, card: Card) -> None:
        self.card = card

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the pairs of a split in file order; the id is Karpathy's `sentid`.

        Train is Karpathy's without restval: those images lie in val2014, as those of VQA's val do,
        and a backbone must not have seen what it is judged on. The target is what retrieval's is.

        Raises:
            UserError: the file is missing or malformed, or a train image is not of train2014.
        """
        path = data / COCO_PATH
        for image in read_karpathy(path):
            if image.split != split:
                continue
            if split == "train" and image.filepath != "train2014":
                raise UserError(
                    f"{path}: {image.filename} is in train and in {image.filepath!r}; "
                    "expected train2014 alone, fetch the file again"
                )
            name = f"coco/{image.filepath}/{image.filename}"
            for place, sentence in enumerate(image.sentences):
                target = {"image_id": image.cocoid, "brings_image": place == 0}
                yield Sample(sentence.sentid, (name,), sentence.raw, target)


def _split(name: str, num_texts: int, folder: str) -> Split:
    """Return a split with the files that it needs: Karpathy's file and one folder of images."""
    official = coco_split(name, num_texts)
    kept = [file for file in official.files if file.path in (COCO_PATH, f"coco/{folder}")]
    return Split(num_samples=num_texts, files=tuple(kept))


CARD = Card(
    name="pretraining",
    title="COCO image-text pairs",
    headline="masked_accuracy",
    needs=("image", "text", "fused"),
    paper="arXiv:1504.00325",
    homepage="https://cocodataset.org",
    data_licence="CC BY 4.0 (captions); the images have their owners' licences",
    train_split="train",
    eval_split="val",
    protocol="generate",  # words from their context; no score is made of it
    # Captions, counted in Karpathy's file: 82,783 and 5,000 images.
    splits={
        "train": _split("train", 414_113, "train2014"),
        "val": _split("val", 25_010, "val2014"),
    },
)
CORPUS = cast(Benchmark, Corpus(CARD))
