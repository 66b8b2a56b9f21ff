"""An image and its class as a reader sees them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from evalsuite.contracts.benchmark import Mark, Predictions, Sample, SampleDisplay

NUM_CLASSES = 5


def showing(
    predictions: Predictions, wnids: Sequence[str], names: Mapping[str, str]
) -> Callable[[Sample], SampleDisplay]:
    """Return what shows an image; classes without a name go by their wnid."""

    def name(wnid: str) -> str:
        return names.get(wnid, wnid)

    def show(sample: Sample) -> SampleDisplay:
        best = _best(predictions[sample.id], wnids)
        label = str(sample.target["wnid"])
        rank = best.index(label) if label in best else None
        mark: Mark = "wrong" if rank is None else "partly right" if rank else "right"
        lines = {
            "predicted": "\n".join(f"{place}. {name(one)}" for place, one in enumerate(best, 1)),
            "class": name(label),
        }
        score = -float(NUM_CLASSES if rank is None else rank)
        outcome = f"not among the first {len(best)}" if rank is None else f"place {rank + 1}"
        return SampleDisplay(lines, score, outcome, mark)

    return show


def _best(prediction: Any, wnids: Sequence[str]) -> list[str]:
    """Return the wnids of the best classes, best first, of logits or a list of classes."""
    if isinstance(prediction, np.ndarray):
        prediction = np.argsort(-prediction, kind="stable")[:NUM_CLASSES].tolist()
    return [one if isinstance(one, str) else wnids[one] for one in prediction]
