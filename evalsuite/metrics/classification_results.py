"""Result files of image classification: logits (.npz) or the five best classes (.json, .csv).

Logits: arrays `names` (N, text) and `logits` (N x classes, floating point).
Best classes: a JSON object {image name: [class, ...]} or a CSV file with a line
`image name,class,...` an image; best first, five of them (or all, where there are fewer). A class
is its wnid or its number in the sorted wnids. An image's name is its id or its file name, as
data/names.py reads it. A journal holds what the JSON file holds.
"""

import json
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from evalsuite.data.names import named_images
from evalsuite.data.reading import read_rows
from evalsuite.metrics.classification import TOP, Answers, answers_of_classes, answers_of_logits
from evalsuite.records.errors import UserError
from evalsuite.records.files import write_text, written_whole

Classes = list[int | str]
HEADERS = ("filename", "file_name", "file", "image", "image_id", "imageid", "img", "name", "path")
FORMAT = "classification results: logits (.npz), or best classes by image name (.json, .csv)"


class Labels(NamedTuple):
    """The true classes of a split: image names and class numbers go together.

    `wnids` are all classes in order of their numbers; `real` the ReaL classes of each image, None
    where that file is not there.
    """

    names: list[str]
    labels: NDArray[np.int64]
    wnids: list[str]
    real: list[list[int]] | None


class BestClasses(dict[str, Classes]):
    """The best classes of a result file by image name."""

    def __init__(self, source: str, rows: Sequence[tuple[str, Classes]]) -> None:
        _refuse_repeated(source, [name for name, _ in rows])
        super().__init__(rows)
        self.source = source


