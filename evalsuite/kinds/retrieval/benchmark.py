"""What the retrieval benchmarks share: each brings its card and its way to read its files."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.contracts.benchmark import Card, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.data.karpathy import CaptionedImage
from evalsuite.kinds.retrieval.features import Pool, features_of
from evalsuite.kinds.retrieval.near_ties import count_near_ties
from evalsuite.kinds.retrieval.results import (
    DIRECTIONS,
    ranks_of_predictions,
    read_retrieval,
    write_retrieval,
)
from evalsuite.kinds.retrieval.shown import showing
from evalsuite.metrics.retrieval import (
    FOLD_IMAGES,
    chance_recall,
    fold_recalls,
    paired_recall,
    ranks_of_features,
    recall_scores,
)
from evalsuite.records.errors import UserError, refuse_unknown_split
from evalsuite.records.near_ties import NearTies
from evalsuite.records.score import Score


@dataclass(kw_only=True)
class RetrievalBenchmark:
    """Images and texts of one split, each looked for by the other.

    A sample is a pair of an image and one of its texts, so its id is the text's. `read` returns a
    split's images in file order.
    """

    card: Card
    read: Callable[[Path, str], list[CaptionedImage]]
    source: str
    official_hint: str = (
        "retrieval has no official scorer; the tests compare with BEiT-3's topk rule"
    )

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the pairs of a split in file order.

        The target holds `image_id`, and `brings_image` for the first text of an image: with it
        the image is predicted, once.

        Raises:
            UserError: there is no such split, or its file is missing or malformed.
        """
        for image in self._images(data, split):
            for place, (text_id, text) in enumerate(image.texts):
                target = {"image_id": image.id, "brings_image": place == 0}
                yield Sample(text_id, (image.path,), text, target)

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Pool:
        """Return the pool of a split; `only` keeps some texts and their images.

        An image whose first text is not among them has not been predicted: it is left out with all
        its texts.

        Raises:
            UserError: as `samples`, or nothing is kept.
        """
        image_ids: list[SampleId] = []
        text_ids: list[SampleId] = []
        image_of_text: list[int] = []
        for image in self._images(data, split):
            kept = [id for id, _ in image.texts if only is None or id in only]
            if kept and kept[0] == image.texts[0][0]:
                image_of_text += [len(image_ids)] * len(kept)
                image_ids.append(image.id)
                text_ids += kept
        if not text_ids:
            raise UserError(f"{data / self.source}: {split} has no texts to look for")
        return Pool(Path(self.source).name, image_ids, text_ids, np.array(image_of_text))

    def read_predictions(self, path: Path) -> Predictions:
        """Return a feature archive (.npz) or ranked ids (.json); see results.py.

        Raises:
            UserError: the file is missing or of another form.
        """
        return read_retrieval(path)

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write ranked ids, or a feature archive; a run's features need `data` and `split`.

        Raises:
            UserError: the predictions are a run's and `data` or `split` is not given.
        """
        pool = None if data is None or split is None else self.references(data, split)
        write_retrieval(predictions, path, pool)

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return `tr_at_1` ... `ir_at_10`, `mean_recall` and `mean_r_at_1`.

        Features of a pool of two thousand images or more get the mean over folds of a thousand
        images as well, named `tr_at_1/1k` and so on.

        Raises:
            UserError: ids differ from the references', or a list or feature is malformed.
        """
        owners = references.image_of_text
        if set(predictions) == set(DIRECTIONS):
            ranks = ranks_of_predictions(predictions, references)
            return recall_scores(ranks, owners, interval=interval)
        features = features_of(predictions, references)
        ranks = ranks_of_features(features.images_ID, features.texts_TD, owners)
        scores = recall_scores(ranks, owners, interval=interval)
        if len(references.image_ids) >= 2 * FOLD_IMAGES:
            scores += fold_recalls(features.images_ID, features.texts_TD, owners)
        return scores

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return the `tr_at_1` of `first` minus that of `second`, with its 95% interval."""
        ranks = [ranks_of_predictions(one, references) for one in (first, second)]
        return paired_recall(ranks[0], ranks[1], references.image_of_text)

    def near_ties(self, predictions: Predictions, references: Any, tolerance: float) -> NearTies:
        """Return how many lists, of images and of texts, hit or miss by less than `tolerance`."""
        features = features_of(predictions, references)
        owners = references.image_of_text
        count = count_near_ties(features.images_ID, features.texts_TD, owners, tolerance)
        num_lists = len(references.image_ids) + len(references.text_ids)
        return NearTies(count=count, of=num_lists, tolerance=tolerance)

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], SampleDisplay]:
        """Return what shows a pair on a page."""
        return showing(predictions, references, self.samples(data, split))

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return what a random order reaches on average: `chance/tr_at_1` and so on."""
        return chance_recall(self.references(data, split, only=only).image_of_text)

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return None: see `official_hint`."""
        return None

    def _images(self, data: Path, split: str) -> list[CaptionedImage]:
        refuse_unknown_split(self.card.title, split, self.card.splits)
        return self.read(data, split)
