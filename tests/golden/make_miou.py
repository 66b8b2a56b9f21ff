"""Make miou.json: small label maps with the scores of mmsegmentation's IoUMetric.

Run `python tests/golden/make_miou.py` where mmsegmentation and mmcv-lite are installed.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.metrics.official_miou import official_miou

NUM_CLASSES = 5


def main() -> None:
    """Write the golden file beside this script."""
    generator = np.random.default_rng(0)
    truths = {
        "unlabelled and ignored": [0, 255, 1, 2, 3, 4, 5],
        "classes absent in both": [0, 1, 2],
        "predicted but absent": [4],
        "all unlabelled but one": [0, 0, 0, 0, 0, 0, 255, 1],
    }
    cases = [_case(generator, name, values) for name, values in truths.items()]
    Path(__file__).with_name("miou.json").write_text(json.dumps(cases) + "\n")


def _case(generator: np.random.Generator, name: str, values: list[int]) -> dict[str, Any]:
    most = 3 if name == "classes absent in both" else NUM_CLASSES
    maps = []
    for _ in range(3):
        truth = generator.choice(values, (6, 9)).astype(np.uint8)
        truth[0, 0] = max(value for value in values if value != 255)
        predicted = generator.integers(1, most + 1, truth.shape).astype(np.uint8)
        right = (generator.random(truth.shape) < 0.6) & (truth != 0) & (truth != 255)
        predicted[right] = truth[right]
        maps.append((predicted, truth))
    scores = {score.name: score.value for score in official_miou(maps, NUM_CLASSES)}
    listed = [[predicted.tolist(), truth.tolist()] for predicted, truth in maps]
    return {"name": name, "num_classes": NUM_CLASSES, "maps": listed, **scores}


if __name__ == "__main__":
    main()
