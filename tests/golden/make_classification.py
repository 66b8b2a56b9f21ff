"""Make classification.json: logits and labels with timm's top-1, top-5 and ReaL accuracy.

Run `python tests/golden/make_classification.py` where timm is installed.
"""

import importlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

TIMM_METRICS: Any = importlib.import_module("timm.utils.metrics")  # untyped, hence by name
TIMM_REAL: Any = importlib.import_module("timm.data.real_labels")

NUM_IMAGES, NUM_CLASSES = 24, 9


def main() -> None:
    """Write the golden file beside this script."""
    generator = np.random.default_rng(0)
    cases = [
        _case(generator, "near zero", 0.0, 4),
        _case(generator, "all negative", -100.0, 4),
        _case(generator, "few ReaL labels", 0.0, 2),
    ]
    Path(__file__).with_name("classification.json").write_text(json.dumps(cases) + "\n")


def _case(
    generator: np.random.Generator, name: str, shift: float, most_labels: int
) -> dict[str, Any]:
    order = generator.permuted(np.tile(np.arange(NUM_CLASSES), (NUM_IMAGES, 1)), axis=1)
    logits = torch.from_numpy((order / 4 + shift).astype(np.float32))
    labels = generator.integers(0, NUM_CLASSES, NUM_IMAGES)
    real = [
        generator.choice(NUM_CLASSES, generator.integers(0, most_labels), replace=False).tolist()
        for _ in range(NUM_IMAGES)
    ]
    top_1, top_5 = TIMM_METRICS.accuracy(logits, torch.from_numpy(labels), (1, 5))
    return {
        "name": name,
        "logits": logits.tolist(),
        "labels": labels.tolist(),
        "real": real,
        "scores": {"top_1": float(top_1), "top_5": float(top_5), "real": _real(logits, real)},
    }


def _real(logits: torch.Tensor, real: list[list[int]]) -> float:
    names = [f"ILSVRC2012_val_{number + 1:08d}.JPEG" for number in range(len(real))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "real.json"
        path.write_text(json.dumps(real))
        official = TIMM_REAL.RealLabelsImagenet(names, real_json=str(path))
    official.add_result(logits)
    return float(official.get_accuracy(1))


if __name__ == "__main__":
    main()
