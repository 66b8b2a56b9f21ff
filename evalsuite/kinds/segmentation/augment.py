"""Images and label maps as mmseg's ADE20K pipeline prepares them, for training and for testing.

Axes: C channels, H rows, W columns. Labels are classes from 0, 255 for unlabelled pixels.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from evalsuite.kinds.segmentation.files import IGNORED

LONG = 4  # times the short side; mmseg 1.2.2 configs/_base_/datasets/ade20k.py: 2048 and 512
MOST_OF_ONE = 0.75  # the same: cat_max_ratio of RandomCrop
CROP_TRIES = 10  # mmseg transforms.py RandomCrop
# mmseg transforms.py PhotoMetricDistortion.
BRIGHTNESS, FACTORS, HUE_DEGREES = 32, (0.5, 1.5), 36  # OpenCV's 18 are half degrees
HUES = 256 / 360  # PIL's hue is a byte

Pixels = NDArray[np.uint8]


def without_zero(labels_HW: Pixels) -> Tensor:
    """Return ADE20K's labels 1, 2, ... as classes 0, 1, ...; its 0, unlabelled, as 255."""
    truth_HW = labels_HW - np.uint8(1)  # 0 wraps round to 255
    truth_HW[labels_HW == IGNORED] = IGNORED
    return torch.from_numpy(truth_HW)


def pixels_of(image: Image.Image) -> Tensor:
    """Return an RGB image as CHW float32, 0 to 255."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float()


def normalised(pixels_CHW: Tensor) -> Tensor:
    """Return 0 to 255 as -1 to 1, as all BEiT-3 models but the ImageNet ones take it."""
    return pixels_CHW / 127.5 - 1


def resized_image(pixels_CHW: Tensor, size: tuple[int, int]) -> Tensor:
    """Return an image of another size, as OpenCV's bilinear: without smoothing, whole numbers."""
    larger = F.interpolate(pixels_CHW[None], size=size, mode="bilinear", align_corners=False)
    return larger[0].round()


def resized_labels(truth_HW: Tensor, size: tuple[int, int]) -> Tensor:
    """Return labels of another size, each from the nearest pixel."""
    return F.interpolate(truth_HW[None, None], size=size, mode="nearest")[0, 0]


def fitting(height: int, width: int, short: int, long: int) -> tuple[int, int]:
    """Return the largest size of the same shape whose sides do not pass `short` and `long`.

    Source: mmcv image/geometric.py rescale_size.
    """
    factor = min(long / max(height, width), short / min(height, width))
    return int(height * factor + 0.5), int(width * factor + 0.5)


class Augmentation(NamedTuple):
    """Pixels per side of the crop, of the short side, the scales, and whether colours change."""

    crop: int
    short: int
    scales: tuple[float, float]
    colours: bool


def augmented(
    image: Image.Image, truth_HW: Tensor, how: Augmentation, generator: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Return a square crop of an image, normalised, and of its labels.

    Scaled at random, cropped so that no class fills more than 3/4 where that is possible, mirrored
    half of the time, its colours changed; what is missing on the right and below is 0 and 255.
    """
    scale, crop = generator.uniform(*how.scales), how.crop
    short, long = int(how.short * scale), int(LONG * how.short * scale)
    size = fitting(image.height, image.width, short, long)
    pixels_CHW = resized_image(pixels_of(image), size)
    truth_HW = resized_labels(truth_HW, size)
    top, left = crop_place(truth_HW, crop, generator)
    pixels_CHW = pixels_CHW[:, top : top + crop, left : left + crop]
    truth_HW = truth_HW[top : top + crop, left : left + crop]
    if generator.random() < 0.5:
        pixels_CHW, truth_HW = pixels_CHW.flip(2), truth_HW.flip(1)
    if how.colours:
        changed = distort(pixels_CHW.permute(1, 2, 0).numpy().astype(np.uint8), generator)
        pixels_CHW = torch.from_numpy(changed.copy()).permute(2, 0, 1).float()
    missing = (0, crop - truth_HW.shape[1], 0, crop - truth_HW.shape[0])
    return F.pad(normalised(pixels_CHW), missing), F.pad(truth_HW, missing, value=IGNORED)


def crop_place(truth_HW: Tensor, crop: int, generator: np.random.Generator) -> tuple[int, int]:
    """Return top and left of a crop in which no class has more than 3/4 of the labelled pixels.

    The eleventh drawn is taken as it is.
    """
    height, width = truth_HW.shape
    for tries in range(CROP_TRIES + 1):
        top = int(generator.integers(0, max(height - crop, 0), endpoint=True))
        left = int(generator.integers(0, max(width - crop, 0), endpoint=True))
        if tries == CROP_TRIES:
            break
        part = truth_HW[top : top + crop, left : left + crop]
        counts = torch.bincount(part.flatten(), minlength=256)[:IGNORED]
        present = counts[counts > 0]
        if len(present) > 1 and float(present.max() / present.sum()) < MOST_OF_ONE:
            break
    return top, left


def distort(pixels_HWC: Pixels, generator: np.random.Generator) -> Pixels:
    """Return the image with brightness, contrast, saturation and hue changed, each by a coin.

    Contrast comes second or last, by another coin.
    """
    coins = generator.random(5) < 0.5
    factors = generator.uniform(*FACTORS, 2)
    brightness = generator.uniform(-BRIGHTNESS, BRIGHTNESS)
    # mmseg draws whole half degrees, the upper end left out.
    hue = 2 * int(generator.integers(-HUE_DEGREES // 2, HUE_DEGREES // 2))
    steps: list[tuple[bool, Callable[[Pixels], Pixels]]] = [
        (bool(coins[0]), lambda pixels: linear(pixels, 1.0, brightness)),
        (bool(coins[1] and coins[4]), lambda pixels: linear(pixels, float(factors[0]), 0.0)),
        (bool(coins[2]), lambda pixels: saturated(pixels, float(factors[1]))),
        (bool(coins[3]), lambda pixels: hued(pixels, hue)),
        (bool(coins[1] and not coins[4]), lambda pixels: linear(pixels, float(factors[0]), 0.0)),
    ]
    for applies, change in steps:
        if applies:
            pixels_HWC = change(pixels_HWC)
    return pixels_HWC


def linear(pixels: Pixels, factor: float, added: float) -> Pixels:
    """Return bytes times a factor plus a number, cut to 0..255."""
    changed: Pixels = np.clip(pixels.astype(np.float32) * factor + added, 0, 255).astype(np.uint8)
    return changed


def saturated(pixels_HWC: Pixels, factor: float) -> Pixels:
    """Return the image with its saturation multiplied."""
    hsv_HWC = np.array(Image.fromarray(pixels_HWC).convert("HSV"))
    hsv_HWC[..., 1] = linear(hsv_HWC[..., 1], factor, 0.0)
    return np.array(Image.fromarray(hsv_HWC, "HSV").convert("RGB"))


def hued(pixels_HWC: Pixels, degrees: int) -> Pixels:
    """Return the image with its hue turned."""
    hsv_HWC = np.array(Image.fromarray(pixels_HWC).convert("HSV"))
    hsv_HWC[..., 0] += np.uint8(round(degrees * HUES) % 256)  # wraps round, as a circle does
    return np.array(Image.fromarray(hsv_HWC, "HSV").convert("RGB"))
