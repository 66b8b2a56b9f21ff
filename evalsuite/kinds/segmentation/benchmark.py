"""What benchmarks of label maps share: each brings its card, and its way to read its classes."""

import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from PIL import Image

from evalsuite.contracts.benchmark import Card, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.data.names import IMAGE_SUFFIXES
from evalsuite.data.reading import shortened
from evalsuite.kinds.segmentation.checks import LabelCheck
from evalsuite.kinds.segmentation.files import (
    Classes,
    LabelMaps,
    files_by_stem,
    read_labels,
    unpacked_labels,
)
from evalsuite.kinds.segmentation.shown import showing
from evalsuite.metrics.miou import (
    Areas,
    Counts,
    areas_of,
    class_iou,
    confusion_counts,
    paired_miou,
    segmentation_scores,
)
from evalsuite.metrics.official_miou import official_miou
from evalsuite.records.errors import Remark, UserError
from evalsuite.records.files import written_whole
from evalsuite.records.score import Score


class Truth(NamedTuple):
    """The true label map of each image, by name, and the classes."""

    paths: dict[str, Path]
    classes: Classes


@dataclass(kw_only=True)
class SegmentationBenchmark:
    """A class for every pixel.

    Of a split's files on the card the first is the folder of its images, the second that of its
    label maps, but where a server holds these. `classes` reads the classes of a data folder;
    without that file they are `num_classes` numbers. A prediction is an image's label map (uint8,
    height x width, labels from 1), the path of its PNG, or what a journal holds: its confusion
    counts, [truth, predicted, pixels] rows, or its PNG packed as text.
    """

    card: Card
    classes: Callable[[Path], Classes]
    num_classes: int
    result_suffix: str = ""  # a folder
    official_hint: str = "without label maps only the benchmark's server can score"

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        """Yield the images of a split by name; the target holds `annotation`, its label map's path.

        Both paths are relative to the data folder; `annotation` is empty where it is held back.

        Raises:
            UserError: there is no such split, its folder is missing, or an image has no label map.
        """
        maps = self._maps(split)
        truth = {} if maps is None else self._files(data / maps, (".png",))
        for name, path in self._images(data, split).items():
            if truth and name not in truth:
                raise UserError(f"{path}: has no label map in {data / str(maps)}")
            annotation = f"{maps}/{truth[name].name}" if truth else ""
            image = f"{self.card.split(split).files[0].path}/{path.name}"
            yield Sample(name, (image,), "", {"annotation": annotation})

    def split_check(self, data: Path, split: str) -> LabelCheck | None:
        """Return what opens the label maps of a split, None where they are held back."""
        if self._maps(split) is None:
            return None
        return LabelCheck(data, len(self.classes(data).names))

    def class_names(self, data: Path) -> list[str]:
        """Return the names of the classes; label k is `class_names[k - 1]`.

        They are numbered, with a warning, where the table of classes is missing or malformed.
        """
        return self._named_or_numbered(data).names

    def references(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> Truth:
        """Return where the true label maps are; `only` keeps those of some images.

        Raises:
            UserError: files are missing, or the ground truth is held back.
        """
        maps = self._maps(split)
        if maps is None:
            raise UserError(
                f"{self.card.title} {split} is held back: write label PNGs and submit them at "
                f"{self.card.split(split).server}"
            )
        paths = self._files(data / maps, (".png",))
        kept = {name: path for name, path in paths.items() if only is None or name in only}
        return Truth(kept, self._named_or_numbered(data))

    def read_predictions(self, path: Path) -> Predictions:
        """Return the label PNGs of a folder, named as the images, labels from 1.

        Raises:
            UserError: there is no such folder, or no PNG in it.
        """
        return cast(Predictions, LabelMaps(path))

    def write_predictions(
        self,
        predictions: Predictions,
        path: Path,
        *,
        data: Path | None = None,
        split: str | None = None,
    ) -> None:
        """Write a folder of label PNGs, as the test server takes them.

        Raises:
            UserError: a prediction is confusion counts, or with `data` and `split` the images are
                not the split's.
        """
        if data is not None and split is not None:
            _refuse_other_names(predictions, self._images(data, split))
        for name in predictions:
            labels = _labels(predictions[name])
            if labels is None:
                raise UserError(
                    f"{name} was journaled as confusion counts, which hold no label map; predict "
                    "again with --set save_maps=true"
                )
            with written_whole(path / f"{name}.png") as temporary:
                Image.fromarray(labels).save(temporary, "PNG")

    def keeps_results(self, predictions: Predictions) -> bool:
        """Return whether label maps were asked for, which otherwise only a test set's run holds."""
        return any(isinstance(one, dict) for one in predictions.values())

    def score(
        self, predictions: Predictions, references: Any, *, interval: bool = True
    ) -> list[Score]:
        """Return `miou`, `macc` and `aacc` in percent.

        Raises:
            UserError: images are missing or unknown, or a map is of another size than its truth or
                has a label out of range.
        """
        areas = _areas(predictions, references)
        _ask_about_zero(areas, references)
        return segmentation_scores(areas, interval=interval)

    def class_scores(self, predictions: Predictions, references: Any) -> list[Score]:
        """Return the IoU of every class that is true or predicted somewhere: `iou/wall`."""
        return class_iou(_areas(predictions, references), references.classes.names)

    def paired(self, first: Predictions, second: Predictions, references: Any) -> Score:
        """Return the mIoU of `first` minus that of `second`, with its 95% interval."""
        areas = _areas(first, references)
        _ask_about_zero(areas, references)
        return paired_miou(areas, _areas(second, references))

    def showing(
        self, predictions: Predictions, references: Any, data: Path, split: str
    ) -> Callable[[Sample], SampleDisplay]:
        """Return what shows an image on a page."""
        return showing(predictions, _labels, data, self.class_names(data))

    def baselines(
        self, data: Path, split: str, *, only: Collection[SampleId] | None = None
    ) -> list[Score]:
        """Return `majority_class`: the mIoU of the most frequent training class on every pixel.

        None where the table that says how frequent the classes are is not there.
        """
        if self._maps(split) is None:
            return []
        truth = self.references(data, split, only=only)
        if not truth.classes.ratios:
            return []
        most = int(np.argmax(truth.classes.ratios)) + 1
        counts = {name: _of_one_class(path, most, truth) for name, path in truth.paths.items()}
        miou = segmentation_scores(_areas(cast(Predictions, counts), truth), interval=True)[0]
        return [replace(miou, name="majority_class")]

    def official_scores(self, predictions: Path, data: Path, split: str) -> list[Score] | None:
        """Return what mmsegmentation says of a folder of label PNGs; None: see `official_hint`.

        Raises:
            UserError: mmsegmentation is not installed, or the images differ from the split's.
        """
        if self._maps(split) is None:
            return None
        truth, maps = self.references(data, split), LabelMaps(predictions)
        _refuse_other_names(cast(Predictions, maps), truth.paths)
        pairs = ((maps[name], read_labels(path)) for name, path in truth.paths.items())
        return official_miou(pairs, len(truth.classes.names))

    def _maps(self, split: str) -> str | None:
        """Return the folder of a split's label maps, None where they are held back."""
        one = self.card.split(split)
        return None if one.server else one.files[1].path

    def _images(self, data: Path, split: str) -> dict[str, Path]:
        """Return the images of a split by name."""
        return self._files(data / self.card.split(split).files[0].path, IMAGE_SUFFIXES)

    def _files(self, folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
        """Return the files of a folder by name without suffix, in the order of names."""
        found = files_by_stem(folder, suffixes)
        if not found:
            wanted = "image" if len(suffixes) > 1 else next(iter(suffixes))
            doctor = f"run `evalsuite doctor {self.card.name}`"
            raise UserError(f"{folder}: holds no {wanted} file; {doctor}")
        return found

    def _named_or_numbered(self, data: Path) -> Classes:
        """Return the classes; numbered, with a warning, where their file is no help.

        A class that is neither true nor predicted leaves every mean, so that a smaller number would
        give the same scores.
        """
        try:
            return self.classes(data)
        except UserError as error:
            found = f"{error}; until then the classes are numbered 1 to {self.num_classes}"
            warnings.warn(found, Remark, stacklevel=2)
            return Classes([f"class {label}" for label in range(1, self.num_classes + 1)], [])


def _areas(predictions: Predictions, truth: Truth) -> Areas:
    """Return every image's areas; of bad maps the first is named, and how many there are."""
    _refuse_other_names(predictions, truth.paths)
    num_classes = len(truth.classes.names)
    counts: list[Counts] = []
    bad: list[str] = []
    for name, path in truth.paths.items():
        try:
            labels = _labels(predictions[name])
            if labels is None:
                counts.append(predictions[name])
            else:
                counts.append(confusion_counts(labels, read_labels(path), num_classes))
        except UserError as error:
            bad.append(f"{name}: {error}")
    if bad:
        raise UserError(f"{bad[0]}; {len(bad)} such image(s)")
    return areas_of(counts, num_classes)


def _ask_about_zero(areas: Areas, truth: Truth) -> None:
    """Warn where every class but the last is true somewhere, and 0 too: labels may count from 0."""
    *others, last = areas.labelled.sum(0).tolist()
    if last or not others or not all(others):
        return
    path = next((path for path in truth.paths.values() if (read_labels(path) == 0).any()), None)
    if path is not None:
        warnings.warn(
            f"{path.parent}: holds the labels 0 to {len(others)}, none of class "
            f"{len(others) + 1}, {truth.classes.names[-1]}; 0 is taken as unlabelled, labels "
            "count from 1; are yours from 0?",
            Remark,
            stacklevel=2,
        )


def _labels(prediction: Any) -> Any:
    """Return the label map of a prediction, None where it is confusion counts."""
    if isinstance(prediction, str | Path):
        return read_labels(Path(prediction))
    if isinstance(prediction, dict):
        return unpacked_labels(prediction)
    return prediction if isinstance(prediction, np.ndarray) else None


def _of_one_class(path: Path, label: int, truth: Truth) -> list[list[int]]:
    """Return the confusion counts of an image as one class: counts are small, maps are not."""
    labels_HW = read_labels(path)
    guess_HW = np.full_like(labels_HW, label)
    rows: list[list[int]] = confusion_counts(guess_HW, labels_HW, len(truth.classes.names)).tolist()
    return rows


def _refuse_other_names(predictions: Predictions, expected: Collection[str]) -> None:
    for what, names in (
        ("has no prediction", [name for name in expected if name not in predictions]),
        ("is not in the split", [name for name in predictions if name not in expected]),
    ):
        if names:
            raise UserError(f"image {shortened(names[0])} {what} ({len(names)} such image(s))")
