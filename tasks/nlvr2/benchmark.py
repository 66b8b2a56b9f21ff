"""NLVR2 for `evalsuite tasks`, `doctor` and `score`: official files in, official scores out."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, cast

from evalsuite.contracts.benchmark import Predictions, Sample, SampleId, Shown
from evalsuite.data.names import image_stem
from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import shortened
from evalsuite.kinds.reasoning.shown import showing
from evalsuite.metrics.bootstrap import share_interval
from evalsuite.metrics.nlvr2 import (
    Nlvr2References,
    nlvr2_scores,
    paired_nlvr2_accuracy,
    right_predictions,
)
from evalsuite.records.errors import Remark, UserError, refuse_unknown_split
from evalsuite.records.files import write_text
from evalsuite.records.score import Score

from . import official
from .card import CARD, NUM_IN_SUBSET, examples_path, image_paths, subset_path
from .files import LABELS, Example, read_examples, read_results


class Nlvr2:
    """NLVR2: one sentence, two photographs, true or false."""

    card = CARD
    official_hint = official.HINT

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the examples of a split in the order of its file: left image, right image.

        The target holds `label`: "True", "False", or empty where it is held back.

        Raises:
            UserError: there is no such split, or its file is missing or malformed.
        """
        for example in _examples(data, split):
            yield Sample(
                id=example.identifier,
                images=image_paths(example.identifier, split, example.directory),
                text=example.sentence,
                target={"label": example.label},
            )

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Nlvr2References:
        """Return the labels of a split, and its balanced and unbalanced part where files are there.

        Raises:
            UserError: a file is missing or malformed, or an example has no label.
        """
        examples = [one for one in _examples(data, split) if only is None or one.identifier in only]
        path = data / examples_path(split)
        unlabelled = [one.identifier for one in examples if one.label.lower() not in LABELS]
        if unlabelled:
            raise UserError(
                f"{path}: {shortened(unlabelled[0])} has no label True or False "
                f"({len(unlabelled)} such); the official files have one in every line"
            )
        subsets = {
            subset: frozenset(
                one.identifier for one in read_examples(data / subset_path(subset, of))
            )
            for subset, of in NUM_IN_SUBSET
            if of == split and (data / subset_path(subset, of)).is_file()
        }
        return Nlvr2References(
            identifiers=[one.identifier for one in examples],
            labels=[one.label for one in examples],
            subsets=subsets,
        )

    def read_predictions(self, path: Path) -> Predictions:
        """Return the labels of an official CSV file of predictions.

        Raises:
            UserError: the file is missing, not of the format, or repeats an identifier.
        """
        return cast(Predictions, read_results(path))

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write the official CSV file; with `data` and `split`, one for exactly their examples.

        Raises:
            UserError: a prediction is not True or False, or the identifiers are not the split's.
        """
        _labels(predictions)
        if data is not None and split is not None:
            references = self.references(data, split)
            missing = [name for name in references.identifiers if name not in predictions]
            if missing:
                raise UserError(
                    f"no prediction for {shortened(missing[0])} ({len(missing)} of "
                    f"{len(references.identifiers)} missing); predict every example of the split"
                )
            _matched(predictions, references)
        write_text(path, "".join(f"{name},{label}\n" for name, label in predictions.items()))

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return accuracy, consistency, and the accuracy of the balanced and unbalanced parts.

        Raises:
            UserError: the identifiers differ, or a prediction is not True or False.
        """
        return nlvr2_scores(_matched(predictions, references), references, interval=interval)

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return the accuracy of `first` minus that of `second`, with its 95% interval."""
        both = (_matched(first, references), _matched(second, references))
        return paired_nlvr2_accuracy(*both, references)

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], Shown]:
        """Return what shows an example on a page."""
        return showing(predictions)

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return what is reached without the images: `majority_label` and `text_only`.

        `text_only` gives the label that the very same sentence has most often in train, and the
        majority label to the others. Both need train's file: without it there are none.

        Raises:
            UserError: a file is malformed.
        """
        train = data / examples_path(CARD.train_split)
        if not train.is_file():
            warnings.warn(f"{train}: not found; the baselines are left out", Remark, stacklevel=2)
            return []
        overall: Counter[str] = Counter()
        by_sentence: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for example in read_examples(train):
            overall[example.label] += 1
            by_sentence[example.sentence][example.label] += 1
        majority = overall.most_common(1)[0][0] if overall else "True"
        references = self.references(data, split, only=only)
        kept = set(references.identifiers)
        text_only = {
            example.identifier: _usual(by_sentence[example.sentence], majority)
            for example in _examples(data, split)
            if example.identifier in kept
        }
        return [
            _baseline("majority_label", dict.fromkeys(kept, majority), references),
            _baseline("text_only", text_only, references),
        ]

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what the official script says of a CSV file; None: see `official_hint`."""
        checkout = official.official_checkout()
        if checkout is None:
            return None
        examples = data / examples_path(split)
        values = official.official_metrics(checkout, predictions, examples)
        references = self.references(data, split)
        sizes = {
            one.name: one.n for one in self.score(self.read_predictions(predictions), references)
        }
        return [
            Score(name=name, value=100 * value, unit="percent", n=sizes[name])
            for name, value in values.items()
        ]


def _examples(data: Path, split: str) -> list[Example]:
    """Return the examples of a split."""
    refuse_unknown_split("NLVR2", split, CARD.splits)
    return read_examples(data / examples_path(split))


def _labels(predictions: Predictions) -> dict[str, str]:
    """Return the predictions, all of them True or False."""
    bad = [
        name
        for name, label in predictions.items()
        if not isinstance(label, str) or label.lower() not in LABELS
    ]
    if bad:
        raise UserError(
            f"the prediction for {shortened(bad[0])} is {shortened(predictions[bad[0]])} "
            f"({len(bad)} such); expected True or False as text"
        )
    return cast("dict[str, str]", predictions)


def _matched(predictions: Predictions, references: Nlvr2References) -> dict[str, str]:
    """Return the predictions, all of them for examples of the split."""
    known = set(references.identifiers)
    # A name as an image has it is taken too: with a folder or a suffix.
    read = {name: name if name in known else image_stem(str(name)) for name in predictions}
    refuse_repeated(Path("predictions"), read.values(), "example")
    predictions = {read[name]: label for name, label in predictions.items()}
    extra = [name for name in predictions if name not in known]
    if extra:
        raise UserError(
            f"prediction for {shortened(extra[0])}, which is not among the {len(known)} "
            f"examples of the split ({len(extra)} such); is this the split that was predicted?"
        )
    return _labels(predictions)


def _usual(counts: Counter[str], majority: str) -> str:
    """Return the most frequent label of a sentence, the majority's where that is undecided."""
    return max(counts, key=lambda label: (counts[label], label == majority), default=majority)


def _baseline(name: str, said: dict[str, str], references: Nlvr2References) -> Score:
    """Return the accuracy of a baseline under its own name."""
    is_right = right_predictions(said, references)
    low, high = share_interval(is_right)
    return Score(
        name=name,
        value=100 * float(is_right.mean()),
        unit="percent",
        n=len(is_right),
        interval=(100 * low, 100 * high),
    )


BENCHMARK = Nlvr2()
