"""Colours of classes, and label maps and masks laid over a picture with them."""

import colorsys

import numpy as np
from numpy.typing import NDArray
from PIL import Image

GOLDEN = 0.6180339887498949  # a step of the golden ratio keeps neighbouring classes apart
OPACITY = 0.6


def colour_of(label: int) -> tuple[int, int, int]:
    """Return the colour of a class, the same on every picture (RGB, 0 to 255)."""
    red, green, blue = colorsys.hsv_to_rgb((label * GOLDEN) % 1, 0.65 + 0.3 * (label % 2), 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def painted_labels(image: Image.Image, labels_HW: NDArray[np.uint8]) -> Image.Image:
    """Return the image under the colours of a label map of any size; label 0 stays clear."""
    table = np.array([colour_of(label) for label in range(256)], dtype=np.uint8)
    colours = Image.fromarray(table[labels_HW]).resize(image.size, Image.Resampling.NEAREST)
    cover = np.where(labels_HW > 0, round(255 * OPACITY), 0).astype(np.uint8)
    mask = Image.fromarray(cover).resize(image.size, Image.Resampling.NEAREST)
    return Image.composite(colours, image, mask)
