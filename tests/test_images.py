import io
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from skimage import data as photographs
from timm.data import transforms as timm_transforms
from torchvision import datasets, transforms

from evalsuite.data import augment, images
from evalsuite.records.errors import UserError

Pixels = NDArray[np.uint8]
Grid = NDArray[np.float64]
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "rocket")
TimmCrop: Any = timm_transforms.RandomResizedCropAndInterpolation
BICUBIC = transforms.InterpolationMode.BICUBIC


def photograph(name: str) -> Image.Image:
    return Image.fromarray(getattr(photographs, name)())


def variants() -> dict[str, tuple[Image.Image, str]]:
    coffee = photograph("coffee")
    clear = coffee.convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize(coffee.size))
    return {
        "rgb.jpg": (coffee, "JPEG"),
        "grey.jpg": (coffee.convert("L"), "JPEG"),
        "cmyk.jpg": (coffee.convert("CMYK"), "JPEG"),
        "clear.png": (clear, "PNG"),
        "palette.png": (coffee.convert("P"), "PNG"),
        "grey_alpha.png": (clear.convert("LA"), "PNG"),
        "wide.png": (Image.fromarray(np.asarray(coffee.convert("L"), np.uint16)), "PNG"),
    }


@pytest.mark.parametrize("name", variants())
def test_every_kind_of_file_is_decoded_as_torchvision_decodes_it(name: str, tmp_path: Path) -> None:
    image, kind = variants()[name]
    image.save(tmp_path / name, kind)
    expected = datasets.folder.pil_loader(str(tmp_path / name))
    found = images.read_image(tmp_path / name)
    assert found.mode == "RGB"
    assert np.array_equal(np.asarray(found), np.asarray(expected))


def test_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    photograph("coffee").save(tmp_path / "turned.jpg", exif=exif)
    assert images.read_image(tmp_path / "turned.jpg").size == photograph("coffee").size


def jpeg() -> bytes:
    buffer = io.BytesIO()
    photograph("coffee").save(buffer, "JPEG")
    return buffer.getvalue()


def png() -> bytes:
    buffer = io.BytesIO()
    photograph("coffee").save(buffer, "PNG")
    return buffer.getvalue()


