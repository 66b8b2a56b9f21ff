"""The tiny world in the other benchmarks' official layouts: fields, files and truth."""

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_length_masks
from pycocotools.coco import COCO

from evalsuite.tinyworld.captioning import NOCAPS_DOMAINS
from evalsuite.tinyworld.captions import captions
from evalsuite.tinyworld.classes import IMAGE_CLASSES, LABELS
from evalsuite.tinyworld.draw import FILL, PALE, mask
from evalsuite.tinyworld.instances import CATEGORIES, CROWDS, run_lengths
from evalsuite.tinyworld.nlvr2 import statements
from evalsuite.tinyworld.scene import GROUNDS, Scene, scene
from evalsuite.tinyworld.world import STREAMS, World, counts_of, image_id
from evalsuite.tinyworld.write import BENCHMARKS, write_world

# Fields as in the official files of cocodataset.org (flickr_url aside), nlvr2 and Karpathy's.
COCO_IMAGE = {"license", "file_name", "coco_url", "height", "width", "date_captured", "id"}
COCO_INSTANCE = {"segmentation", "area", "iscrowd", "image_id", "bbox", "category_id", "id"}
COCO_CATEGORY = {"supercategory", "id", "name"}
KARPATHY_IMAGE = {"filepath", "sentids", "filename", "imgid", "split", "sentences", "cocoid"}
NLVR2_LINE = ["validation", "sentence", "left_url", "writer", "label", "synset", "query"]
NLVR2_LINE += ["right_url", "identifier", "extra_validations"]
SEED = 0


