"""ImageNet-1K for `evalsuite tasks`, `doctor` and `score`: top-1, top-5 and ReaL accuracy."""

from collections.abc import Sequence
from pathlib import Path

from evalsuite.kinds.classification.benchmark import ClassificationBenchmark

from .card import CARD, NAMES, REAL
from .real import real_labels


def more_labels(
    data: Path, split: str, names: Sequence[str], wnids: Sequence[str]
) -> list[list[int]] | None:
    """Return the ReaL labels of the images of val, None where they are not to be had."""
    return real_labels(data / REAL, names, wnids) if split == "val" else None


BENCHMARK = ClassificationBenchmark(
    card=CARD, root="imagenet", names=NAMES, more_labels=more_labels
)
