"""Image transforms of fine-tuning and evaluation; randomness comes from a generator per sample."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from evalsuite.contracts.benchmark import SampleId
from evalsuite.data.augment import rand_augment
from evalsuite.data.decode import UnreadableImageError, read_image

__all__ = [
    "HALF",
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "CropBox",
    "EvalTransform",
    "ImageReader",
    "TrainTransform",
    "UnreadableImageError",
    "center_crop_transform",
    "draw_crop",
    "eval_transform",
    "read_image",
    "sample_generator",
    "train_transform",
]

Channels = tuple[float, float, float]
EvalTransform = Callable[[Image.Image], Tensor]
TrainTransform = Callable[[Image.Image, np.random.Generator], Tensor]

HALF: Channels = (0.5, 0.5, 0.5)  # timm IMAGENET_INCEPTION_MEAN: all tasks but ImageNet
IMAGENET_MEAN: Channels = (0.485, 0.456, 0.406)
IMAGENET_STD: Channels = (0.229, 0.224, 0.225)

CROP_SCALE = (0.5, 1.0)  # unilm beit3/datasets.py build_transform: share of the image's area
CROP_RATIO = (3 / 4, 4 / 3)  # timm RandomResizedCropAndInterpolation: width over height
LOG_RATIO = (math.log(CROP_RATIO[0]), math.log(CROP_RATIO[1]))
CROP_TRIES = 10  # timm, the same class
FLIPPED = 0.5


class CropBox(NamedTuple):
    """A box inside an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def sample_generator(seed: int, epoch: int, id: SampleId, use: int = 0) -> np.random.Generator:
    """Return the generator of one sample in one epoch, the same on every rank and worker.

    Args:
        use: tells apart several draws for one sample, such as the two images of a pair.
    """
    # repr keeps the id 5 apart from the id "5".
    digest = hashlib.blake2b(repr(id).encode(), digest_size=8).digest()
    return np.random.default_rng((seed, epoch, use, int.from_bytes(digest)))


class ImageReader(NamedTuple):
    """Image files of a data folder as pixels: `look` of evaluation, `glance` of training.

    Without a `glance` training sees what evaluation sees.
    """

    data: Path
    look: EvalTransform
    glance: TrainTransform | None

    def __call__(self, name: str, generator: np.random.Generator | None) -> Tensor:
        """Return an image CHW; evaluation's when there is no generator.

        Raises:
            UnreadableImageError: the file is missing or cannot be decoded.
        """
        image = read_image(self.data / name)
        if generator is None or self.glance is None:
            return self.look(image)
        return self.glance(image, generator)


def eval_transform(size: int, mean: Channels = HALF, std: Channels = HALF) -> EvalTransform:
    """Return image -> CHW float32, squashed to size x size and normalised.

    The aspect ratio is given up and nothing is cropped: every task but ImageNet.

    Source: unilm beit3/datasets.py build_transform.
    """

    def transform(image: Image.Image) -> Tensor:
        squashed = image.resize((size, size), Image.Resampling.BICUBIC)
        return _normalised(squashed, mean, std)

    return transform


def center_crop_transform(
    size: int, mean: Channels = IMAGENET_MEAN, std: Channels = IMAGENET_STD
) -> EvalTransform:
    """Return image -> CHW float32: short side to `size`, the middle cut out, normalised.

    BEiT-3 evaluates ImageNet so, with crop_pct 1.0.

    Source: torchvision Resize(size) and CenterCrop(size), whose roundings are kept.
    """

    def transform(image: Image.Image) -> Tensor:
        short, long = sorted(image.size)
        stretched = int(size * long / short)
        portrait = image.width <= image.height
        target = (size, stretched) if portrait else (stretched, size)
        resized = image.resize(target, Image.Resampling.BICUBIC)
        left, top = (round((side - size) / 2) for side in resized.size)
        return _normalised(resized.crop((left, top, left + size, top + size)), mean, std)

    return transform


def train_transform(
    size: int,
    *,
    randaug: bool = False,
    flip: bool = True,
    scale: tuple[float, float] = CROP_SCALE,
    mean: Channels = HALF,
    std: Channels = HALF,
) -> TrainTransform:
    """Return (image, generator) -> CHW float32: random crop, flip, RandAugment, normalised.

    Args:
        scale: range of the crop's share of the area.
        flip: mirror half of the images. The official recipes do so for every task, even where
            a question says left or right.

    Source: unilm beit3/datasets.py build_transform.
    """

    def transform(image: Image.Image, generator: np.random.Generator) -> Tensor:
        top, left, height, width = draw_crop(image.width, image.height, generator, scale)
        cropped = image.crop((left, top, left + width, top + height))
        image = cropped.resize((size, size), Image.Resampling.BICUBIC)
        if flip and generator.random() < FLIPPED:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if randaug:
            image = rand_augment(image, generator)
        return _normalised(image, mean, std)

    return transform


def draw_crop(
    width: int,
    height: int,
    generator: np.random.Generator,
    scale: tuple[float, float] = CROP_SCALE,
) -> CropBox:
    """Return a random box of `scale` of the area and a ratio of 3:4 to 4:3.

    After ten boxes that do not fit, the largest central box whose ratio is allowed.

    Source: timm data/transforms.py RandomResizedCropAndInterpolation.get_params.
    """
    for _ in range(CROP_TRIES):
        area = generator.uniform(*scale) * width * height
        ratio = math.exp(generator.uniform(*LOG_RATIO))
        box_width, box_height = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < box_width <= width and 0 < box_height <= height:
            top = int(generator.integers(0, height - box_height, endpoint=True))
            left = int(generator.integers(0, width - box_width, endpoint=True))
            return CropBox(top, left, box_height, box_width)
    narrowest, widest = CROP_RATIO
    box_width = min(width, round(height * widest))
    box_height = min(height, round(width / narrowest))
    return CropBox((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def _normalised(image: Image.Image, mean: Channels, std: Channels) -> Tensor:
    """Return pixels as CHW float32, shifted by the mean and divided by the deviation."""
    # A copy, because PIL's buffer is read-only and torch would warn.
    pixels_HWC = torch.from_numpy(np.array(image))
    pixels_CHW = pixels_HWC.permute(2, 0, 1).contiguous().to(torch.float32).div(255)
    shift, scale = (torch.tensor(values)[:, None, None] for values in (mean, std))
    return pixels_CHW.sub_(shift).div_(scale)
