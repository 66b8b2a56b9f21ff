"""NLVR2 accuracy and consistency: 6,967 examples, official files on disk to scores.

The official script is read from a checkout that $EVALSUITE_NLVR2_ORACLE names.
"""

import json
import runpy
import sys
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from evalsuite.tasks.nlvr2.benchmark import BENCHMARK
from evalsuite.tasks.nlvr2.official import HINT, SCRIPT, official_checkout
from harness import Bench, Engine, Floor, main

NUM_EXAMPLES = 6967  # of test1
SPLIT = "test1"


def make_inputs(folder: Path, seed: int) -> None:
    """Write test1.json, about 3.5 pairs a sentence, and predictions that are mostly right."""
    generator = np.random.default_rng(seed)
    (folder / "nlvr2/data").mkdir(parents=True, exist_ok=True)
    examples: list[str] = []
    predictions: list[str] = []
    place = 0
    while len(examples) < NUM_EXAMPLES:
        for pair in range(4):
            if generator.random() < 0.12:
                continue
            label = bool(generator.random() < 0.5)
            record = {
                "validation": {"61": str(label)},
                "sentence": f"The right image shows {place} walkways of dark glass in the dirt.",
                "left_url": f"https://images.example/{place}/{pair}/left.jpg",
                "writer": "61",
                "label": str(label),
                "right_url": f"https://images.example/{place}/{pair}/right.jpg",
                "synset": "beer bottle",
                "query": "some beer bottles38",
                "identifier": f"test1-{place // 2}-{pair}-{place % 2}",
                "extra_validations": {"154": str(label), "139": "False", "149": "False"},
            }
            examples.append(json.dumps(record) + "\n")
            said = label if generator.random() < 0.85 else not label
            predictions.append(f"{record['identifier']},{said}\n")
        place += 1
    (folder / "nlvr2/data/test1.json").write_text("".join(examples[:NUM_EXAMPLES]))
    (folder / "results.csv").write_text("".join(predictions[:NUM_EXAMPLES]))


def _official(folder: Path) -> dict[str, Any]:
    """Return what the official script prints, run in this process."""
    checkout = official_checkout()
    if checkout is None:
        raise SystemExit(HINT)
    script = str(checkout / SCRIPT)
    sys.argv = [script, str(folder / "results.csv"), str(folder / "nlvr2/data/test1.json")]
    printed = StringIO()
    with redirect_stdout(printed):
        runpy.run_path(script)
    lines = (line.split("=") for line in printed.getvalue().splitlines())
    return {name: 100 * float(value) for name, value in lines}


def _ours(folder: Path) -> dict[str, Any]:
    """Return our scores."""
    references = BENCHMARK.references(folder, SPLIT)
    predictions = BENCHMARK.read_predictions(folder / "results.csv")
    scores = BENCHMARK.score(predictions, references, interval=False)
    return {score.name: score.value for score in scores}


BENCH = Bench(
    name="nlvr2",
    title="NLVR2 accuracy and consistency",
    size=f"{NUM_EXAMPLES:,} examples",
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=lambda: None, load=lambda folder: folder, score=_official),
        "ours": Engine(warm=lambda: None, load=lambda folder: folder, score=_ours),
    },
    floors={"ours": Floor(1, None)},
)

if __name__ == "__main__":
    main(BENCH)
