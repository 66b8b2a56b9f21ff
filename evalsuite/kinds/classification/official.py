"""The official top-1, top-5 and ReaL engine, timm's, on files of logits; for `--official`."""

import importlib
import importlib.util
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from evalsuite.kinds.classification.results import Labels, Logits, image_places
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

BATCH = 256  # timm validate.py, its usual batch


def official_accuracy(predictions: Mapping[Any, Any], truth: Labels) -> list[Score]:
    """Return timm's accuracy in percent, batch by batch; ReaL's where its labels are.

    Raises:
        UserError: timm is not installed, or the predictions are no logits.
    """
    if importlib.util.find_spec("timm") is None:
        raise UserError(
            'the official accuracy needs timm, not installed; run pip install "evalsuite[official]"'
        )
    if not isinstance(predictions, Logits):
        raise UserError("timm takes logits; expected a .npz file of names and logits")
    torch: Any = importlib.import_module("torch")
    accuracy: Any = importlib.import_module("timm.utils.metrics").accuracy
    in_order = predictions.in_order_of(truth.wnids)
    logits = torch.from_numpy(in_order.logits_NC[image_places(in_order, truth)])
    labels = torch.from_numpy(truth.labels)
    hits = np.zeros(2)
    for start in range(0, len(labels), BATCH):
        part = slice(start, start + BATCH)
        percent = [float(one) for one in accuracy(logits[part], labels[part], (1, 5))]
        hits += np.array(percent) * len(labels[part])
    values = dict(zip(("top_1", "top_5"), (hits / len(labels)).tolist(), strict=True))
    if truth.real is not None:
        values["real"] = _real(logits, truth.real)
    return [
        Score(name=name, value=value, unit="percent", n=len(labels))
        for name, value in values.items()
    ]


def _real(logits: Any, real: list[list[int]]) -> float:
    """Return timm's ReaL accuracy; its class takes a file and the names of the whole set."""
    labels: Any = importlib.import_module("timm.data.real_labels")
    names = [f"ILSVRC2012_val_{place + 1:08d}.JPEG" for place in range(len(real))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "real.json"
        path.write_text(json.dumps(real))
        engine = labels.RealLabelsImagenet(names, real_json=str(path))
    engine.add_result(logits)
    return float(engine.get_accuracy(1))
