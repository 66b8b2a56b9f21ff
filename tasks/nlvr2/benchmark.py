"""NLVR2 for `evalsuite tasks`, `doctor` and `score`: official files in, official scores out."""

from pathlib import Path

from evalsuite.contracts.benchmark import Sample
from evalsuite.kinds.reasoning.benchmark import ReasoningBenchmark

from . import official
from .card import CARD, NUM_IN_SUBSET, examples_path, image_paths, subset_path
from .files import read_examples


def examples(data: Path, split: str) -> list[Sample]:
    """Return the examples of a split in the order of its file: left image, right image.

    Raises:
        UserError: the file is missing or malformed.
    """
    return [
        Sample(
            id=one.identifier,
            images=image_paths(one.identifier, split, one.directory),
            text=one.sentence,
            target={"label": one.label},
        )
        for one in read_examples(data / examples_path(split))
    ]


def subsets(data: Path, split: str) -> dict[str, frozenset[str]]:
    """Return the identifiers of the balanced and the unbalanced part, where their files are there.

    Raises:
        UserError: a file is malformed.
    """
    paths = {name: data / subset_path(name, of) for name, of in NUM_IN_SUBSET if of == split}
    return {
        name: frozenset(one.identifier for one in read_examples(path))
        for name, path in paths.items()
        if path.is_file()
    }


BENCHMARK = ReasoningBenchmark(
    card=CARD,
    read=examples,
    subsets=subsets,
    official=official.official_metrics_of,
    official_hint=official.HINT,
)
