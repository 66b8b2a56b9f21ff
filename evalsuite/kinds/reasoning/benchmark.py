"""What benchmarks of statements about images share: each brings its card and its readers."""

import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from evalsuite.contracts.benchmark import Card, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.data.names import image_stem
from evalsuite.data.official_json import refuse_repeated
from evalsuite.data.reading import shortened
from evalsuite.kinds.reasoning.files import read_results
from evalsuite.kinds.reasoning.shown import showing
from evalsuite.metrics.bootstrap import share_interval
from evalsuite.metrics.nlvr2 import (
    LABELS,
    Nlvr2References,
    nlvr2_scores,
    paired_nlvr2_accuracy,
    right_predictions,
)
from evalsuite.records.errors import Remark, UserError
from evalsuite.records.files import write_text
from evalsuite.records.score import Score


@dataclass(kw_only=True)
class ReasoningBenchmark:
    """A sentence about images that is true or false.

    Of a split's files on the card the first holds its sentences; `read` returns them, each with its
    images and its `label`: "True", "False", or empty where it is held back. `subsets` returns the
    ids of parts that get an accuracy of their own, `official` the metrics of the official script,
    None where it is not to be had.
    """

    card: Card
    read: Callable[[Path, str], list[Sample]]
    subsets: Callable[[Path, str], Mapping[str, frozenset[str]]]
    official: Callable[[Path, Path], Mapping[str, float] | None]
    official_hint: str

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the sentences of a split in the order of its file.

        The target holds `label`: "True", "False", or empty where it is held back.

        Raises:
            UserError: there is no such split, or its file is missing or malformed.
        """
        self.card.split(split)
        yield from self.read(data, split)

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Nlvr2References:
        """Return the labels of a split, and its parts where their files are there.

        Raises:
            UserError: a file is missing or malformed, or an example has no label.
        """
        samples = [one for one in self.samples(data, split) if only is None or one.id in only]
        labels = [str(sample.target["label"]) for sample in samples]
        names = [str(sample.id) for sample in samples]
        unlabelled = [
            name for name, label in zip(names, labels, strict=True) if label.lower() not in LABELS
        ]
        if unlabelled:
            raise UserError(
                f"{self._file(data, split)}: {shortened(unlabelled[0])} has no label True or False "
                f"({len(unlabelled)} such); the official files have one in every line"
            )
        subsets = self.subsets(data, split)
        return Nlvr2References(identifiers=names, labels=labels, subsets=subsets)

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
    ) -> Callable[[Sample], SampleDisplay]:
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
        train = self._file(data, self.card.train_split)
        if not train.is_file():
            warnings.warn(f"{train}: not found; the baselines are left out", Remark, stacklevel=2)
            return []
        overall: Counter[str] = Counter()
        by_sentence: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sample in self.samples(data, self.card.train_split):
            overall[sample.target["label"]] += 1
            by_sentence[sample.text][sample.target["label"]] += 1
        majority = overall.most_common(1)[0][0] if overall else "True"
        references = self.references(data, split, only=only)
        kept = set(references.identifiers)
        text_only = {
            str(sample.id): _usual(by_sentence[sample.text], majority)
            for sample in self.samples(data, split)
            if sample.id in kept
        }
        return [
            _baseline("majority_label", dict.fromkeys(kept, majority), references),
            _baseline("text_only", text_only, references),
        ]

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what the official script says of a CSV file; None: see `official_hint`."""
        values = self.official(predictions, self._file(data, split))
        if values is None:
            return None
        references = self.references(data, split)
        sizes = {
            one.name: one.n for one in self.score(self.read_predictions(predictions), references)
        }
        return [
            Score(name=name, value=100 * value, unit="percent", n=sizes[name])
            for name, value in values.items()
        ]

    def _file(self, data: Path, split: str) -> Path:
        """Return the file of a split's sentences."""
        return data / self.card.split(split).files[0].path


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
