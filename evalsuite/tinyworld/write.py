"""Writes a world into a folder; what is there is kept, what is old or torn is written anew."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from evalsuite.records.errors import UserError
from evalsuite.tinyworld.captioning import (
    write_captions,
    write_flickr,
    write_karpathy_coco,
    write_karpathy_flickr,
    write_nocaps,
)
from evalsuite.tinyworld.classes import write_ade20k, write_class_names, write_imagenet
from evalsuite.tinyworld.files import tree_digest, write_json
from evalsuite.tinyworld.instances import write_dense_images, write_instances
from evalsuite.tinyworld.marker import MARKER
from evalsuite.tinyworld.nlvr2 import write_nlvr2
from evalsuite.tinyworld.vqa import write_vqa
from evalsuite.tinyworld.world import World, coco_images, counts_of

VERSION = 1  # raised when the same seed gives other images
# A part's number is raised when it changes and the others stay: it alone is then written anew.
REVISIONS = {
    # 2: 24 categories instead of the 4 shapes; 3: areas that are the same on every processor.
    "coco/annotations/instances_train2017.json": 3,
    "coco/annotations/instances_val2017.json": 3,
}


class WorldSummary(NamedTuple):
    """What a world holds; `written` names the parts that this call wrote, in `seconds`."""

    folder: Path
    seed: int
    size: str
    files: int
    written: tuple[str, ...]
    seconds: float


# A part is a file or folder of the world, and what writes it.
PARTS: dict[str, Callable[[World], None]] = {
    "coco/train2014": coco_images("train2014"),
    "coco/val2014": coco_images("val2014"),
    "coco/test2015": coco_images("test2015"),
    "vqav2": write_vqa,
    "coco/annotations/captions_train2014.json": lambda world: write_captions(world, "train2014"),
    "coco/annotations/captions_val2014.json": lambda world: write_captions(world, "val2014"),
    "karpathy/dataset_coco.json": write_karpathy_coco,
    "flickr30k-images": write_flickr,
    "karpathy/dataset_flickr30k.json": write_karpathy_flickr,
    "nocaps": write_nocaps,
    "nlvr2": write_nlvr2,
    "imagenet/train": lambda world: write_imagenet(world, "train"),
    "imagenet/val": lambda world: write_imagenet(world, "val"),
    "imagenet/LOC_synset_mapping.txt": write_class_names,
    "coco/train2017": lambda world: write_dense_images(world, "train2017"),
    "coco/val2017": lambda world: write_dense_images(world, "val2017"),
    "coco/annotations/instances_train2017.json": lambda world: write_instances(world, "train2017"),
    "coco/annotations/instances_val2017.json": lambda world: write_instances(world, "val2017"),
    "ADEChallengeData2016": write_ade20k,
}
COCO_CAPTIONS = (
    "coco/train2014",
    "coco/val2014",
    "coco/annotations/captions_train2014.json",
    "coco/annotations/captions_val2014.json",
    "karpathy/dataset_coco.json",
)
# The parts that a benchmark needs, by the names of the tasks.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "vqa": ("coco/train2014", "coco/val2014", "coco/test2015", "vqav2"),
    "nlvr2": ("nlvr2",),
    "captioning": COCO_CAPTIONS,
    "nocaps": (*COCO_CAPTIONS, "nocaps"),
    "retrieval_coco": COCO_CAPTIONS,
    "retrieval_flickr30k": ("flickr30k-images", "karpathy/dataset_flickr30k.json"),
    "imagenet": ("imagenet/train", "imagenet/val", "imagenet/LOC_synset_mapping.txt"),
    "detection": (
        "coco/train2017",
        "coco/val2017",
        "coco/annotations/instances_train2017.json",
        "coco/annotations/instances_val2017.json",
    ),
    "segmentation": ("ADEChallengeData2016",),
}


def write_world(
    folder: Path,
    *,
    seed: int = 0,
    size: str = "small",
    benchmarks: Iterable[str] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> WorldSummary:
    """Write what the benchmarks need (all of them by default) and return what the world holds.

    Same seed and size, same bytes on any processor (with the same Pillow and numpy). A second call
    writes nothing; a call after an interrupted one, or for more benchmarks, writes what is missing,
    and one after an older evalsuite's what has changed since.

    Args:
        say: takes a line of progress for every part.

    Raises:
        UserError: the folder holds something else or another world, or a name is unknown.
    """
    start = time.monotonic()
    wanted = _wanted_parts(benchmarks)
    world = World(folder, seed, counts_of(size))
    marker = _opened(folder, seed, size)
    written = []
    for name in wanted:
        if _is_drawn(marker, folder, name):
            continue
        say(f"drawing {folder / name}")
        PARTS[name](world)
        entries = {**marker["parts"], name: _entry(folder, name)}
        marker["parts"] = {part: entries[part] for part in PARTS if part in entries}
        write_json(folder / MARKER, marker)
        written.append(name)
    files = sum(int(part["files"]) for part in marker["parts"].values())
    return WorldSummary(folder, seed, size, files, tuple(written), time.monotonic() - start)


def _wanted_parts(benchmarks: Iterable[str] | None) -> list[str]:
    """Return the parts of the benchmarks, each once."""
    names = list(BENCHMARKS if benchmarks is None else benchmarks)
    for name in names:
        if name not in BENCHMARKS:
            raise UserError(f"the tiny world has no {name!r}; it has {', '.join(BENCHMARKS)}")
    return list(dict.fromkeys(part for name in names for part in BENCHMARKS[name]))


def _opened(folder: Path, seed: int, size: str) -> dict[str, Any]:
    """Return the folder's marker, made if the folder is new."""
    settings = {"version": VERSION, "seed": seed, "size": size}
    path = folder / MARKER
    if path.exists():
        marker: dict[str, Any] = json.loads(path.read_text())
        found = {key: marker.get(key) for key in settings}
        if found != settings:
            raise UserError(
                f"{folder} holds a tiny world of {_said(found)}, not of {_said(settings)}: "
                "name another folder or remove this one"
            )
        return marker
    if folder.exists() and (not folder.is_dir() or _foreign(folder)):
        raise UserError(
            f"{folder} exists but is not a tiny world (no {MARKER} in it): name a new folder"
        )
    marker = {**settings, "parts": {}}
    write_json(path, marker)
    return marker


def _foreign(folder: Path) -> list[Path]:
    """Return what lies in the folder, half-written markers aside."""
    return [path for path in folder.iterdir() if not path.name.startswith(f".{MARKER}.")]


def _said(settings: dict[str, Any]) -> str:
    """Return the settings in words."""
    return ", ".join(f"{key} {value}" for key, value in settings.items())


def _is_drawn(marker: dict[str, Any], folder: Path, name: str) -> bool:
    """Return whether a part is there as it is written today."""
    part = marker["parts"].get(name)
    if part is None or not (folder / name).exists():
        return False
    return bool(part.get("revision", 1) == REVISIONS.get(name, 1))


def _entry(folder: Path, name: str) -> dict[str, Any]:
    """Return a finished part's count, hash and revision; remove an interrupted call's leftovers."""
    path = folder / name
    for leftover in (path if path.is_dir() else path.parent).rglob(".*.tmp"):
        leftover.unlink(missing_ok=True)
    files, digest = tree_digest(path)
    return {"files": files, "sha256": digest, "revision": REVISIONS.get(name, 1)}