class Logits(Mapping[str, NDArray[Any]]):
    """The logits of a result file; as a mapping, the row of each image by its name there."""

    def __init__(self, source: str, names: Sequence[str], logits_NC: NDArray[Any]) -> None:
        self.source, self.logits_NC = source, logits_NC
        if logits_NC.ndim != 2 or logits_NC.dtype.kind != "f" or len(names) != len(logits_NC):
            raise UserError(
                f"{source}: {len(names)} names for logits of shape {logits_NC.shape} and type "
                f"{logits_NC.dtype}; expected one row of floating-point numbers a name"
            )
        # Compiled code takes neither half nor extended precision, nor another byte order.
        self.logits_NC = logits_NC.astype(
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


def read_classification(path: Path) -> Mapping[str, Any]:
    """Return the logits, or the best classes by image name, of a result file.

    Raises:
        UserError: the file is missing, truncated, of another form, or names an image twice.
    """
    try:
        if path.suffix == ".npz":
            return _read_logits(path)
        rows = _read_json(path) if path.suffix == ".json" else _read_csv(path)
    except OSError as error:
        raise UserError(f"{path}: classification results cannot be read: {error}") from None
    return BestClasses(str(path), rows)


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
    places = image_places(predictions, truth)
    if isinstance(predictions, Logits):
        _refuse_unknown_order(predictions.source, truth.wnids)
        if predictions.logits_NC.shape[1] != len(truth.wnids):
            found, expected = predictions.logits_NC.shape[1], len(truth.wnids)
            raise UserError(f"{predictions.source}: logits of {found} classes; expected {expected}")
        if (places == np.arange(places.size)).all():
            return answers_of_logits(predictions.logits_NC, truth.labels)
        in_file = np.empty_like(truth.labels)
        in_file[places] = truth.labels
        answers = answers_of_logits(predictions.logits_NC, in_file)
        return Answers(answers.ranks[places], answers.best[places])
    rows = list(predictions.values())
    in_order = {name: rows[place] for name, place in zip(truth.names, places, strict=True)}
    return answers_of_classes(_numbers(in_order, truth), truth.labels)


def image_places(predictions: Mapping[Any, Any], truth: Labels) -> NDArray[np.int64]:
    """Return the place of every image of the truth among the predictions.

    Raises:
        UserError: an image is missing or unknown, comes again, or may be one or another.
    """
    source = "predictions"
    if isinstance(predictions, Logits | BestClasses):
        source = predictions.source
    try:
        names = named_images(list(predictions), truth.names)
    except ValueError as error:
        raise UserError(f"{source}: image {error}") from None
    _refuse_repeated(source, names)
    places = {name: place for place, name in enumerate(names)}
    _refuse_other_names(source, places, truth.names)
    return np.array([places[name] for name in truth.names], dtype=np.int64)


def _read_logits(path: Path) -> Logits:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            missing = [name for name in ("names", "logits") if name not in archive.files]
            if not missing:
                return Logits(str(path), archive["names"].astype(str).tolist(), archive["logits"])
    except (zipfile.BadZipFile, EOFError) as error:
        raise UserError(f"{path}: not a whole .npz archive (truncated?): {error}") from None
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{path}: not an .npz archive of plain arrays: {error}") from None
    raise UserError(f"{path}: has no array {missing[0]!r}; expected names and logits")


def _read_json(path: Path) -> list[tuple[str, Classes]]:
    try:
        # Pairs, not a dictionary: that would keep the last of two equal names silently.
        pairs = json.loads(path.read_bytes(), object_pairs_hook=list)
        return msgspec.convert(pairs, list[tuple[str, Classes]])
    except (ValueError, msgspec.ValidationError) as error:
        raise UserError(
            f"{path}: not a JSON object of class lists by image name: {error}"
        ) from None


def _read_csv(path: Path) -> list[tuple[str, Classes]]:
    rows = [row.cells for row in read_rows(path, FORMAT)]
    if rows and rows[0][0].strip().lower() in HEADERS:
        rows = rows[1:]
    return [(row[0], [int(cell) if cell.isdecimal() else cell for cell in row[1:]]) for row in rows]


def _numbers(predictions: Mapping[str, Sequence[int | str]], truth: Labels) -> NDArray[np.int64]:
    """Return the first five classes of each image as numbers, in the truth's order."""
    most = min(TOP, len(truth.wnids))
    number_of = _meanings(predictions, truth.wnids)
    rows, bad = [], []
    for name in truth.names:
        numbers = [number_of.get(cell, -1) for cell in predictions[name][:most]]
        rows.append(numbers)
        if len(numbers) < most or -1 in numbers or len(set(numbers)) < most:
            bad.append(name)
    if bad:
        raise UserError(
            f"predictions: {bad[0]} has {list(predictions[bad[0]])}; expected {most} different "
            f"classes, best first, as wnids or numbers below {len(truth.wnids)}; "
            f"{len(bad)} such image(s)"
        )
    return np.array(rows, dtype=np.int64).reshape(-1, most)


def _meanings(
    predictions: Mapping[str, Sequence[int | str]], wnids: Sequence[str]
) -> dict[int | str, int]:
    """Return the number of each class by what a file may call it: its wnid, or its number.

    Where the folders are named by numbers, a number in the file is a folder's name: it cannot be
    told from one in a CSV file. Only where no folder could be meant is it the place in their order.

    Raises:
        UserError: the numbers may be folders as well as places, and these are not the same.
    """
    number_of: dict[int | str, int] = {wnid: place for place, wnid in enumerate(wnids)}
    places: dict[int | str, int] = {place: place for place in range(len(wnids))}
    if not all(wnid.isdecimal() for wnid in wnids):
        return {**number_of, **places}
    folders: dict[int | str, int] = {int(wnid): place for wnid, place in number_of.items()}
    said = {cell for row in predictions.values() for cell in row if isinstance(cell, int)}
    if folders == places or not said <= places.keys():
        return {**number_of, **folders}
    if said <= folders.keys():
        raise UserError(
            f"predictions: class {min(said)}: the folder of that name, or its place from 0 in the "
            f"folders {wnids[0]} to {wnids[-1]}? write names as texts in a .json file"
        )
    return {**number_of, **places}


def _refuse_unknown_order(source: str, wnids: Sequence[str]) -> None:
    """Raise UserError where tools differ in the order of the classes, and so of the logits."""
    if list(wnids) != sorted(wnids):
        raise UserError(
            f"{source}: the folders are named by numbers: timm puts {wnids[1]} after {wnids[0]}, "
            f"torchvision {sorted(wnids)[1]} or another, so a column may be either class; give "
            "the best classes by name (.json, .csv)"
        )


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
        raise UserError(f"{source}: image {again[0]} comes again; {len(again)} such line(s)")
