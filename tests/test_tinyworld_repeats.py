"""The tiny world is one and the same from any start and on any processor: pixels and records."""

import hashlib
import json
import os
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest
from PIL import Image

from evalsuite.tinyworld.write import BENCHMARKS, PARTS, write_world

# Of the mini world of seed 0. Whoever changes one raises the part's revision in write.py.
RECORDED = {
    "coco/train2014": "c74a8a640a8efaf8",
    "coco/val2014": "a555885e20a80cc6",
    "coco/test2015": "1334190df259a9bd",
    "vqav2": "bcae3441e77490b7",
    "coco/annotations/captions_train2014.json": "10dd99a276505bf4",
    "coco/annotations/captions_val2014.json": "8193ebc0e603b9e2",
    "karpathy/dataset_coco.json": "a3f2942f5e2bbf33",
    "flickr30k-images": "72a54795d4ae66f8",
    "karpathy/dataset_flickr30k.json": "d16af71927ff8d6b",
    "nocaps": "2feb72969ebef028",
    "nlvr2": "27fa4554eb8ed76d",
    "imagenet/train": "cefc45b8d79dcf5d",
    "imagenet/val": "2616989509ecc7a6",
    "imagenet/LOC_synset_mapping.txt": "3f7f42ee224e7d55",
    "coco/train2017": "1ac6ea398aa29aed",
    "coco/val2017": "0273ef63ab7bb41d",
    "coco/annotations/instances_train2017.json": "956a82b3d3d4d17f",
    "coco/annotations/instances_val2017.json": "11e6c9ea91129297",
    "ADEChallengeData2016": "f0e9bbc67eebf78c",
}
INSTANCES = BENCHMARKS["detection"][2:]


def meaning(path: Path) -> bytes:
    """What a reader gets of a file: decoded pixels, parsed records, or lines."""
    if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
        with Image.open(path) as image:
            return f"{image.mode} {image.size}".encode() + np.asarray(image).tobytes()
    records: Any = path.read_text().splitlines()
    if path.suffix == ".json":
        records = [json.loads(line) for line in records]
    return json.dumps(records, sort_keys=True).encode()


def digests(folder: Path) -> dict[str, str]:
    """The digest of each part over the names and meanings of its files."""
    found = {}
    for part in PARTS:
        path = folder / part
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        whole = hashlib.sha256()
        for file in files:
            if file.is_file():
                whole.update(f"{file.relative_to(folder)} ".encode() + meaning(file))
        found[part] = whole.hexdigest()[:16]
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("fresh") / "world"
    write_world(folder, size="mini")
    return digests(folder)


def test_the_mini_world_has_the_recorded_pixels_and_records(fresh: dict[str, str]) -> None:
    assert fresh == RECORDED


def test_a_world_drawn_in_steps_is_the_one_drawn_at_once(
    fresh: dict[str, str], tmp_path: Path
) -> None:
    for benchmarks in (["vqa"], ["segmentation", "nocaps"], None):
        write_world(tmp_path / "world", size="mini", benchmarks=benchmarks)
    assert digests(tmp_path / "world") == fresh


def test_a_world_of_an_older_evalsuite_becomes_the_one_of_today(
    fresh: dict[str, str], tmp_path: Path
) -> None:
    write_world(tmp_path, size="mini")
    marker = json.loads((tmp_path / "tinyworld.json").read_text())
    for name in INSTANCES:  # areas whose last digit was the processor's
        content = json.loads((tmp_path / name).read_text())
        for record in content["annotations"]:
            record["area"] += 0.0001
        (tmp_path / name).write_text(json.dumps(content))
        marker["parts"][name]["revision"] = 2
    (tmp_path / "tinyworld.json").write_text(json.dumps(marker))
    assert write_world(tmp_path, size="mini").written == INSTANCES
    assert digests(tmp_path) == fresh


def test_areas_do_not_depend_on_the_processors_sums(tmp_path: Path) -> None:
    """Half of all areas end in a 5 beyond the digits kept: a last bit decided their rounding."""
    folders = [tmp_path / name for name in ("own", "limited")]
    write = (
        "import sys; from pathlib import Path; from evalsuite.tinyworld.instances import *; "
        "from evalsuite.tinyworld.world import *; "
        "write_instances(World(Path(sys.argv[1]), 0, counts_of('small')), 'val2017')"
    )
    kernels = {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "X86_V3"}
    for folder, switches in zip(folders, ({}, kernels), strict=True):
        command = [sys.executable, "-c", write, str(folder)]
        run(command, check=True, env={**os.environ, **switches})
    mine, limited = [(folder / INSTANCES[1]).read_bytes() for folder in folders]
    assert mine == limited
