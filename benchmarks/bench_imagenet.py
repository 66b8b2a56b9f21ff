"""ImageNet top-1 and top-5 against timm's accuracy, logits in memory."""

import importlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from harness import Bench, Engine, Floor, main
from numpy.typing import NDArray

from evalsuite.metrics.classification import answers_of_logits, classification_scores

NUM_IMAGES, NUM_CLASSES = 50_000, 1000
BATCH = 256  # timm validate.py


class Loaded(NamedTuple):
    """Logits and labels."""

    logits_NC: NDArray[np.float32]
    labels: NDArray[np.int64]


def make_inputs(folder: Path, seed: int) -> None:
    """Write logits.npz: noise, and the right class lifted."""
    generator = np.random.default_rng(seed)
    logits = generator.standard_normal((NUM_IMAGES, NUM_CLASSES), dtype=np.float32)
    labels = generator.integers(0, NUM_CLASSES, NUM_IMAGES)
    logits[np.arange(NUM_IMAGES), labels] += 4
    np.savez(folder / "logits.npz", logits=logits, labels=labels)


def _load(folder: Path) -> Loaded:
    torch.set_num_threads(1)
    with np.load(folder / "logits.npz") as archive:
        return Loaded(archive["logits"], archive["labels"])


def _official(loaded: Loaded) -> dict[str, Any]:
    accuracy: Any = importlib.import_module("timm.utils.metrics").accuracy
    logits, labels = torch.from_numpy(loaded.logits_NC), torch.from_numpy(loaded.labels)
    hits = np.zeros(2)
    for start in range(0, NUM_IMAGES, BATCH):
        part = slice(start, start + BATCH)
        percent = accuracy(logits[part], labels[part], (1, 5))
        hits += np.array([float(one) for one in percent]) * len(labels[part])
    found = (hits / NUM_IMAGES).tolist()
    return {"top_1": round(found[0], 4), "top_5": round(found[1], 4)}


def _ours(loaded: Loaded) -> dict[str, Any]:
    answers = answers_of_logits(*loaded)
    scores = classification_scores(answers, None, interval=False)
    return {score.name: round(score.value, 4) for score in scores}


def _warm_official() -> None:
    accuracy: Any = importlib.import_module("timm.utils.metrics").accuracy
    accuracy(torch.eye(8), torch.arange(8), (1, 5))


def _warm_ours() -> None:
    answers_of_logits(np.eye(8, dtype=np.float32), np.arange(8))


BENCH = Bench(
    name="imagenet",
    title="ImageNet top-1, top-5",
    size=f"{NUM_IMAGES:,} x {NUM_CLASSES:,} logits",
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=_warm_official, load=_load, score=_official),
        "ours": Engine(warm=_warm_ours, load=_load, score=_ours),
    },
    floors={"ours": Floor(1, None)},
    in_memory=True,
)

if __name__ == "__main__":
    main(BENCH)
