"""What the captioning benchmarks share: each brings its card and its way to read its files."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalsuite.contracts.benchmark import Card, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.data.karpathy import CaptionedImage
from evalsuite.data.reading import shortened
from evalsuite.kinds.captioning.files import read_caption_results, write_caption_results
from evalsuite.kinds.captioning.shown import showing
from evalsuite.metrics.captions.ids import (
    CaptionReferences,
    refuse_bad_captions,
    refuse_other_ids,
)
from evalsuite.metrics.captions.official import HINT, is_installed, official_caption_scores
from evalsuite.metrics.captions.scores import caption_scores, paired_cider, shuffled_caption_scores
from evalsuite.records.errors import UserError, refuse_unknown_split
from evalsuite.records.score import Score


@dataclass(kw_only=True)
class CaptionBenchmark:
    """An image in, one English sentence out.

    `read` returns a split's images in file order. Where the benchmark has `domains`, each image
    is of one, and each has scores of its own.
    """

    card: Card
    read: Callable[[Path, str], list[CaptionedImage]]
    domains: Sequence[str] = ()
    official_hint: str = HINT

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the samples of a split in the order of its file.

        In train a sample is a sentence: its id is the sentence's and `text` the caption. Elsewhere
        it is an image, its id the image's and `text` empty. The target holds `captions`: what
        people wrote of the image (none where they are held back), or the one sentence.

        Raises:
            UserError: there is no such split, or its file is missing or malformed.
        """
        for image in self._images(data, split):
            if split == self.card.train_split:
                for text_id, text in image.texts:
                    yield Sample(text_id, (image.path,), text, {"captions": [text]})
            else:
                captions = [text for _, text in image.texts]
                yield Sample(image.id, (image.path,), "", {"captions": captions})

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> CaptionReferences:
        """Return the captions of each image of a split, and its domain where there are some.

        Raises:
            UserError: as `samples`, an image has no caption or no domain, or the captions are held
                back.
        """
        title = self.card.title
        images = self._images(data, split)
        server = self.card.splits[split].server
        if server:
            raise UserError(f"the captions of {title} {split} are held back; submit to {server}")
        if split == self.card.train_split:
            raise UserError(
                f"{split} of {title} is for training, a sample a sentence; "
                f"score {self.card.eval_split}"
            )
        for image in images:
            if not image.texts or (self.domains and image.domain not in self.domains):
                wanted = f" and one of {', '.join(self.domains)}" if self.domains else ""
                raise UserError(
                    f"{data / self.card.splits[split].files[0].path}: image {shortened(image.id)} "
                    f"has {len(image.texts)} captions and domain {shortened(image.domain)}; "
                    f"expected captions{wanted}"
                )
        kept = [image for image in images if only is None or image.id in only]
        return CaptionReferences(
            {image.id: tuple(text for _, text in image.texts) for image in kept},
            {image.id: name for name in self.domains for image in kept if image.domain == name},
        )

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
        """Write a result file; with `data` and `split`, one that the server takes.

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

        Where images have domains, CIDEr and SPICE of each follow.

        Raises:
            UserError: an image has no caption or is unknown, or a caption is no text.
        """
        return caption_scores(predictions, references, interval=interval)

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return CIDEr of `first` minus that of `second`, with its 95% interval."""
        return paired_cider(first, second, references)

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], SampleDisplay]:
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

    def _images(self, data: Path, split: str) -> list[CaptionedImage]:
        refuse_unknown_split(self.card.title, split, self.card.splits)
        return self.read(data, split)
