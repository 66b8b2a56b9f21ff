"""Photos and scans as people have them: read as the official loaders do, or refused by name."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets.folder import pil_loader

from evalsuite.data.decode import UnreadableImageError, image_facts, orientation_of, read_image


def picture() -> Image.Image:
    pixels_HWC = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)
    return Image.fromarray(pixels_HWC)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def faded(alpha: int) -> Image.Image:
    image = picture()
    image.putalpha(alpha)
    return image


def ramp(top: float, kind: type) -> Image.Image:
    return Image.fromarray(np.linspace(0, top, 1200).reshape(30, 40).astype(kind))


Draw = Callable[[Path], None]
READ: dict[str, tuple[Draw, str]] = {
    "plain.jpg": (lambda path: picture().save(path), ""),
    "opaque.png": (lambda path: faded(255).save(path), ""),
    "narrow.png": (lambda path: ramp(255, np.uint16).save(path), ""),
    "faded.png": (lambda path: faded(100).save(path), "transparency"),
    "palette.png": (lambda path: see_through(path), "transparency"),
    "alphas.png": (
        lambda path: picture().convert("P").save(path, transparency=bytes(range(256))),
        "transparency",
    ),
    "printed.jpg": (lambda path: picture().convert("CMYK").save(path), "CMYK"),
    "turned.jpg": (lambda path: picture().save(path, exif=turned()), "orientation tag"),
    "turned.png": (lambda path: picture().save(path, exif=turned()), "orientation tag"),
    "film.gif": (lambda path: film(path), "several frames"),
    "film.png": (lambda path: film(path), "several frames"),
    "film.webp": (lambda path: film(path), "several frames"),
    "film.tif": (lambda path: film(path), "several frames"),
}


def film(path: Path) -> None:
    picture().save(path, save_all=True, append_images=[picture().rotate(180)])


def see_through(path: Path) -> None:
    image = picture().convert("P")
    image.save(path, transparency=image.getpixel((0, 0)))


@pytest.mark.parametrize("name", READ)
def test_what_official_loaders_leave_aside_is_read_as_they_do_and_remarked(
    name: str, tmp_path: Path
) -> None:
    draw, remark = READ[name]
    draw(tmp_path / name)
    found, facts = read_image(tmp_path / name), image_facts(tmp_path / name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL's of the palette's alphas; ours prints none
        assert np.array_equal(np.asarray(found), np.asarray(pil_loader(str(tmp_path / name))))
    assert facts.size == found.size
    assert len(facts.remarks) == bool(remark)
    assert all(remark in one for one in facts.remarks)


DEEP: dict[str, Draw] = {
    "deep.png": lambda path: ramp(65535, np.uint16).save(path),
    "deep.tif": lambda path: ramp(4095, np.uint16).save(path),
    "deep.pgm": lambda path: ramp(65535, np.uint16).save(path),
    "counts.tif": lambda path: ramp(-70000, np.int32).save(path),
    "shares.tif": lambda path: ramp(1, np.float32).save(path),
    "holes.tif": lambda path: ramp(np.nan, np.float32).save(path),
}


@pytest.mark.parametrize("name", DEEP)
def test_grey_of_more_than_8_bits_is_refused_instead_of_turned_white(
    name: str, tmp_path: Path
) -> None:
    DEEP[name](tmp_path / name)
    with pytest.raises(UnreadableImageError, match="grey of more than 8 bits") as raised:
        read_image(tmp_path / name)
    assert name in str(raised.value) and "save it in 8 bits" in str(raised.value)


NO_IMAGE = {
    b"<html>404</html>": "a web page",
    b"version https://git-lfs.github.com/spec/v1": "git lfs pull",
    b"\0\0\0\x18ftypheic" + bytes(80): "a HEIC or AVIF image of a kind that cannot be read",
    b"\0\0\0\x18ftypmp42" + bytes(80): "a video",
    b"II*\0" + bytes(80): "cannot be read; save it as a JPEG or PNG",
    b"\0\5\x16\7" + bytes(60): "not an image of a known format; fetch the file again",
}


@pytest.mark.parametrize("content", NO_IMAGE)
def test_what_is_no_image_is_told_by_its_kind(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UnreadableImageError) as raised:
        read_image(tmp_path / "a.jpg")
    assert str(raised.value).startswith(f"{tmp_path / 'a.jpg'}: ")
    assert NO_IMAGE[content] in str(raised.value)


def test_a_folder_in_an_images_place_is_not_to_be_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").mkdir()
    with pytest.raises(UnreadableImageError, match=r"cannot be read \(Is a directory\)$"):
        read_image(tmp_path / "a.jpg")


def test_the_orientation_tag_is_told(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.jpg", exif=turned())
    picture().save(tmp_path / "b.jpg")
    assert [orientation_of(tmp_path / name) for name in ("a.jpg", "b.jpg")] == [6, 1]
