"""NLVR2's official files: statements about pairs of scenes, each true of half of its pairs.

As there, a set is eight images in four pairs, and every sentence stands for all four: so its words
alone tell nothing, and consistency (all four right) can be scored.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from evalsuite.tinyworld.draw import picture
from evalsuite.tinyworld.files import png, write_bytes, write_lines
from evalsuite.tinyworld.scene import Scene
from evalsuite.tinyworld.statements import claim, holds, worded
from evalsuite.tinyworld.world import PIXELS, STREAMS, World

NUM_PAIRS = 4
NUM_SENTENCES = {"train": 4, "dev": 2, "test1": 2, "test2": 2}
NUM_DIRECTORIES = 100  # train images are spread over so many folders, 0 to 99
TRIES = 200  # claims tried for a sentence before the set stays short of it
SYNSET, QUERY = "plane figure", "colored shapes{}"


class Statement(NamedTuple):
    """A sentence on one pair of a set, and whether it is true."""

    group: int
    pair: int
    sentence: int
    text: str
    label: bool


def write_nlvr2(world: World) -> None:
    """Write `nlvr2/`: images and one line a statement for train, dev, test1 and test2."""
    for split in NUM_SENTENCES:
        for group in range(world.counts[f"nlvr2 {split}"]):
            _write_images(world, split, group)
        records = [_record(split, one) for one in statements(world, split)]
        write_lines(world.folder / f"nlvr2/data/{split}.json", records)


def statements(world: World, split: str) -> Iterator[Statement]:
    """Yield the statements of a split by set, sentence and pair."""
    rng = np.random.default_rng((world.seed, STREAMS[f"nlvr2 {split}"], 0, 5))
    for group in range(world.counts[f"nlvr2 {split}"]):
        pairs = [_pair(world, split, group, pair) for pair in range(NUM_PAIRS)]
        said: set[str] = set()
        for sentence in range(NUM_SENTENCES[split]):
            found = _balanced(pairs, said, rng)
            if found is None:
                continue
            text, labels = found
            said.add(text)
            for pair, label in enumerate(labels):
                yield Statement(group, pair, sentence, text, label)


def _balanced(
    pairs: list[tuple[Scene, Scene]], said: set[str], rng: np.random.Generator
) -> tuple[str, list[bool]] | None:
    """Return a sentence that is true of half of the pairs, with its labels."""
    for _ in range(TRIES):
        one = claim(rng)
        labels = [holds(one, left, right) for left, right in pairs]
        if sum(labels) == NUM_PAIRS // 2:
            text = worded(one, rng)
            if text not in said:
                return text, labels
    return None


def _pair(world: World, split: str, group: int, pair: int) -> tuple[Scene, Scene]:
    """Return the two scenes of a pair."""
    first = 2 * (group * NUM_PAIRS + pair)
    left, right = (world.scene(f"nlvr2 {split}", first + side) for side in range(2))
    return left, right


def _write_images(world: World, split: str, group: int) -> None:
    """Draw the images of a set that are not there yet."""
    folder = world.folder / "nlvr2/images" / split
    if split == "train":
        folder = folder / str(group % NUM_DIRECTORIES)
    folder.mkdir(parents=True, exist_ok=True)
    for pair in range(NUM_PAIRS):
        for side, one in enumerate(_pair(world, split, group, pair)):
            path = folder / f"{split}-{group}-{pair}-img{side}.png"
            if not path.exists():
                write_bytes(path, png(picture(one, PIXELS)))


def _record(split: str, one: Statement) -> dict[str, Any]:
    """Return one line of an official file; train's has a directory, the others validations."""
    label = str(one.label)
    stem = f"{split}-{one.group}-{one.pair}"
    start: dict[str, Any] = {} if split == "train" else {"validation": {"1": label}}
    record = {
        "sentence": one.text,
        "left_url": f"tinyworld://nlvr2/{stem}-img0.png",
        "writer": "0",
        "label": label,
        "synset": SYNSET,
        "query": QUERY.format(one.group),
        "right_url": f"tinyworld://nlvr2/{stem}-img1.png",
        "identifier": f"{stem}-{one.sentence}",
    }
    if split == "train":
        return {**record, "directory": one.group % NUM_DIRECTORIES}
    return {**start, **record, "extra_validations": {"2": label}}
