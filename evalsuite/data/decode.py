"""Image files as RGB pixels, without torch: what the doctor and the transforms share."""

import struct
from pathlib import Path

from PIL import Image

from evalsuite.records.errors import UserError

# What PIL raises for files that are cut short, are no image, or claim an absurd size. The bomb
# warning is an exception only where the user turned warnings into errors.
DECODING_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


class UnreadableImageError(UserError):
    """One image cannot be decoded; apart from other mistakes so that a run may skip a few."""


def read_image(path: Path) -> Image.Image:
    """Return the image as RGB, decoded as the official loaders do.

    The EXIF orientation is left out of account and an alpha channel is dropped, because
    torchvision's `default_loader`, with which all published numbers were made, does so.

    Raises:
        UnreadableImageError: the file is missing, empty, cut short, or no image; it is named.

    Source: torchvision/datasets/folder.py pil_loader.
    """
    try:
        with path.open("rb") as file, Image.open(file) as image:
            return image.convert("RGB")
    except FileNotFoundError:
        message = f"{path}: no such image; run `evalsuite doctor` to see what is missing"
        raise UnreadableImageError(message) from None
    except DECODING_ERRORS as error:
        raise UnreadableImageError(
            f"{path}: {_found(path, error)}; fetch the file again"
        ) from error


def _found(path: Path, error: Exception) -> str:
    """Return what is wrong with the file, in one line."""
    if path.is_file() and path.stat().st_size == 0:
        return "an empty file, expected an image"
    # PIL puts the whole path or object into some messages; the caller names the file already.
    if "cannot identify image file" in str(error):
        return f"{path.stat().st_size:,} bytes that are no image of a known format"
    return f"cannot be decoded ({' '.join(str(error).split())})"
