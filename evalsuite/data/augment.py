"""RandAugment as BEiT-3's VQA and captioning recipes use it, on PIL images and without OpenCV."""

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

# All of unilm beit3/randaug.py @6996194 and beit3/datasets.py: N 2, M 7, each with p 0.5.
NUM_OPERATIONS = 2
APPLIED = 0.5
STRENGTH = 7 / 10
ENHANCE_FACTOR = STRENGTH * 1.8 + 0.1
SHEAR = STRENGTH * 0.3
TRANSLATE_PIXELS = STRENGTH * 10
ROTATE_DEGREES = STRENGTH * 30
FILL = (128, 128, 128)

Affine = tuple[float, float, float, float, float, float]
Operation = Callable[[Image.Image, float], Image.Image]


def rand_augment(image: Image.Image, generator: np.random.Generator) -> Image.Image:
    """Return the image after two drawn operations, each applied with probability 0.5.

    Operations are drawn with replacement; those with a direction take it by a coin.
    """
    names = list(OPERATIONS)
    for index in generator.integers(0, len(names), NUM_OPERATIONS):
        if generator.random() > APPLIED:
            continue
        sign = -1.0 if generator.random() < 0.5 else 1.0
        image = OPERATIONS[names[index]](image, sign)
    return image


def identity(image: Image.Image, sign: float) -> Image.Image:
    """Return the image."""
    return image


def auto_contrast(image: Image.Image, sign: float) -> Image.Image:
    """Return the image with every channel stretched to 0..255."""
    return ImageOps.autocontrast(image)


def equalize(image: Image.Image, sign: float) -> Image.Image:
    """Return the image with every channel's histogram made flat."""
    return ImageOps.equalize(image)


def brightness(image: Image.Image, sign: float) -> Image.Image:
    """Return the image brightened by `ENHANCE_FACTOR`; it never darkens, as in the source."""
    return ImageEnhance.Brightness(image).enhance(ENHANCE_FACTOR)


def sharpness(image: Image.Image, sign: float) -> Image.Image:
    """Return the image sharpened by `ENHANCE_FACTOR`; the outermost pixels stay."""
    return ImageEnhance.Sharpness(image).enhance(ENHANCE_FACTOR)


def shear_x(image: Image.Image, sign: float) -> Image.Image:
    """Return the image with rows moved to the right in proportion to y."""
    return _warp(image, (1, -sign * SHEAR, 0, 0, 1, 0))


def shear_y(image: Image.Image, sign: float) -> Image.Image:
    """Return the image with columns moved down in proportion to x."""
    return _warp(image, (1, 0, 0, -sign * SHEAR, 1, 0))


def translate_x(image: Image.Image, sign: float) -> Image.Image:
    """Return the image moved to the left by `TRANSLATE_PIXELS`, whatever its size."""
    return _warp(image, (1, 0, sign * TRANSLATE_PIXELS, 0, 1, 0))


def translate_y(image: Image.Image, sign: float) -> Image.Image:
    """Return the image moved up by `TRANSLATE_PIXELS`, whatever its size."""
    return _warp(image, (1, 0, 0, 0, 1, sign * TRANSLATE_PIXELS))


def rotate(image: Image.Image, sign: float) -> Image.Image:
    """Return the image turned about (W/2, H/2), the half pixel beside its middle kept as is."""
    cosine = math.cos(math.radians(sign * ROTATE_DEGREES))
    sine = math.sin(math.radians(sign * ROTATE_DEGREES))
    x, y = image.width / 2, image.height / 2
    offset_x = x - cosine * x + sine * y
    offset_y = y - sine * x - cosine * y
    return _warp(image, (cosine, -sine, offset_x, sine, cosine, offset_y))


def _warp(image: Image.Image, output_to_input: Affine) -> Image.Image:
    """Return the image read bilinearly at mapped pixel indices, grey where there is none.

    OpenCV, which the source uses, counts from the middle of the first pixel and PIL from its
    corner: half a pixel goes into the offsets. Pixels agree within 2 of 255 but for the rim,
    where OpenCV blends with the fill.
    """
    a, b, c, d, e, f = output_to_input
    shifted = (a, b, c + 0.5 - 0.5 * (a + b), d, e, f + 0.5 - 0.5 * (d + e))
    return image.transform(
        image.size,
        Image.Transform.AFFINE,
        shifted,
        resample=Image.Resampling.BILINEAR,
        fillcolor=FILL,
    )


OPERATIONS: dict[str, Operation] = {
    "Identity": identity,
    "AutoContrast": auto_contrast,
    "Equalize": equalize,
    "Brightness": brightness,
    "Sharpness": sharpness,
    "ShearX": shear_x,
    "ShearY": shear_y,
    "TranslateX": translate_x,
    "TranslateY": translate_y,
    "Rotate": rotate,
}
