"""Image files as RGB pixels, without torch: what the doctor and the transforms share."""

import os
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from evalsuite.data.reading import shortened
from evalsuite.records.errors import UserError
from evalsuite.records.file_kinds import LOOKED_AT, kind_of

BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What PIL raises for files that are cut short, are no image, or claim an absurd size.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    *BOMBS,
)
MAX_PIXELS = "EVALSUITE_MAX_PIXELS"  # in the environment, where every reading process finds it
MOST_PIXELS = 178_956_970  # pixels, twice Pillow's MAX_IMAGE_PIXELS: where it refuses by default
DEEP = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")  # PIL's modes of grey in more than 8 bits
WHITE = 255
UPRIGHT = 1  # EXIF 2.32, tag 0x0112: row 0 is the top, column 0 the left

TURNED = (
    "are stored rotated, with an orientation tag that official loaders ignore "
    "(`exiftran -ai` rotates the pixels themselves)"
)
CLEAR = "have transparency, which official loaders drop: hidden colours show"
FRAMES = "have several frames, of which the first is read"
PRINTED = "are in CMYK, converted without their colour profile as official loaders do"


class UnreadableImageError(UserError):
    """One image cannot be decoded; apart from other mistakes so that a run may skip a few."""


class ImageFacts(NamedTuple):
    """What a look at a whole image tells: width and height, and what official loaders ignore.

    A remark goes on after "3 images".
    """

    size: tuple[int, int]
    remarks: tuple[str, ...]


def read_image(path: Path) -> Image.Image:
    """Return the image as RGB, decoded as the official loaders do.

    The EXIF orientation is left out of account and an alpha channel is dropped, because
    torchvision's `default_loader`, with which all published numbers were made, does so. It also
    makes every value above 255 of a deeper grey white; such an image is refused.

    Raises:
        UnreadableImageError: the file is missing, empty, cut short, no image, or grey in more
            than 8 bits; it is named.

    Source: torchvision/datasets/folder.py pil_loader.
    """
    with _opened(path) as image:
        return _rgb(path, image)


def image_facts(path: Path) -> ImageFacts:
    """Return what a look at the whole image tells; it is decoded as by `read_image`.

    Raises:
        UnreadableImageError: as `read_image`.
    """
    with _opened(path) as image:
        is_printed, is_clear = image.mode == "CMYK", _is_clear(image)
        size = _rgb(path, image).size
        truths = {
            TURNED: _orientation(image) != UPRIGHT,
            CLEAR: is_clear,
            FRAMES: _has_frames(image),
            PRINTED: is_printed,
        }
        return ImageFacts(size, tuple(remark for remark, is_true in truths.items() if is_true))


def orientation_of(path: Path) -> int:
    """Return a photo's orientation tag; 1, upright, where it has none."""
    with _opened(path) as image:
        return _orientation(image)


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open an image; what goes wrong with it becomes an `UnreadableImageError`."""
    try:
        with path.open("rb") as file, limited_image(file) as image:
            yield image
    except FileNotFoundError:
        raise UnreadableImageError(f"{path}: no such image") from None
    except UserError:  # which is a ValueError, too
        raise
    except DECODING_ERRORS as error:
        raise UnreadableImageError(f"{path}: {_found(path, error)}") from error


def allow_pixels(number: int | None) -> int | None:
    """Set the size in pixels above which an image is refused, here and in processes to come."""
    if number is not None:
        os.environ[MAX_PIXELS] = str(number)
    return number


def limited_image(file: IO[bytes]) -> Image.Image:
    """Open an image of no more pixels than are allowed.

    Raises:
        UserError: the environment's number is none.
    """
    limit = os.environ.get(MAX_PIXELS) or str(MOST_PIXELS)
    if not limit.isdecimal():
        raise UserError(f"{MAX_PIXELS}={shortened(limit)}: expected a whole number of pixels")
    before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, int(limit)
    try:
        # Pillow warns from its limit on, and raises from twice of it on: refuse at once.
        with warnings.catch_warnings(action="error", category=Image.DecompressionBombWarning):
            return Image.open(file)
    finally:
        Image.MAX_IMAGE_PIXELS = before


def _rgb(path: Path, image: Image.Image) -> Image.Image:
    if image.mode in DEEP:
        return Image.fromarray(_eight_bits(path, image)).convert("RGB")
    image.load()
    image.info.pop("transparency", None)  # PIL warns of some; the colours are the same without
    return image.convert("RGB")


def _eight_bits(path: Path, image: Image.Image) -> NDArray[np.uint8]:
    """Return a deep image's values where 8 bits hold them."""
    values_HW = np.asarray(image)
    low, high = float(values_HW.min()), float(values_HW.max())
    if low >= 0 and high <= WHITE and bool((values_HW == np.floor(values_HW)).all()):
        return values_HW.astype(np.uint8)
    raise UnreadableImageError(
        f"{path}: grey of more than 8 bits, values {low:g} to {high:g}, which would turn black or "
        f"white; save it in 8 bits with the range that matters spread over 0 to {WHITE}"
    )


def _is_clear(image: Image.Image) -> bool:
    """Return whether a pixel is not wholly opaque."""
    if not image.has_transparency_data:
        return False
    lowest = image.convert("RGBA").getextrema()[-1][0]  # type: ignore[index]
    return lowest < WHITE


def _orientation(image: Image.Image) -> int:
    with suppress(*DECODING_ERRORS):  # a tag that cannot be read turns nothing
        return int(image.getexif().get(ExifTags.Base.Orientation, UPRIGHT))
    return UPRIGHT


def _has_frames(image: Image.Image) -> bool:
    """Return whether there are further pictures; a camera's previews (MPO) are none."""
    with suppress(*DECODING_ERRORS):
        return image.format != "MPO" and getattr(image, "n_frames", 1) > 1
    return False


def _found(path: Path, error: Exception) -> str:
    """Return what is wrong with the file and what to do, in one line."""
    if isinstance(error, OSError) and error.errno is not None:
        return f"cannot be read ({error.strerror})"
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    if not start:
        return "an empty file, expected an image; fetch the file again"
    kind = kind_of(start)
    # PIL puts the whole path or object into some messages; the caller names the file already.
    if "cannot identify image file" in str(error):
        if kind is None:
            size = f"{path.stat().st_size:,} bytes"
            return f"{size} that are not an image of a known format; fetch the file again"
        if kind.endswith("image"):
            return f"{kind} of a kind that cannot be read; save it as a JPEG or PNG"
        return f"{kind}, expected an image"
    if isinstance(error, BOMBS):
        claimed = re.search(r"\d{2,}", str(error))
        pixels = int(claimed[0]) if claimed else 0
        return (
            f"{pixels:,} pixels, more than are read by default, as any file can claim a size; "
            f"if you trust it: --max-pixels {pixels} (or {MAX_PIXELS}={pixels})"
        )
    reason = shortened(str(error))
    if reason.startswith("conversion from"):
        return f"cannot be read as RGB ({reason}); save it as RGB"
    return f"cannot be decoded ({reason}); fetch the file again"