@pytest.fixture(scope="module")
def mini(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "mini"
    write_world(folder, size="mini", seed=SEED)
    return folder


def loaded(path: Path) -> Any:
    return json.loads(path.read_text())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def facts(text: str) -> list[set[str]]:
    """Return what a caption says of each thing, synonyms resolved, by splitting its text."""
    for other, word in (
        ("plus sign", "cross"), ("box", "square"), ("block", "square"), ("circle", "ring"),
        ("hoop", "ring"), ("pyramid", "triangle"), ("grey", "gray"), ("violet", "purple"),
        ("large", "big"), ("little", "small"), ("a picture of", ""), ("an image that shows", ""),
        ("there is", ""),
    ):  # fmt: skip
        text = re.sub(rf"\b{other}\b", word, text.lower())
    return [set(re.findall(r"[a-z]+", part)) for part in re.split(r"\ba ", text)[1:]]


def described(one: Scene) -> list[set[str]]:
    return [{t.colour, t.shape, t.size, *t.place.split()} for t in one.things]


def test_captions_name_every_thing_and_say_nothing_false() -> None:
    attributes = {"red", "green", "blue", "yellow", "purple", "gray", "square", "ring", "triangle"}
    attributes |= {"cross", "big", "small", "top", "bottom", "left", "right"}
    for index in range(400):
        one = scene(SEED, STREAMS["val2014"], index)
        for text in captions(one):
            parts = facts(re.sub(r"to the left of|left of", "beside", text.lower()))
            assert len(parts) == len(one.things), text
            for part in parts:
                assert any(part & attributes <= thing for thing in described(one)), (text, one)
            assert {ground for ground in GROUNDS if ground in text} <= {one.ground}


def test_relations_in_captions_hold() -> None:
    checked = 0
    for index in range(400):
        one = scene(SEED, STREAMS["val2014"], index)
        for text in captions(one):
            found = re.search(r"(left of|above|over|higher than|next to|beside) a ", text)
            if found:
                first, second = (
                    next(t for t in one.things if {t.colour, t.shape} <= part)
                    for part in facts(text.replace("to the left of", "").replace("left of", ""))[:2]
                )
                if found[1] == "left of":
                    assert second.x - first.x > 0.1
                elif found[1] in ("next to", "beside"):
                    assert abs(second.y - first.y) < 0.2
                else:
                    assert second.y - first.y > 0.1
                checked += 1
    assert checked > 100


def test_captions_are_five_different_ones_in_both_official_files(mini: Path) -> None:
    official = defaultdict(list)
    content = loaded(mini / "coco/annotations/captions_val2014.json")
    assert list(content) == ["info", "images", "licenses", "annotations"]
    assert {frozenset(image) for image in content["images"]} == {frozenset(COCO_IMAGE)}
    for record in content["annotations"]:
        assert list(record) == ["image_id", "id", "caption"]
        official[record["image_id"]].append((record["id"], record["caption"]))
    images = loaded(mini / "karpathy/dataset_coco.json")["images"]
    assert {frozenset(image) for image in images} == {frozenset(KARPATHY_IMAGE)}
    for image in images:
        assert (mini / "coco" / image["filepath"] / image["filename"]).is_file()
        if image["filepath"] == "val2014":
            sentences = [(s["sentid"], s["raw"]) for s in image["sentences"]]
            assert sentences == official[image["cocoid"]]
            assert len({raw for _, raw in sentences}) == 5


def test_karpathy_splits_are_those_of_the_official_files(mini: Path) -> None:
    splits = defaultdict(set)
    for image in loaded(mini / "karpathy/dataset_coco.json")["images"]:
        splits[image["filepath"]].add(image["split"])
    assert splits == {"train2014": {"train"}, "val2014": {"val", "test", "restval"}}
    flickr = loaded(mini / "karpathy/dataset_flickr30k.json")
    assert flickr["dataset"] == "flickr30k"
    assert {image["split"] for image in flickr["images"]} == {"train", "val", "test"}
    assert all((mini / "flickr30k-images" / i["filename"]).is_file() for i in flickr["images"])


def test_a_nocaps_domain_is_a_number_of_things(mini: Path) -> None:
    content = loaded(mini / "nocaps/nocaps_val_4500_captions.json")
    texts = defaultdict(list)
    for record in content["annotations"]:
        texts[record["image_id"]].append(record["caption"])
    for image in content["images"]:
        assert (mini / "nocaps/val" / image["file_name"]).is_file()
        assert len(set(texts[image["id"]])) == 10
        assert {len(facts(t)) for t in texts[image["id"]]} == {NOCAPS_DOMAINS[image["domain"]]}
    assert "annotations" not in loaded(mini / "nocaps/nocaps_test_image_info.json")


def test_nlvr2_lines_have_the_official_fields_and_images(mini: Path) -> None:
    for split in ("dev", "test1", "test2", "train"):
        for record in lines(mini / f"nlvr2/data/{split}.json"):
            assert list(record) == (
                [*NLVR2_LINE[1:-1], "directory"] if split == "train" else NLVR2_LINE
            )
            folder = mini / "nlvr2/images" / split / str(record.get("directory", ""))
            stem = record["identifier"].rpartition("-")[0]
            for side in range(2):
                with Image.open(folder / f"{stem}-img{side}.png") as image:
                    assert (image.format, image.size) == ("PNG", (64, 64))


def test_an_nlvr2_sentence_is_true_of_half_of_its_pairs(mini: Path) -> None:
    labels = defaultdict(list)
    for record in lines(mini / "nlvr2/data/train.json"):
        group, sentence = record["identifier"].split("-")[1::2]
        labels[group, sentence, record["sentence"]].append(record["label"])
    assert {tuple(sorted(given)) for given in labels.values()} == {
        ("False", "False", "True", "True")
    }


def said_of(text: str, left: Scene, right: Scene) -> bool | None:
    """Return whether a sentence holds, read from its words; None for forms not read here."""
    text = re.sub(r"\b(square|ring|triangle)s\b", r"\1", text.lower()).replace("crosses", "cross")
    names = {"red", "green", "blue", "yellow", "purple", "gray", "square", "ring", "triangle"}
    wanted = (names | {"cross"}) & set(re.findall("[a-z]+", text))
    counts = [
        sum(wanted <= {thing.colour, thing.shape} for thing in one.things) for one in (left, right)
    ]
    if "in total" in text or "in all" in text:
        return sum(counts) == (1 if " one " in text else 2)
    if re.match("both|each", text):
        return min(counts) > 0
    if re.search("at least one image|one or both|at least one of", text):
        return max(counts) > 0
    near = 0 if re.search(r"(left image|on the left|image on the left)", text) else 1
    if " more " in text:
        near = 0 if re.search(r"left (image has|on)|on the left than", text) else 1
        return counts[near] > counts[1 - near]
    if "exactly" in text:
        return counts[near] == (1 if "exactly one" in text else 2)
    if " no " in text or " not " in text:
        return counts[near] == 0
    return counts[near] > 0


def test_nlvr2_labels_are_true_by_reading_the_sentence() -> None:
    world = World(Path("unused"), SEED, {**counts_of("mini"), "nlvr2 dev": 120})
    checked = 0
    for one in statements(world, "dev"):
        first = 2 * (one.group * 4 + one.pair)
        left, right = (world.scene("nlvr2 dev", first + side) for side in range(2))
        assert said_of(one.text, left, right) == one.label, one
        checked += 1
    assert checked > 700


def test_coco_instances_have_the_official_fields_and_load(mini: Path) -> None:
    path = mini / "coco/annotations/instances_train2017.json"
    content = loaded(path)
    assert list(content) == ["info", "licenses", "images", "annotations", "categories"]
    assert {frozenset(image) for image in content["images"]} == {frozenset(COCO_IMAGE)}
    assert {frozenset(record) for record in content["annotations"]} == {frozenset(COCO_INSTANCE)}
    assert {frozenset(category) for category in content["categories"]} == {frozenset(COCO_CATEGORY)}
    # The first 24 of the official ids: 1 to 11, 13 to 25.
    assert [one["id"] for one in content["categories"]] == [*range(1, 12), *range(13, 26)]
    assert len({one["name"] for one in content["categories"]}) == 24
    curves = {one["name"] for one in content["categories"] if one["supercategory"] == "curve"}
    assert curves == {f"{colour} ring" for colour in FILL}
    assert len({record["id"] for record in content["annotations"]}) == len(content["annotations"])
    for image in content["images"]:
        assert (mini / "coco/train2017" / image["file_name"]).is_file()


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools under numpy 2
def test_polygons_boxes_and_areas_are_those_of_the_drawn_things(mini: Path) -> None:
    official = COCO(mini / "coco/annotations/instances_train2017.json")
    names = {category["id"]: category["name"] for category in CATEGORIES}
    for index in range(counts_of("mini")["train2017"]):
        one = scene(SEED, STREAMS["train2017"], index, crowds=CROWDS)
        records = official.loadAnns(
            official.getAnnIds(imgIds=[image_id("train2017", index)], iscrowd=False)
        )
        assert len(records) == len(one.things)
        for record, thing in zip(records, one.things, strict=True):
            drawn, polygon = mask(thing, 128), official.annToMask(record).astype(bool)
            assert names[record["category_id"]] == f"{thing.colour} {thing.shape}"
            assert (drawn & polygon).sum() / (drawn | polygon).sum() > 0.93
            assert record["area"] == pytest.approx(mask(thing, 1024).sum() / 64, rel=0.01)
            side = 256 * thing.half
            box = [128 * thing.x - side / 2, 128 * thing.y - side / 2, side, side]
            assert record["bbox"] == pytest.approx(box, abs=0.02)


def official_mask(record: dict[str, Any]) -> Any:
    encoded = run_length_masks.frPyObjects(record["segmentation"], 128, 128)
    return run_length_masks.decode(encoded).astype(bool)


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools under numpy 2
def test_a_crowd_is_one_region_of_run_lengths(mini: Path) -> None:
    content = loaded(mini / "coco/annotations/instances_train2017.json")
    crowds = [record for record in content["annotations"] if record["iscrowd"]]
    assert crowds
    names = {category["id"]: category["name"] for category in content["categories"]}
    for record in crowds:
        with Image.open(mini / f"coco/train2017/{record['image_id']:012d}.jpg") as image:
            inside = np.asarray(image)[official_mask(record)]
        colour = min(FILL, key=lambda name: np.abs(np.median(inside, axis=0) - FILL[name]).sum())
        assert names[record["category_id"]] == f"{colour} square"
        counts = record["segmentation"]["counts"]
        assert record["segmentation"]["size"] == [128, 128]
        assert sum(counts) == 128 * 128
        assert sum(counts[1::2]) == record["area"]


def test_run_lengths_begin_with_zeros_even_if_the_first_pixel_is_set() -> None:
    assert run_lengths(np.array([[True, False], [True, True]])) == [0, 2, 1, 1]
    assert run_lengths(np.array([[False, False], [True, True]])) == [1, 1, 1, 1]


def test_imagenet_has_every_class_in_train_and_val(mini: Path) -> None:
    names = (mini / "imagenet/LOC_synset_mapping.txt").read_text().splitlines()
    assert [line.split(" ", 1)[0] for line in names] == [one.wnid for one in IMAGE_CLASSES]
    for split, each in (("train", 2), ("val", 1)):
        folders = sorted(path.name for path in (mini / "imagenet" / split).iterdir())
        assert folders == sorted(one.wnid for one in IMAGE_CLASSES)
        for name in folders:
            files = sorted((mini / "imagenet" / split / name).glob("*.JPEG"))
            assert len(files) == each
            assert split == "val" or all(path.name.startswith(name) for path in files)


def test_ade20k_labels_lie_on_the_pixels_of_their_colours(mini: Path) -> None:
    root = mini / "ADEChallengeData2016"
    paths = sorted((root / "images/validation").glob("*.jpg"))
    assert len(paths) == 8
    for path in paths:
        pixels = np.asarray(Image.open(path)).astype(float)
        label = np.asarray(Image.open(root / f"annotations/validation/{path.stem}.png"))
        assert label.dtype == np.uint8 and label.shape == pixels.shape[:2]
        assert 0 < (label == 0).mean() < 0.04
        for value in range(1, 10):
            if (label == value).sum() > 50:
                colour = np.median(pixels[label == value], axis=0)
                palette = {**FILL, **PALE}
                nearest = min(palette, key=lambda name: np.abs(palette[name] - colour).sum())
                expected = LABELS[value - 1]
                assert nearest == expected if expected in PALE else nearest in FILL


def test_a_benchmark_alone_draws_only_what_it_needs(tmp_path: Path) -> None:
    for name in ("nlvr2", "imagenet", "detection", "segmentation", "retrieval_flickr30k"):
        summary = write_world(tmp_path / name, size="mini", benchmarks=[name])
        assert summary.written == BENCHMARKS[name]
        assert not (tmp_path / name / "vqav2").exists()
