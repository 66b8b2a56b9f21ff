"""Time, memory and size of `evalsuite report` on a run of the whole VQAv2 val, 214,354 samples.

    python benchmarks/page.py [FOLDER]

The questions, answers and humans are those of bench_vqa.py, the images 20 photographs' worth of
noise under the official names. The report runs in a process of its own, twice: with nothing
scored yet, and again.
"""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench_vqa import SUBSET, make_inputs
from evalsuite.tasks.vqa.card import image_path
from PIL import Image

from evalsuite.records.run import Run
from evalsuite.verbs.report import report

NUM_PHOTOS = 20
SIZE = (640, 480)  # pixels: the size of most COCO photographs


def make_run(folder: Path) -> Path:
    """Write official files, images and a run with its journal; return the run's folder."""
    make_inputs(folder, 0)
    results = json.loads((folder / "results.json").read_text())
    identity: dict[str, Any] = {"task": "vqa", "backbone": "beit3_base", "weights": None}
    identity |= {"seed": 0, "limit": None}
    identity |= {"recipe": {"source": "none", "image_size": 480}, "data": "0" * 64}
    session: dict[str, Any] = {
        "command": "evalsuite eval vqa",
        "started": "now",
        "commit": None,
        "device": "cpu",
    }
    session |= {"processes": 1, "precision": "no", "versions": {}}
    run = Run.continue_or_create(Run.folder_of(folder / "runs", identity), identity, session)
    weights = {"origin": "none", "sha256": None, "fine_tuned_here": False, "keys": None}
    source = {"folder": str(folder), "name": None, "fingerprint": "1" * 64}
    run.facts.update(weights=weights, phases={}, split="val")
    run.facts["splits"] = {"val": {**source, "num_samples": len(results)}}
    run.save()
    with run.journal("val", 0) as journal:
        journal.add({one["question_id"]: one["answer"] for one in results}, {})
    _make_images(folder, {one["question_id"] // 1000 for one in results})
    return run.folder


def _make_images(folder: Path, ids: set[int]) -> None:
    """Write the images, each file a link to one of a few photographs."""
    generator = np.random.default_rng(0)
    first = folder / image_path(SUBSET, 0)
    first.parent.mkdir(parents=True, exist_ok=True)
    for number in range(NUM_PHOTOS):
        coarse = generator.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        content = io.BytesIO()
        Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC).save(content, "JPEG")
        (folder / f"photo-{number}.jpg").write_bytes(content.getvalue())
    for number, image_id in enumerate(sorted(ids)):
        os.link(folder / f"photo-{number % NUM_PHOTOS}.jpg", folder / image_path(SUBSET, image_id))


def measure(run: Path, out: Path) -> dict[str, float]:
    """Write the report of a run; return seconds of CPU, MB at the peak, and MB of the page."""
    start = time.process_time()
    page = report([run], out)
    seconds = time.process_time() - start
    # ru_maxrss would be the parent's; the peak of proc(5) begins with this process.
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024  # from KiB
    return {"cpu_s": seconds, "peak_MB": peak, "page_MB": page.stat().st_size / 1e6}


def main(folder: Path) -> None:
    """Make the run and print what two reports of it take."""
    run = make_run(folder)
    os.environ["EVALSUITE_CACHE"] = str(folder / "cache")
    for what in ("first report, scores included", "again"):
        command = [sys.executable, __file__, "--measure", str(run), str(folder / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        said = json.loads(done.stdout.splitlines()[-1])
        print(f"{what}: " + ", ".join(f"{name} {value:.1f}" for name, value in said.items()))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(Path(sys.argv[2]), Path(sys.argv[3]))))
    elif sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
