"""Result files of image classification: logits (.npz) or the best classes (.json, .csv, .parquet).

Logits: arrays `names` (N, text) and `logits` (N x classes, floating point); `classes` (text) names
the columns, which otherwise stand in the order of the sorted wnids. Best classes: five of them (or
all, where there are fewer), or the best alone (tables.py); a class is its
wnid or its number in the sorted wnids. An image's name is its id or its file name, as
evalsuite/data/names.py reads it. A journal holds what the JSON file holds.
"""

import contextlib
import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.data.arrays import read_arrays
from evalsuite.data.names import named_images
from evalsuite.data.reading import shortened
from evalsuite.kinds.classification.names import (
    place_of,
    places_by_name,
    places_by_number,
    refuse_unknown_order,
)
from evalsuite.kinds.classification.tables import Class, Line, read_lines
from evalsuite.metrics.classification import TOP, Answers, answers_of_classes, answers_of_logits
from evalsuite.records.errors import Remark, UserError
from evalsuite.records.files import write_text, written_whole

ARCHIVE_FORMAT = "logits (.npz): arrays names (text) and logits (a row a name)"


class Labels(NamedTuple):
    """The true classes of a split: image names and class numbers go together.

    `wnids` are all classes in order of their numbers; `real` the ReaL classes of each image, None
    where that file is not there; `described` the number of a class by its description.
    """

    names: list[str]
    labels: NDArray[np.int64]
    wnids: list[str]
    real: list[list[int]] | None
    described: Mapping[str, int] = {}


class Logits(Mapping[str, NDArray[Any]]):
    """The logits of a result file; as a mapping, the row of each image by its name there.

    `classes` are the wnids of the columns, empty where they stand in the order of the sorted wnids.
    """

    def __init__(
        self,
        source: str,
        names: Sequence[str],
        logits_NC: NDArray[Any],
        classes: Sequence[str] = (),
    ) -> None:
        self.source, self.classes = source, classes
        if logits_NC.ndim != 2 or logits_NC.dtype.kind != "f" or len(names) != len(logits_NC):
            raise UserError(
                f"{source}: {len(names)} names for logits of shape {logits_NC.shape} and type "
                f"{logits_NC.dtype}; expected one row of floating-point numbers a name"
            )
        # Compiled code takes neither half nor extended precision, nor another byte order.
        self.logits_NC: NDArray[np.floating] = logits_NC.astype(
            np.float32 if logits_NC.dtype.itemsize <= 4 else np.float64, copy=False
        )
        _refuse_repeated(source, names)
        self._places = {name: place for place, name in enumerate(names)}
        # A sum is finite only where all its numbers are; no second array of the logits' size.
        bad = np.flatnonzero(~np.isfinite(logits_NC.sum(1, dtype=np.float64)))
        if bad.size:
            first = names[int(bad[0])]
            raise UserError(f"{source}: a logit of {first} is not finite; {bad.size} such image(s)")

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __getitem__(self, name: str) -> NDArray[Any]:
        row: NDArray[Any] = self.logits_NC[self._places[name]]
        return row

    def in_order_of(self, wnids: Sequence[str]) -> "Logits":
        """Return the logits with a column for each of the wnids, in their order.

        Raises:
            UserError: the columns are others, or nobody knows their order.
        """
        if self.logits_NC.shape[1] != len(wnids):
            found = self.logits_NC.shape[1]
            raise UserError(f"{self.source}: logits of {found} classes; expected {len(wnids)}")
        if not self.classes:
            advice = "add an array classes, the folder of each column, or give the best by name"
            refuse_unknown_order(self.source, wnids, advice)
            return self
        column_of = {name: column for column, name in enumerate(self.classes)}
        strange = [name for name in wnids if name not in column_of]
        if strange or len(self.classes) != len(wnids):
            lacks = f"lacks {strange[0]}" if strange else "names one twice"
            raise UserError(
                f"{self.source}: classes {lacks}; expected each of the {len(wnids)} folders once"
            )
        columns = [column_of[name] for name in wnids]
        return Logits(self.source, list(self), self.logits_NC[:, columns], wnids)


class BestClasses(dict[str, list[Class]]):
    """The best classes of each image by its name; `labels` is what the file calls them as well."""

    def __init__(self, source: str, lines: Sequence[Line]) -> None:
        self.source = source
        _refuse_repeated(source, [line.name for line in lines])
        super().__init__((line.name, line.classes) for line in lines)
        self.labels = {line.name: line.labels for line in lines if line.labels}


def read_classification(path: Path) -> Mapping[str, Any]:
    """Return the logits, or the best classes by image name, of a result file.

    Raises:
        UserError: the file is missing, truncated, of another form, or names an image twice.
    """
    if path.suffix.lower() == ".npz":
        return _read_logits(path)
    return BestClasses(str(path), read_lines(path))


def write_classification(predictions: Mapping[Any, Any], path: Path) -> None:
    """Write the best classes as JSON, logits as an archive."""
    if isinstance(predictions, Logits):
        with written_whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, names=np.array(list(predictions)), logits=predictions.logits_NC)
        return
    write_text(path, json.dumps({str(name): list(row) for name, row in predictions.items()}))