BROKEN = {
    "empty.jpg": b"",
    "cut.jpg": jpeg()[:20_000],
    "cut.png": png()[:20_000],
    "header.png": png()[:20],
    "text.jpg": b"<html>404 not found</html>",
    "garbled.png": png()[:200] + bytes(200) + png()[400:],
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_a_user_error_that_names_it(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(BROKEN[name])
    with pytest.raises(UserError, match=name) as raised:
        images.read_image(tmp_path / name)
    assert "\n" not in str(raised.value)


def test_a_missing_image_is_a_user_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(images.UnreadableImageError, match=r"gone\.jpg: no such image"):
        images.read_image(tmp_path / "gone.jpg")


def test_an_image_of_absurd_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bomb.png").write_bytes(png())
    with Image.open(tmp_path / "bomb.png") as image:
        pixels = image.width * image.height
    monkeypatch.setenv("EVALSUITE_MAX_PIXELS", str(pixels - 1))
    with pytest.raises(images.UnreadableImageError, match=rf"bomb\.png.*--max-pixels {pixels} "):
        images.read_image(tmp_path / "bomb.png")
    monkeypatch.setenv("EVALSUITE_MAX_PIXELS", str(pixels))
    assert images.read_image(tmp_path / "bomb.png").mode == "RGB"


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("size", [224, 480])
def test_eval_transform_equals_the_official_pipeline(name: str, size: int) -> None:
    official = transforms.Compose(
        [
            transforms.Resize((size, size), interpolation=BICUBIC),
            transforms.ToTensor(),
            transforms.Normalize(images.HALF, images.HALF),
        ]
    )
    assert torch.equal(images.eval_transform(size)(photograph(name)), official(photograph(name)))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("turned", [False, True])
def test_center_crop_equals_the_official_imagenet_pipeline(name: str, turned: bool) -> None:
    image = photograph(name).rotate(90, expand=True) if turned else photograph(name)
    official = transforms.Compose(
        [
            transforms.Resize(224, interpolation=BICUBIC),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(images.IMAGENET_MEAN, images.IMAGENET_STD),
        ]
    )
    assert torch.equal(images.center_crop_transform(224)(image), official(image))


class DrawsOf:
    """Python's `random` as timm calls it, drawing from a numpy generator."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.generator = generator

    def uniform(self, low: float, high: float) -> float:
        return self.generator.uniform(low, high)

    def randint(self, low: int, high: int) -> int:
        return int(self.generator.integers(low, high, endpoint=True))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_train_transform_equals_timms_on_the_same_draws(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = photograph(name)
    crop = TimmCrop(224, scale=(0.5, 1.0), interpolation="bicubic")
    tensor = transforms.Compose(
        [transforms.ToTensor(), transforms.Normalize(images.HALF, images.HALF)]
    )
    for id in range(10):
        generator = images.sample_generator(7, 0, id)
        monkeypatch.setattr(timm_transforms, "random", DrawsOf(generator))
        expected = crop(image)
        if generator.random() < 0.5:
            expected = transforms.functional.hflip(expected)
        found = images.train_transform(224)(image, images.sample_generator(7, 0, id))
        assert torch.equal(found, tensor(expected))


@pytest.mark.parametrize("size", [(1000, 20), (20, 1000), (3, 3), (1, 1), (640, 480)])
def test_crop_boxes_equal_timms_for_any_shape(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for id in range(20):
        generator = images.sample_generator(0, 0, id)
        monkeypatch.setattr(timm_transforms, "random", DrawsOf(generator))
        expected = TimmCrop.get_params(Image.new("RGB", size), (0.5, 1.0), (3 / 4, 4 / 3))
        assert tuple(images.draw_crop(*size, images.sample_generator(0, 0, id))) == expected


def test_augmentation_depends_on_seed_epoch_and_id_alone() -> None:
    transform = images.train_transform(64, randaug=True)
    image = photograph("coffee")

    def tensor(*key: int) -> torch.Tensor:
        return transform(image, images.sample_generator(*key))

    first = tensor(1, 2, 3)
    random.seed(5)
    torch.manual_seed(5)
    assert torch.equal(first, tensor(1, 2, 3))
    assert not any(torch.equal(first, tensor(*key)) for key in [(0, 2, 3), (1, 0, 3), (1, 2, 0)])
    assert not torch.equal(first, tensor(1, 2, 3, 1))


def test_number_and_text_ids_draw_apart() -> None:
    drawn = [images.sample_generator(0, 0, id).random() for id in (5, "5")]
    assert drawn[0] != drawn[1]


def pixels(image: Image.Image) -> Pixels:
    return np.asarray(image)


def test_brightness_is_the_official_table() -> None:
    source = pixels(photograph("coffee"))
    table = (np.arange(256, dtype=np.float32) * 1.36).clip(0, 255).astype(np.uint8)
    assert np.array_equal(pixels(augment.brightness(photograph("coffee"), 1)), table[source])


def test_auto_contrast_stretches_every_channel() -> None:
    dull = Image.fromarray((pixels(photograph("coffee")) // 2 + 40).astype(np.uint8))
    source = pixels(dull).astype(float)
    low, high = source.min((0, 1)), source.max((0, 1))
    expected = (source - low) * 255 / (high - low)
    found = pixels(augment.auto_contrast(dull, 1))
    assert np.abs(found - expected).max() <= 1
    assert found.min() == 0
    assert found.max() == 255


def test_equalize_follows_the_cumulative_histogram() -> None:
    image = photograph("coffee")
    found = pixels(augment.equalize(image, 1))
    for channel, output in zip(
        pixels(image).transpose(2, 0, 1), found.transpose(2, 0, 1), strict=True
    ):
        histogram = np.bincount(channel.ravel(), minlength=256)
        step = histogram[histogram > 0][:-1].sum() // 255
        below = np.concatenate([[step // 2], step // 2 + histogram.cumsum()[:-1]])
        assert np.array_equal(output, (below // step).clip(0, 255)[channel])


def test_sharpness_moves_away_from_the_smoothed_image() -> None:
    image = photograph("coffee")
    kernel = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    source = pixels(image).astype(float)
    smooth = np.stack([ndimage.convolve(source[..., c], kernel) for c in range(3)], axis=-1)
    expected = (smooth.round() + 1.36 * (source - smooth.round())).clip(0, 255)
    found = pixels(augment.sharpness(image, 1)).astype(float)
    assert np.abs(found - expected)[1:-1, 1:-1].max() <= 1
    assert np.array_equal(found[0], source[0])


ANGLE = np.deg2rad(21)
# Output (x, y) to input (x, y), inverted from the forward matrices of unilm beit3/randaug.py.
INVERSE: dict[str, Callable[[Grid, Grid, float, float], tuple[Grid, Grid]]] = {
    "ShearX": lambda x, y, w, h: (x - 0.21 * y, y),
    "ShearY": lambda x, y, w, h: (x, y - 0.21 * x),
    "TranslateX": lambda x, y, w, h: (x + 7, y),
    "TranslateY": lambda x, y, w, h: (x, y + 7),
    "Rotate": lambda x, y, w, h: (
        w / 2 + np.cos(ANGLE) * (x - w / 2) - np.sin(ANGLE) * (y - h / 2),
        h / 2 + np.sin(ANGLE) * (x - w / 2) + np.cos(ANGLE) * (y - h / 2),
    ),
}


@pytest.mark.parametrize("name", INVERSE)
def test_warps_equal_scipys_bilinear_sampling(name: str) -> None:
    image = photograph("coffee").resize((150, 100))
    y, x = np.mgrid[:100, :150].astype(float)
    input_x, input_y = INVERSE[name](x, y, 150.0, 100.0)
    source = pixels(image).astype(float)
    expected = np.stack(
        [
            ndimage.map_coordinates(source[..., c], [input_y, input_x], order=1, cval=128)
            for c in range(3)
        ],
        axis=-1,
    )
    found = pixels(augment.OPERATIONS[name](image, 1.0)).astype(float)
    inside = (input_x > 0) & (input_x < 149) & (input_y > 0) & (input_y < 99)
    outside = (input_x < -1) | (input_x > 150) | (input_y < -1) | (input_y > 100)
    assert inside.sum() > 5000
    assert np.abs(found - expected)[inside].max() < 1 + 1e-9  # PIL cuts the fraction off
    assert (found[outside] == 128).all()


def test_randaugment_draws_two_of_the_ten_official_operations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    official = "Identity AutoContrast Equalize Brightness Sharpness ShearX ShearY"
    official += " TranslateX TranslateY Rotate"
    assert sorted(augment.OPERATIONS) == sorted(official.split())
    used: list[tuple[str, float]] = []

    def note(name: str, image: Image.Image, sign: float) -> Image.Image:
        used.append((name, sign))
        return image

    for name in list(augment.OPERATIONS):
        monkeypatch.setitem(augment.OPERATIONS, name, partial(note, name))
    for id in range(2000):
        augment.rand_augment(Image.new("RGB", (2, 2)), images.sample_generator(0, 0, id))
    counts = {name: sum(name == n for n, _ in used) for name in augment.OPERATIONS}
    # 2000 samples x 2 draws x p 0.5 = 2000 uses, 200 each; +-5 standard deviations
    assert 1850 < len(used) < 2150
    assert all(130 < count < 270 for count in counts.values())
    assert 850 < sum(sign > 0 for _, sign in used) < 1150


def test_the_warp_agrees_with_opencv_where_the_official_code_uses_it() -> None:
    cv2 = pytest.importorskip("cv2", reason="OpenCV is no dependency of ours", exc_type=ImportError)
    image = photograph("coffee")
    matrix = cv2.getRotationMatrix2D((image.width / 2, image.height / 2), 21, 1)
    fill = augment.FILL
    expected = cv2.warpAffine(pixels(image), matrix, image.size, borderValue=fill)
    difference = np.abs(pixels(augment.rotate(image, 1.0)).astype(float) - expected)
    canvas = Image.new("L", image.size)
    ImageDraw.Draw(canvas).rectangle((2, 2, image.width - 3, image.height - 3), fill=255)
    inside = pixels(augment.rotate(canvas.convert("RGB"), 1.0)).min(-1) == 255
    assert difference[inside].max() <= 2 + 2
    assert difference[inside].mean() < 0.5
