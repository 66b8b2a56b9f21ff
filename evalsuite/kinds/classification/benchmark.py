"""What the classification benchmarks share: each brings its card and says where its folders are."""

import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from evalsuite.contracts.benchmark import Card, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.data.names import IMAGE_SUFFIXES, image_ids
from evalsuite.data.reading import read_text
from evalsuite.kinds.classification.names import described_places
from evalsuite.kinds.classification.official import official_accuracy
from evalsuite.kinds.classification.results import (
    Labels,
    answers_of,
    read_classification,
    write_classification,
)
from evalsuite.kinds.classification.shown import showing
from evalsuite.metrics.classification import classification_scores, paired_top_1
from evalsuite.records.errors import Remark, UserError
from evalsuite.records.score import Score

# Data folder, split, names of its images and the wnids, to places in these.
MoreLabels = Callable[[Path, str, Sequence[str], Sequence[str]], list[list[int]] | None]


def no_more_labels(
    data: Path, split: str, names: Sequence[str], wnids: Sequence[str]
) -> list[list[int]] | None:
    """Return None: most benchmarks have one label an image."""
    return None


@dataclass(kw_only=True)
class ClassificationBenchmark:
    """One of some classes for an image. A split is a folder below `root`, a class a folder in it.

    A class goes by its folder's name, which in ImageNet is its wnid. A prediction is the list of an
    image's five best classes, best first, as wnids or as numbers in the sorted wnids; or its row of
    logits (evalsuite/kinds/classification/results.py). `names` is a file of a wnid and its names a
    line. `more_labels` returns all labels that a second look gave the images of a split (ReaL),
    None where there are none.
    """

    card: Card
    root: str
    names: str | None = None
    more_labels: MoreLabels = no_more_labels
    official_hint: str = "timm takes logits: give --predictions a .npz file of names and logits"

    def folder(self, data: Path, split: str) -> Path:
        """Return the folder of a split."""
        return data / self.root / split

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the images of a split by class and name.

        Ids are file names without suffix; paths below the split, such as `cat/000`, where images of
        different classes have the same name (evalsuite/data/names.py). The target holds `label`,
        the class's number in the sorted wnids, and `wnid`. Hidden files are left aside; others
        that are not images are counted in a warning.

        Raises:
            UserError: there is no such split, or its folder or that of a class is missing or empty.
        """
        images: list[tuple[str, dict[str, Any]]] = []
        others: list[Path] = []
        for label, wnid in enumerate(self.wnids(data, split)):
            folder = self.folder(data, split) / wnid
            paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
            names = [path.name for path in paths if path.suffix.lower() in IMAGE_SUFFIXES]
            others += [path for path in paths if path.suffix.lower() not in IMAGE_SUFFIXES]
            if not names:  # torchvision's ImageFolder raises as well: it would shift the classes
                raise UserError(
                    f"{folder}: holds no image; expected those of the class {wnid}: fetch them, or "
                    "remove the folder if it is none of the classes"
                )
            target = {"label": label, "wnid": wnid}
            images += [(f"{wnid}/{name}", target) for name in names]
        ids = image_ids([path for path, _ in images])
        for id, (path, target) in zip(ids, images, strict=True):
            yield Sample(id, (f"{self.root}/{split}/{path}",), "", target)
        if others:
            found = f"{len(others)} file(s) that are no images by their suffix are left out"
            wanted = ", ".join(IMAGE_SUFFIXES)
            warnings.warn(f"{others[0]}: {found}; expected {wanted}", Remark, stacklevel=2)

    def split_check(self, data: Path, split: str) -> None:
        """Check that a split has the classes of the training images.

        Raises:
            UserError: one of them lacks a class of the other.
        """
        folders = [self.folder(data, one) for one in (split, self.card.train_split)]
        if not all(folder.is_dir() for folder in folders):
            return
        classes = [set(self.wnids(data, folder.name)) for folder in folders]
        for lacking, having in ((0, 1), (1, 0)):
            if missing := sorted(classes[having] - classes[lacking]):
                raise UserError(
                    f"{folders[lacking]}: has no folder of the class {missing[0]}, which "
                    f"{folders[having].name} has ({len(missing)} such class(es)): classes are "
                    "counted by folders; add its images, or leave the class out of both"
                )

    def wnids(self, data: Path, split: str) -> list[str]:
        """Return the classes' wnids in order of their numbers.

        Folders that are all named by numbers stand in the order of these, as in timm, not in that
        of text, as in torchvision.

        Raises:
            UserError: there is no such split, or its folder is missing or empty.
        """
        source, folder = self.card.split(split).files[0].source, self.folder(data, split)
        found = sorted(one.name for one in folder.glob("*") if one.is_dir())
        if not found:
            raise UserError(
                f"{folder}: holds no folder; expected one a class, named by its wnid, from {source}"
            )
        is_numbered = all(name.isdecimal() for name in found)
        return sorted(found, key=lambda name: (int(name), name)) if is_numbered else found

    def class_names(self, data: Path) -> dict[str, str]:
        """Return the names of the classes by wnid; empty where the file of names is not there."""
        if self.names is None or not (path := data / self.names).is_file():
            return {}
        try:
            lines = read_text(path, "a wnid and its names a line").splitlines()
        except UserError as error:  # it is optional: wnids and scores stand without it
            warnings.warn(f"{error}; classes go by their wnids", Remark, stacklevel=2)
            return {}
        return {wnid: names.strip() for wnid, _, names in (line.partition(" ") for line in lines)}

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Labels:
        """Return the label of every image, and all its labels where there are more.

        Raises:
            UserError: files are missing or malformed.
        """
        samples = [one for one in self.samples(data, split) if only is None or one.id in only]
        names = [str(sample.id) for sample in samples]
        labels = np.array([sample.target["label"] for sample in samples], dtype=np.int64)
        wnids = self.wnids(data, split)
        more = self.more_labels(data, split, names, wnids)
        return Labels(names, labels, wnids, more, described_places(self.class_names(data), wnids))

    def read_predictions(self, path: Path) -> Predictions:
        """Return logits or best classes by image: evalsuite/kinds/classification/results.py.

        Raises:
            UserError: the file is missing, torn, of another form, or names an image twice.
        """
        return cast(Predictions, read_classification(path))

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write best classes as JSON, logits as an archive."""
        write_classification(predictions, path)

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return `top_1`, `top_5` and, with ReaL labels, `real`, in percent.

        Raises:
            UserError: images are missing or unknown, or a class or logit is malformed.
        """
        answers = answers_of(predictions, references)
        return classification_scores(answers, references.real, interval=interval)

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return the top-1 accuracy of `first` minus that of `second`, with its 95% interval."""
        return paired_top_1(answers_of(first, references), answers_of(second, references))

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], SampleDisplay]:
        """Return what shows an image on a page."""
        return showing(predictions, self.wnids(data, split), self.class_names(data))

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return `chance`: the top-1 accuracy of a class drawn at random."""
        truth = self.references(data, split, only=only)
        value = 100 / len(truth.wnids)
        return [Score(name="chance", value=value, unit="percent", n=len(truth.names))]

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what timm says of a file of logits; None: see `official_hint`.

        Raises:
            UserError: timm is not installed, or images are missing or unknown.
        """
        if predictions.suffix != ".npz":
            return None
        return official_accuracy(read_classification(predictions), self.references(data, split))
