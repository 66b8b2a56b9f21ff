"""ADE20K's label maps and class names."""

import base64
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalsuite.data.decode import DECODING_ERRORS
from evalsuite.records.errors import UserError

from .card import CLASSES, DOWNLOAD

LabelMap = NDArray[np.uint8]


class Classes(NamedTuple):
    """The classes in order of their labels 1, 2, ...: names, and shares of the training pixels."""

    names: list[str]
    ratios: list[float]


class LabelMaps(Mapping[str, LabelMap]):
    """The label PNGs of a folder by name without suffix, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(f"{folder}: not a folder; expected label PNGs named as the images")
        self.folder = folder
        self._paths = {path.stem: path for path in sorted(folder.glob("*.png"))}
        if not self._paths:
            raise UserError(f"{folder}: holds no .png; expected label PNGs named as the images")

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __getitem__(self, name: str) -> LabelMap:
        return read_labels(self._paths[name])


def read_labels(path: Path) -> LabelMap:
    """Return the labels of a PNG of one byte a pixel, height x width; a palette is left aside.

    Raises:
        UserError: the file is missing, torn, or has colours or more than a byte a pixel.
    """
    try:
        with path.open("rb") as file, Image.open(file) as image:
            if image.mode not in ("L", "P"):
                raise UserError(
                    f"{path}: a label map in mode {image.mode}; expected one byte a pixel (L or P)"
                )
            return np.asarray(image)
    except UserError:
        raise
    except DECODING_ERRORS as error:
        raise UserError(f"{path}: no whole label PNG: {error}") from None


def packed_labels(labels_HW: LabelMap) -> dict[str, str]:
    """Return a label map as a journal holds it: a PNG in base64, some 10 kB an image."""
    stream = io.BytesIO()
    Image.fromarray(labels_HW).save(stream, "png")
    return {"png": base64.b64encode(stream.getvalue()).decode()}


def unpacked_labels(packed: Mapping[str, str]) -> LabelMap:
    """Return the label map of a journal.

    Raises:
        UserError: it is not what `packed_labels` made.
    """
    try:
        with Image.open(io.BytesIO(base64.b64decode(packed["png"]))) as image:
            return np.asarray(image)
    except (KeyError, *DECODING_ERRORS) as error:
        raise UserError(f"a journal's label map cannot be decoded: {error}") from None


def read_classes(data: Path) -> Classes:
    """Return the classes of `objectInfo150.txt`.

    Raises:
        UserError: the file is missing or not of that format.
    """
    path = data / CLASSES
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
    except OSError:
        raise UserError(f"{path}: the class names cannot be read; get it from {DOWNLOAD}") from None
    rows = [line.split("\t") for line in lines if line.strip()]
    try:
        numbers = [int(row[0]) for row in rows]
        classes = Classes([row[5].strip() for row in rows], [float(row[1]) for row in rows])
    except (IndexError, ValueError) as error:
        raise UserError(f"{path}: not ADE20K's table of classes: {error}") from None
    if numbers != list(range(1, len(rows) + 1)):
        raise UserError(f"{path}: expected classes 1, 2, 3, ... in order; found {numbers[:3]} ...")
    return classes
