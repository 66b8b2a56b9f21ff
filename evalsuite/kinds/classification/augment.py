"""The official ImageNet augmentation: timm's crop, flip, RandAugment and random erasing.

RandAugment is timm's rand-m9-mstd0.5-inc1. Colour jitter 0.4 is in the official command line, but
timm leaves it out where RandAugment is given; so it is not here.

Source: timm 0.4.12 data/auto_augment.py, data/transforms_factory.py, data/random_erasing.py.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from evalsuite.data.images import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    center_crop_transform,
    draw_crop,
)

CROP_SCALE = (0.08, 1.0)  # timm transforms_factory.py transforms_imagenet_train
NUM_OPERATIONS = 2
APPLIED = 0.5
MAGNITUDE, MAGNITUDE_STD, MOST = 9.0, 0.5, 10.0
FILL = tuple(min(255, round(255 * mean)) for mean in IMAGENET_MEAN)  # timm: img_mean
ERASED = 0.25  # unilm beit3/run_beit3_finetuning.py --reprob @768a3c8
ERASE_AREA = (0.02, 1 / 3)
ERASE_LOG_RATIO = (math.log(0.3), math.log(1 / 0.3))
ERASE_TRIES = 10

# An operation takes the image, a strength of 0 to 1 and a sign for those that have a direction.
Operation = Callable[[Image.Image, float, float], Image.Image]
TrainTransform = Callable[[Image.Image, np.random.Generator], Tensor]


def augmenting_transform(size: int) -> TrainTransform:
    """Return (image, generator) -> CHW float32 as the official recipe augments it."""

    def transform(image: Image.Image, generator: np.random.Generator) -> Tensor:
        top, left, height, width = draw_crop(image.width, image.height, generator, CROP_SCALE)
        cropped = image.crop((left, top, left + width, top + height))
        image = cropped.resize((size, size), Image.Resampling.BICUBIC)
        if generator.random() < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return erase(normalised(rand_augment(image, generator)), generator)

    return transform


def plain_transform(size: int) -> Callable[[Image.Image], Tensor]:
    """Return image -> CHW float32 of the middle of the image, as in evaluation."""
    return center_crop_transform(size, IMAGENET_MEAN, IMAGENET_STD)


def normalised(image: Image.Image) -> Tensor:
    """Return pixels as CHW float32, shifted by ImageNet's mean and divided by its deviation."""
    pixels_CHW = torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous().float().div_(255)
    shift, scale = (torch.tensor(one)[:, None, None] for one in (IMAGENET_MEAN, IMAGENET_STD))
    return pixels_CHW.sub_(shift).div_(scale)


def rand_augment(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Return the image after two drawn operations, each applied with probability 0.5.

    The strength of each is drawn about 9 of 10.
    """
    names = list(OPERATIONS)
    for index in generator.integers(0, len(names), NUM_OPERATIONS):
        if generator.random() > APPLIED:
            continue
        magnitude = min(max(generator.normal(MAGNITUDE, MAGNITUDE_STD), 0.0), MOST)
        sign = -1.0 if generator.random() > 0.5 else 1.0
        image = OPERATIONS[names[index]](image, magnitude / MOST, sign)
    return image


def erase(pixels_CHW: Tensor, generator: np.random.Generator) -> Tensor:
    """Return normalised pixels, a quarter of the images with a box of noise in it."""
    if generator.random() > ERASED:
        return pixels_CHW
    channels, height, width = pixels_CHW.shape
    for _ in range(ERASE_TRIES):
        area = generator.uniform(*ERASE_AREA) * height * width
        ratio = math.exp(generator.uniform(*ERASE_LOG_RATIO))
        box_height, box_width = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if box_height < height and box_width < width:
            top = int(generator.integers(0, height - box_height, endpoint=True))
            left = int(generator.integers(0, width - box_width, endpoint=True))
            noise = generator.standard_normal((channels, box_height, box_width), dtype=np.float32)
            box = pixels_CHW[:, top : top + box_height, left : left + box_width]
            box.copy_(torch.from_numpy(noise))
            break
    return pixels_CHW


def auto_contrast(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image with every channel stretched to 0..255."""
    return ImageOps.autocontrast(image)


def equalize(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image with every channel's histogram made flat."""
    return ImageOps.equalize(image)


def invert(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the negative."""
    return ImageOps.invert(image)


def rotate(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image turned by up to 30 degrees."""
    degrees = strength * 30 * sign
    return image.rotate(degrees, resample=Image.Resampling.BICUBIC, fillcolor=FILL)


def posterize(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image with 4 to 0 bits a channel."""
    return ImageOps.posterize(image, 4 - int(strength * 4))


def solarize(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image with values from a threshold on inverted; the stronger, the more."""
    return ImageOps.solarize(image, 256 - min(256, int(strength * 256)))


def solarize_add(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image with values below 128 raised by up to 110."""
    added = min(128, int(strength * 110))
    table = [min(255, value + added) if value < 128 else value for value in range(256)]
    return image.point(table * 3)


def enhanced(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    """Return what lessens or raises a quality of an image by up to 0.9 of it."""

    def operation(image: Image.Image, strength: float, sign: float) -> Image.Image:
        return kind(image).enhance(max(0.1, 1.0 + sign * strength * 0.9))

    return operation


def shear_x(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image with rows moved in proportion to y."""
    return _warp(image, (1, strength * 0.3 * sign, 0, 0, 1, 0))


def shear_y(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image with columns moved in proportion to x."""
    return _warp(image, (1, 0, 0, strength * 0.3 * sign, 1, 0))


def translate_x(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image moved sideways by up to 0.45 of its width."""
    return _warp(image, (1, 0, strength * 0.45 * sign * image.width, 0, 1, 0))


def translate_y(image: Image.Image, strength: float, sign: float) -> Image.Image:
    """Return the image moved up or down by up to 0.45 of its height."""
    return _warp(image, (1, 0, 0, 0, 1, strength * 0.45 * sign * image.height))


def _warp(
    image: Image.Image, output_to_input: tuple[float, float, float, float, float, float]
) -> Image.Image:
    """Return the image read bicubically at mapped places, the mean colour where there is none."""
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        output_to_input,
        resample=Image.Resampling.BICUBIC,
        fillcolor=FILL,
    )


# By timm's names, in its order.
OPERATIONS: dict[str, Operation] = {
    "AutoContrast": auto_contrast,
    "Equalize": equalize,
    "Invert": invert,
    "Rotate": rotate,
    "PosterizeIncreasing": posterize,
    "SolarizeIncreasing": solarize,
    "SolarizeAdd": solarize_add,
    "ColorIncreasing": enhanced(ImageEnhance.Color),
    "ContrastIncreasing": enhanced(ImageEnhance.Contrast),
    "BrightnessIncreasing": enhanced(ImageEnhance.Brightness),
    "SharpnessIncreasing": enhanced(ImageEnhance.Sharpness),
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateXRel": translate_x,
    "TranslateYRel": translate_y,
}
