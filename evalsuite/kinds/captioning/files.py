"""Files of captioning benchmarks: COCO's caption files and caption results."""

import json
from collections.abc import Mapping
from pathlib import Path

import msgspec

from evalsuite.contracts.benchmark import SampleId
from evalsuite.data.names import other_spelling
from evalsuite.data.official_json import (
    converted,
    fast,
    parsed,
    parsed_list,
    read_records,
    refuse_repeated,
)
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.records.errors import UserError
from evalsuite.records.files import write_text

RESULTS_FORMAT = 'caption results, a list of {"image_id": 139, "caption": "a man ..."}'


class CocoImage(msgspec.Struct, gc=False):
    """An image of a COCO file; `domain` stands in nocaps only."""

    id: SampleId
    file_name: str
    domain: str = ""


class CocoCaption(msgspec.Struct, gc=False):
    """A caption of a COCO file."""

    image_id: SampleId
    caption: str


class CocoFile(msgspec.Struct, gc=False):
    """A caption file in COCO's format; without annotations where the captions are held back."""

    images: list[CocoImage]
    annotations: list[CocoCaption] = []

    def captions_of_images(self) -> dict[SampleId, list[str]]:
        """Return every image's captions, images and captions in the order of the file."""
        found: dict[SampleId, list[str]] = {image.id: [] for image in self.images}
        for annotation in self.annotations:
            found[annotation.image_id].append(annotation.caption)
        return found


class Result(msgspec.Struct, gc=False):
    """A record of a caption result file."""

    image_id: SampleId
    caption: str


def read_coco_captions(path: Path, what: str, source: str) -> CocoFile:
    """Return the images and captions of a file in COCO's format.

    Raises:
        UserError: the file is missing or not of that format, an image stands there twice, or a
            caption is of an image that does not.
    """
    content = read_bytes(path, what, source)
    file = fast(content, CocoFile) or _careful(path, content, what)
    refuse_repeated(path, (image.id for image in file.images), "image")
    known = {image.id for image in file.images}
    strays = [one.image_id for one in file.annotations if one.image_id not in known]
    if strays:
        raise UserError(
            f"{path}: a caption is of image {shortened(strays[0])}, which is not among its images"
            f"{other_spelling(strays[0], known)} ({len(strays)} such captions)"
        )
    return file


def _careful(path: Path, content: bytes, what: str) -> CocoFile:
    """Return a file that msgspec refuses: ids as whole floats, say; or raise a UserError."""
    value = parsed(path, content, what)
    images = converted(path, parsed_list(path, content, "images", what), CocoImage, "image", ["id"])
    if "annotations" not in value:
        return CocoFile(images)
    captions = parsed_list(path, content, "annotations", what)
    return CocoFile(images, converted(path, captions, CocoCaption, "caption", ["image_id"]))


def read_caption_results(path: Path) -> dict[SampleId, str]:
    """Return the caption by image id of a result file.

    Raises:
        UserError: the file is missing, not a list of results, or has an image twice.
    """
    content = read_bytes(path, RESULTS_FORMAT)
    results = read_records(path, content, Result, RESULTS_FORMAT, ids=["image_id"])
    refuse_repeated(path, (result.image_id for result in results), "image")
    return {result.image_id: result.caption for result in results}


def write_caption_results(predictions: Mapping[SampleId, str], path: Path) -> None:
    """Write a result file, as COCO's and nocaps' servers take it."""
    records = [{"image_id": name, "caption": caption} for name, caption in predictions.items()]
    write_text(path, json.dumps(records) + "\n")
