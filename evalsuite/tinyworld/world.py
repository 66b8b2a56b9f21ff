"""What is drawn and how much of it: the image folders of a world and their sizes."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from evalsuite.records.errors import UserError
from evalsuite.tinyworld.draw import picture
from evalsuite.tinyworld.files import jpeg, write_bytes
from evalsuite.tinyworld.scene import Scene, portrait, scene

PIXELS = 64  # side of most images: halved to the tiny backbone's 32, so every edge is soft
DENSE_PIXELS = 128  # side of detection's and segmentation's

ID_STEP = 7
SIZE_NAMES = ("mini", "small", "full")


class Folder(NamedTuple):
    """An image folder: the number that seeds its scenes, and its images in worlds of each size.

    A stream never changes, or the world does. COCO's come first, below `ID_STEP`, so that no two
    of its folders share an image id.
    """

    stream: int
    mini: int
    small: int
    full: int


# Mini is for tests, small teaches a tiny model in minutes, full is for pretraining. For nlvr2 these
# are sets of four pairs of images.
FOLDERS = {
    "train2014": Folder(1, 40, 12000, 80000),
    "val2014": Folder(2, 20, 1100, 5000),
    "test2015": Folder(3, 8, 300, 2000),
    "train2017": Folder(4, 24, 3000, 20000),
    "val2017": Folder(5, 12, 400, 1000),
    "flickr30k": Folder(6, 30, 7000, 31000),
    "nocaps val": Folder(7, 12, 600, 4500),
    "nocaps test": Folder(8, 6, 90, 1000),
    "imagenet train": Folder(9, 48, 7200, 48000),
    "imagenet val": Folder(10, 24, 720, 2400),
    "ade20k training": Folder(11, 16, 3000, 20000),
    "ade20k validation": Folder(12, 8, 300, 2000),
    "nlvr2 train": Folder(13, 6, 1500, 10000),
    "nlvr2 dev": Folder(14, 4, 150, 800),
    "nlvr2 test1": Folder(15, 4, 150, 800),
    "nlvr2 test2": Folder(16, 4, 150, 800),
}
STREAMS = {name: folder.stream for name, folder in FOLDERS.items()}


class World(NamedTuple):
    """Where a world lies, its seed, and how many images each folder holds."""

    folder: Path
    seed: int
    counts: Mapping[str, int]

    def scenes(self, name: str, *, crowds: float = 0.0) -> Iterator[tuple[int, Scene]]:
        """Yield (image id, scene) of a folder."""
        for index in range(self.counts[name]):
            yield image_id(name, index), scene(self.seed, STREAMS[name], index, crowds=crowds)

    def scene(self, name: str, index: int, *, things: int | None = None) -> Scene:
        """Return one scene of a folder, with so many things if that is said."""
        return scene(self.seed, STREAMS[name], index, things=things)

    def portrait(self, name: str, index: int, shape: str, colour: str) -> Scene:
        """Return one scene of a folder with just that thing."""
        return portrait(self.seed, STREAMS[name], index, shape, colour)


def counts_of(size: str) -> dict[str, int]:
    """Return the number of images of each folder.

    Raises:
        UserError: there is no such size.
    """
    if size not in SIZE_NAMES:
        raise UserError(f"no tiny world of size {size!r}; there are {', '.join(SIZE_NAMES)}")
    return {name: folder[1 + SIZE_NAMES.index(size)] for name, folder in FOLDERS.items()}


def image_id(name: str, index: int) -> int:
    """Return the id of image `index` of a COCO folder: with gaps, as COCO's."""
    return ID_STEP * (index + 1) + STREAMS[name]


def coco_name(name: str, number: int) -> str:
    """Return the official file name of an image; since 2017 it is the number alone."""
    return f"{number:012d}.jpg" if name.endswith("2017") else f"COCO_{name}_{number:012d}.jpg"


def write_image(path: Path, scene: Scene, pixels: int = PIXELS) -> None:
    """Draw a scene as JPEG, unless it is there already."""
    if not path.exists():
        write_bytes(path, jpeg(picture(scene, pixels)))


def coco_images(name: str) -> Callable[[World], None]:
    """Return what draws the 2014 or 2015 folder of that name."""

    def write(world: World) -> None:
        folder = world.folder / "coco" / name
        folder.mkdir(parents=True, exist_ok=True)
        for number, one in world.scenes(name):
            write_image(folder / coco_name(name, number), one)

    return write
