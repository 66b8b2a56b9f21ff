"""ImageNet's folders of classes, and ADE20K's label maps, from the same scenes."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from evalsuite.tinyworld.draw import Pixels, mask, picture
from evalsuite.tinyworld.files import jpeg, png, write_bytes
from evalsuite.tinyworld.scene import COLOURS, GROUNDS, SHAPES, Scene
from evalsuite.tinyworld.world import DENSE_PIXELS, World, write_image

# A class is a shape in a colour. The numbers are no synsets of WordNet.
FIRST_WNID = 20_000_001
# Label values from 1 on; 0 is unlabelled.
LABELS = ("sky", *GROUNDS, *SHAPES)
UNLABELLED_ROWS = 2  # on each side of the horizon, as annotators leave seams


class ImageClass(NamedTuple):
    """A class of the tiny world's ImageNet."""

    wnid: str
    shape: str
    colour: str


IMAGE_CLASSES = tuple(
    ImageClass(f"n{FIRST_WNID + number:08d}", shape, colour)
    for number, (shape, colour) in enumerate((s, c) for s in SHAPES for c in COLOURS)
)


def write_imagenet(world: World, split: str) -> None:
    """Draw `imagenet/<split>/<wnid>/`, as many images of each class."""
    for index in range(world.counts[f"imagenet {split}"]):
        one = IMAGE_CLASSES[index % len(IMAGE_CLASSES)]
        folder = world.folder / "imagenet" / split / one.wnid
        folder.mkdir(parents=True, exist_ok=True)
        # Official names: n01440764_10026.JPEG in train, ILSVRC2012_val_00000293.JPEG in val.
        name = f"{one.wnid}_{index}" if split == "train" else f"ILSVRC2012_val_{index + 1:08d}"
        scene = world.portrait(f"imagenet {split}", index, one.shape, one.colour)
        write_image(folder / f"{name}.JPEG", scene)


def write_class_names(world: World) -> None:
    """Write `imagenet/LOC_synset_mapping.txt`: a wnid and its names a line."""
    lines = [f"{one.wnid} {one.colour} {one.shape}\n" for one in IMAGE_CLASSES]
    path = world.folder / "imagenet/LOC_synset_mapping.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, "".join(lines).encode())


def write_ade20k(world: World) -> None:
    """Write `ADEChallengeData2016/`: images, label PNGs, and the names of the labels."""
    root = world.folder / "ADEChallengeData2016"
    counted = np.zeros(len(LABELS) + 1, np.int64)
    for split, short in (("training", "train"), ("validation", "val")):
        folders = [root / kind / split for kind in ("images", "annotations")]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        for index, one in enumerate(_scenes(world, split), start=1):
            stem = f"ADE_{short}_{index:08d}"
            labels = label_map(one)
            counted += np.bincount(labels.ravel(), minlength=len(counted))
            if not (folders[0] / f"{stem}.jpg").exists():
                write_bytes(folders[0] / f"{stem}.jpg", jpeg(picture(one, DENSE_PIXELS)))
            if not (folders[1] / f"{stem}.png").exists():
                write_bytes(folders[1] / f"{stem}.png", png(labels))
    _write_label_names(world, counted)


def label_map(one: Scene) -> Pixels:
    """Return the labels of a scene (DENSE_PIXELS, DENSE_PIXELS): 0 unlabelled, else 1 to 9."""
    labels = np.full((DENSE_PIXELS, DENSE_PIXELS), LABELS.index("sky") + 1, np.uint8)
    seam = round(one.horizon * DENSE_PIXELS)
    labels[seam:] = LABELS.index(one.ground) + 1
    labels[seam - UNLABELLED_ROWS : seam + UNLABELLED_ROWS] = 0
    for thing in one.things:
        labels[mask(thing, DENSE_PIXELS)] = LABELS.index(thing.shape) + 1
    return labels


def _scenes(world: World, split: str) -> Iterator[Scene]:
    """Yield the scenes of a split."""
    for _, one in world.scenes(f"ade20k {split}"):
        yield one


def _write_label_names(world: World, counted: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
    """Write `objectInfo150.txt` with the official columns."""
    lines = ["Idx\tRatio\tTrain\tVal\tStuff\tName"]
    train, val = (world.counts[f"ade20k {split}"] for split in ("training", "validation"))
    for number, name in enumerate(LABELS, start=1):
        ratio = counted[number] / max(1, counted[1:].sum())
        lines.append(f"{number}\t{ratio:.4f}\t{train}\t{val}\t{int(name not in SHAPES)}\t{name}")
    path = world.folder / "ADEChallengeData2016/objectInfo150.txt"
    write_bytes(path, ("\n".join(lines) + "\n").encode())
