"""What is drawn and how much of it: the image folders of a world and their sizes."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from evalsuite.records.errors import UserError
from evalsuite.tinyworld.draw import picture
from evalsuite.tinyworld.files import jpeg, write_bytes
from evalsuite.tinyworld.scene import Scene, scene

PIXELS = 64  # side of most images: halved to the tiny backbone's 32, so every edge is soft

# The number that seeds a folder's scenes: never to change, or the world does.
STREAMS = {"train2014": 1, "val2014": 2, "test2015": 3}
# Images of each folder: mini for tests, small to teach a tiny model in minutes, full to pretrain.
SIZES: dict[str, dict[str, int]] = {
    "mini": {"train2014": 40, "val2014": 20, "test2015": 8},
    "small": {"train2014": 12000, "val2014": 1100, "test2015": 300},
    "full": {"train2014": 80000, "val2014": 5000, "test2015": 2000},
}
# The 2014 and 2015 folders of COCO share one set of image ids; so do ours, with gaps as COCO's.
ID_STEP = 7


class World(NamedTuple):
    """Where a world lies, its seed, and how many images each folder holds."""

    folder: Path
    seed: int
    counts: Mapping[str, int]

    def scenes(self, name: str) -> Iterator[tuple[int, Scene]]:
        """Yield (image id, scene) of a folder."""
        for index in range(self.counts[name]):
            yield image_id(name, index), scene(self.seed, STREAMS[name], index)


def counts_of(size: str) -> dict[str, int]:
    """Return the number of images of each folder.

    Raises:
        UserError: there is no such size.
    """
    if size not in SIZES:
        raise UserError(f"no tiny world of size {size!r}; there are {', '.join(SIZES)}")
    return SIZES[size]


def image_id(name: str, index: int) -> int:
    """Return the COCO id of image `index` of a folder."""
    return ID_STEP * (index + 1) + STREAMS[name]


def coco_name(name: str, number: int) -> str:
    """Return the official file name of an image of the 2014 and 2015 folders."""
    return f"COCO_{name}_{number:012d}.jpg"


def write_coco_images(world: World, name: str) -> None:
    """Draw the images of `coco/<name>` that are not there yet."""
    folder = world.folder / "coco" / name
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in world.scenes(name):
        path = folder / coco_name(name, number)
        if not path.exists():
            write_bytes(path, jpeg(picture(one, PIXELS)))
