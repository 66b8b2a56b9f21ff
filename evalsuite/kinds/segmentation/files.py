"""Label maps: a grey PNG an image, 0 for what has no label."""

import base64
import io
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from evalsuite.data.decode import DECODING_ERRORS, limited_image
from evalsuite.records.errors import UserError
from evalsuite.records.file_kinds import LOOKED_AT, kind_of

LabelMap = NDArray[np.uint8]
NARROW, WIDE = ("L", "P"), ("I", "I;16", "I;16B", "I;16L")  # modes of a byte a pixel, and of more
IGNORED = 255  # a pixel that is neither learnt from nor scored, as 0


class Classes(NamedTuple):
    """The classes in order of their labels 1, 2, ...: names, and shares of the training pixels."""

    names: list[str]
    ratios: list[float]


class LabelMaps(Mapping[str, LabelMap]):
    """The label PNGs of a folder by name without suffix, read when they are asked for."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserError(
                f"{folder}: {_what(folder)}; expected a folder of label PNGs named like the images"
            )
        self.folder = folder
        self._paths = files_by_stem(folder, (".png",))
        if not self._paths:
            raise UserError(f"{folder}: holds no .png; expected label PNGs named like the images")

    def __len__(self) -> int:
        return len(self._paths)

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __contains__(self, name: object) -> bool:
        return name in self._paths

    def __getitem__(self, name: str) -> LabelMap:
        return read_labels(self._paths[name])


def files_by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """Return the files of a folder by name without suffix, in the order of names.

    Hidden files are left aside: macOS puts a companion `._x.png` beside a file on foreign disks.

    Raises:
        UserError: two files differ in their suffix alone, or the folder cannot be read.
    """
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from None
    for path in paths:
        if path.name.startswith(".") or path.suffix.lower() not in suffixes:
            continue
        first = found.setdefault(path.stem, path)
        if first is not path:
            raise UserError(f"{path}: has the same name as {first.name}; keep one of them")
    return found


def read_labels(path: Path) -> LabelMap:
    """Return the labels of a grey PNG, height x width; a palette is left aside.

    Wider pixels are taken where their labels fit into a byte, as those of the format do.

    Raises:
        UserError: the file is missing, torn, has colours, or a label above 255.
    """
    try:
        with path.open("rb") as file, limited_image(file) as image:
            mode, labels_HW = image.mode, np.asarray(image)
    except DECODING_ERRORS as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path}: not a whole label PNG: {reason}") from None
    if mode in NARROW:
        return labels_HW
    if mode not in WIDE:
        raise UserError(f"{path}: a label map in mode {mode}; expected one byte a pixel (L or P)")
    wrong = labels_HW[(labels_HW < 0) | (labels_HW > 255)]
    if wrong.size:
        raise UserError(
            f"{path}: label {wrong.max()} in mode {mode}, {wrong.size} such pixel(s); expected "
            "labels up to 255"
        )
    return labels_HW.astype(np.uint8)


def _what(path: Path) -> str:
    """Return what stands in place of a folder."""
    if not path.is_file():
        return "no such folder"
    try:
        with path.open("rb") as stream:
            return kind_of(stream.read(LOOKED_AT)) or "a file"
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})"


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
    except (KeyError, TypeError, *DECODING_ERRORS) as error:
        raise UserError(f"a journal's label map cannot be decoded: {error}") from None
