"""COCO captioning for `evalsuite tasks`, `doctor` and `score`: official files in, scores out."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from evalsuite.benchmark import Predictions, Sample, SampleId, Shown
from evalsuite.data.captions import (
    KarpathyImage,
    read_caption_results,
    read_coco_captions,
    read_karpathy,
    write_caption_results,
)
from evalsuite.data.official_json import refuse_repeated
from evalsuite.metrics.caption_ids import (
    CaptionReferences,
    refuse_bad_captions,
    refuse_other_ids,
)
from evalsuite.metrics.captions import caption_scores, paired_cider, shuffled_caption_scores
from evalsuite.metrics.captions_shown import showing
from evalsuite.metrics.official_captions import HINT, is_installed, official_caption_scores
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

from .card import CARD, COCO_SOURCE, KARPATHY_PATH, KARPATHY_SOURCE, TEST_PATH

PARTS = {"train": ("train", "restval"), "val": ("val",), "test": ("test",)}


class Captioning:
    """COCO captioning: an image in, one English sentence out."""

    card = CARD
    official_hint = HINT

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the samples of a split in the order of its file.

        In train a sample is a sentence: its id is the sentence's and `text` the caption. Elsewhere
        it is an image, its id COCO's and `text` empty. The target holds `captions`: what people
        wrote of the image, or the one sentence.

        Raises:
            UserError: there is no such split, or its file is missing or malformed.
        """
        _check_split(split)
        if split == "test2014":
            file = read_coco_captions(data / TEST_PATH, "COCO test2014 images", COCO_SOURCE)
            for one in file.images:
                yield Sample(one.id, (f"coco/test2014/{one.file_name}",), "", {"captions": []})
            return
        for image in _images(data, split):
            paths = (f"coco/{image.filepath}/{image.filename}",)
            if split == "train":
                for sentence in image.sentences:
                    target = {"captions": [sentence.raw]}
                    yield Sample(sentence.sentid, paths, sentence.raw, target)
            else:
                captions = [sentence.raw for sentence in image.sentences]
                yield Sample(image.cocoid, paths, "", {"captions": captions})

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> CaptionReferences:
        """Return the captions of each image of a split.

        Raises:
            UserError: the file is missing or malformed, or the split's captions are held back.
        """
        _check_split(split)
        if split == "test2014":
            raise UserError(
                f"the captions of test2014 are held back; submit to {CARD.splits[split].server}"
            )
        if split == "train":
            raise UserError("train is for training, a sample a sentence; score val or test")
        return CaptionReferences(
            {
                image.cocoid: tuple(sentence.raw for sentence in image.sentences)
                for image in _images(data, split)
                if only is None or image.cocoid in only
            }
        )

    def read_predictions(self, path: Path) -> Predictions:
        """Return the captions of a COCO result file by image id.

        Raises:
            UserError: the file is missing, not of the format, or has an image twice.
        """
        predictions = read_caption_results(path)
        refuse_bad_captions(predictions)
        return predictions

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write a COCO result file; with `data` and `split`, one that the server takes.

        Raises:
            UserError: a caption is no text, or the images are not those of the split.
        """
        refuse_bad_captions(predictions)
        if data is not None and split is not None:
            refuse_other_ids(predictions, [sample.id for sample in self.samples(data, split)])
        write_caption_results(predictions, path)

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return CIDEr, BLEU-1..4, METEOR, ROUGE-L and SPICE, as far as Java is there.

        Raises:
            UserError: an image has no caption or is unknown, or a caption is no text.
        """
        return caption_scores(predictions, references, interval=interval)

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return CIDEr of `first` minus that of `second`, with its 95% interval."""
        return paired_cider(first, second, references)

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], Shown]:
        """Return what shows an image on a page."""
        return showing(predictions, references)

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return what captions that people wrote of other images reach."""
        return shuffled_caption_scores(self.references(data, split, only=only))

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what pycocoevalcap says of a result file; None: see `official_hint`."""
        if not is_installed():
            return None
        captions = read_caption_results(predictions)
        return official_caption_scores(captions, self.references(data, split))


def _check_split(split: str) -> None:
    if split not in CARD.splits:
        raise UserError(f"captioning has no split {split!r}; there are {', '.join(CARD.splits)}")


def _images(data: Path, split: str) -> list[KarpathyImage]:
    """Return the images of one of Karpathy's splits.

    Raises:
        UserError: an image has no COCO id or no caption, or stands there twice.
    """
    path = data / KARPATHY_PATH
    images = [
        image for image in read_karpathy(path, KARPATHY_SOURCE) if image.split in PARTS[split]
    ]
    bad = [image.filename for image in images if image.cocoid < 0 or not image.sentences]
    if bad:
        raise UserError(
            f"{path}: {bad[0]} has no cocoid or no sentence ({len(bad)} such); "
            "is it COCO's file, not Flickr's?"
        )
    refuse_repeated(path, (image.cocoid for image in images), "image")
    return images


BENCHMARK = Captioning()