def answers_of(predictions: Mapping[Any, Any], truth: Labels) -> Answers:
    """Return the answers of logits, or of best classes by image name, in the truth's order.

    Raises:
        UserError: names differ from the truth's, or a class is unknown, repeated or missing.
    """
    if isinstance(predictions, Logits):
        return _answers_of_logits(predictions, truth)
    source, labels = _source(predictions), {}
    if isinstance(predictions, BestClasses):
        labels = predictions.labels
    by_name = places_by_name(truth.wnids, truth.described)
    places = image_places(predictions, truth)
    if labels and all(place_of(one, by_name) >= 0 for row in labels.values() for one in row):
        predictions = labels  # a name belongs to one class, a number to one of a list of classes
    rows = list(predictions.values())
    in_order = {name: rows[place] for name, place in zip(truth.names, places, strict=True)}
    _refuse_other_rows(source, in_order)
    numbers_NK = _numbers(source, in_order, truth)
    answers = answers_of_classes(numbers_NK, truth.labels)
    if numbers_NK.shape[1] == min(TOP, len(truth.wnids)):
        return answers
    warnings.warn(f"{source}: has one class per image: no top_5", Remark, stacklevel=2)
    return answers._replace(has_five=False)


def image_places(predictions: Mapping[Any, Any], truth: Labels) -> NDArray[np.int64]:
    """Return the place of every image of the truth among the predictions.

    Raises:
        UserError: an image is missing or unknown, comes again, or may be one or another.
    """
    source = _source(predictions)
    try:
        # A journal that somebody has edited may name an image by a number.
        names = named_images([str(name) for name in predictions], truth.names)
    except ValueError as error:
        raise UserError(f"{source}: image {error}") from None
    _refuse_repeated(source, names)
    places = {name: place for place, name in enumerate(names)}
    _refuse_other_names(source, places, truth.names)
    return np.array([places[name] for name in truth.names], dtype=np.int64)


def _refuse_other_rows(source: str, predictions: Mapping[str, Any]) -> None:
    for name, row in predictions.items():
        if not isinstance(row, list | tuple) or not all(isinstance(one, int | str) for one in row):
            raise UserError(f"{source}: {name} has {shortened(row)}; expected a list of classes")


def _source(predictions: Mapping[Any, Any]) -> str:
    """Return where predictions come from, for messages."""
    return predictions.source if isinstance(predictions, Logits | BestClasses) else "predictions"


def _answers_of_logits(predictions: Logits, truth: Labels) -> Answers:
    logits = predictions.in_order_of(truth.wnids)
    places = image_places(logits, truth)
    if (places == np.arange(places.size)).all():
        return answers_of_logits(logits.logits_NC, truth.labels)
    in_file = np.empty_like(truth.labels)
    in_file[places] = truth.labels
    answers = answers_of_logits(logits.logits_NC, in_file)
    return Answers(answers.ranks[places], answers.best[places])


def _read_logits(path: Path) -> Logits:
    arrays = read_arrays(path, ("names", "logits"), ARCHIVE_FORMAT, optional=("classes",))
    classes = _texts(path, arrays, "classes") if "classes" in arrays else []
    return Logits(str(path), _texts(path, arrays, "names"), arrays["logits"], classes)


def _texts(path: Path, arrays: Mapping[str, NDArray[Any]], name: str) -> list[str]:
    array = arrays[name]
    if array.ndim == 1 and array.dtype.kind in "US":
        with contextlib.suppress(UnicodeDecodeError):
            return [one.decode() if isinstance(one, bytes) else one for one in array.tolist()]
    raise UserError(
        f"{path}: {name} are of type {array.dtype} and shape {array.shape}; expected a row of texts"
    )


def _numbers(
    source: str, predictions: Mapping[str, Sequence[Class]], truth: Labels
) -> NDArray[np.int64]:
    """Return the first five classes of each image, or the first alone, in the truth's order."""
    most = min(TOP, len(truth.wnids))
    if all(len(row) == 1 for row in predictions.values()):
        most = 1
    said = {cell for row in predictions.values() for cell in row if isinstance(cell, int)}
    number_of = {
        **places_by_name(truth.wnids, truth.described),
        **places_by_number(source, said, truth.wnids),
    }
    rows, bad = [], []
    for name in truth.names:
        numbers = [place_of(cell, number_of) for cell in predictions[name][:most]]
        rows.append(numbers)
        if len(numbers) < most or -1 in numbers or len(set(numbers)) < most:
            bad.append(name)
    if bad:
        expected = f"{most} different classes, best first," if most > 1 else "a class"
        raise UserError(
            f"{source}: {bad[0]} has {shortened(list(predictions[bad[0]]))}; expected {expected} "
            f"as folders' names or numbers below {len(truth.wnids)}; {len(bad)} such image(s); "
            "timm's inference.py writes wnids with --label-type name, five with --topk 5"
        )
    return np.array(rows, dtype=np.int64).reshape(-1, most)


def _refuse_other_names(source: str, found: Mapping[str, Any], expected: Sequence[str]) -> None:
    missing = [name for name in expected if name not in found]
    if missing:
        raise UserError(f"{source}: image {missing[0]} is missing; {len(missing)} such image(s)")
    known = set(expected)
    extra = [name for name in found if name not in known]
    if extra:
        raise UserError(
            f"{source}: image {extra[0]} is not in the split; {len(extra)} such image(s)"
        )


def _refuse_repeated(source: str, names: Sequence[str]) -> None:
    seen: set[str] = set()
    again = [name for name in names if name in seen or seen.add(name)]  # type: ignore[func-returns-value]
    if again:
        raise UserError(
            f"{source}: image {again[0]} appears more than once; {len(again)} such line(s)"
        )
