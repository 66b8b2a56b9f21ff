"""nocaps for `evalsuite tasks`, `doctor` and `score`: official files in, official scores out."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from evalsuite.benchmark import Predictions, Sample, SampleId, Shown
from evalsuite.data.captions import (
    CocoFile,
    read_caption_results,
    read_coco_captions,
    read_karpathy,
    write_caption_results,
)
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

from .card import CARD, KARPATHY_PATH, KARPATHY_SOURCE, PATHS, SOURCE

TRAIN_PARTS = ("train", "restval")
DOMAINS = ("in-domain", "near-domain", "out-domain")


class Nocaps:
    """nocaps: captions of Open Images, whose objects COCO's captions partly lack."""

    card = CARD
    official_hint = HINT

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the images of val or test, or COCO's training sentences, in their file's order.

        The target holds `captions`: ten of an image of val, none where they are held back, or the
        one sentence of train, which is the sample's `text` too.

        Raises:
            UserError: there is no such split, or its file is missing or malformed.
        """
        _check_split(split)
        if split == "train":
            for image in read_karpathy(data / KARPATHY_PATH, KARPATHY_SOURCE):
                if image.split not in TRAIN_PARTS:
                    continue
                paths = (f"coco/{image.filepath}/{image.filename}",)
                for sentence in image.sentences:
                    target = {"captions": [sentence.raw]}
                    yield Sample(sentence.sentid, paths, sentence.raw, target)
            return
        file = _file(data, split)
        captions = file.captions_of_images()
        for one in file.images:
            target = {"captions": captions[one.id]}
            yield Sample(one.id, (f"nocaps/{split}/{one.file_name}",), "", target)

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> CaptionReferences:
        """Return the captions and the domain of each image of val.

        Raises:
            UserError: the file is missing or malformed, an image has no caption or no domain, or
                the captions are held back.
        """
        _check_split(split)
        if split == "test":
            raise UserError(
                f"the captions of nocaps test are held back; submit to {CARD.splits[split].server}"
            )
        if split == "train":
            raise UserError("train is COCO's, a sample a sentence; score val")
        file = _file(data, split)
        captions = file.captions_of_images()
        bad = [one for one in file.images if not captions[one.id] or one.domain not in DOMAINS]
        if bad:
            raise UserError(
                f"{data / PATHS[split]}: image {bad[0].id} has {len(captions[bad[0].id])} captions "
                f"and domain {bad[0].domain!r} ({len(bad)} such); expected captions and one of "
                f"{', '.join(DOMAINS)}"
            )
        kept = [one for one in file.images if only is None or one.id in only]
        domains = {one.id: one.domain for one in kept}
        ordered = sorted(domains.items(), key=lambda item: DOMAINS.index(item[1]))
        return CaptionReferences({one.id: tuple(captions[one.id]) for one in kept}, dict(ordered))

    def read_predictions(self, path: Path) -> Predictions:
        """Return the captions of a result file by image id.

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
        """Write a result file; with `data` and `split`, one that EvalAI takes.

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
        """Return all caption scores, then CIDEr and SPICE of each domain.

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
        raise UserError(f"nocaps has no split {split!r}; there are {', '.join(CARD.splits)}")


def _file(data: Path, split: str) -> CocoFile:
    return read_coco_captions(data / PATHS[split], f"nocaps {split} images", SOURCE)


BENCHMARK = Nocaps()
