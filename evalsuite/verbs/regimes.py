"""How a run answered its task: the regime of its weights, and the protocol."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from evalsuite.backbones.weights import released_files
from evalsuite.catalog import benchmark_named, benchmark_names
from evalsuite.contracts.benchmark import Card
from evalsuite.records.run import Run

PRETRAINED = "pretrained"  # origins of shipped files begin so, and none of them is of a task
LONGEST_HEADER = 100_000_000  # bytes; the safetensors format's own limit


class AnswerMode(NamedTuple):
    """Regime and protocol; None where nobody knows."""

    regime: str | None = None
    protocol: str | None = None


def unlike(answerings: Sequence[AnswerMode]) -> str:
    """Return in which of regime and protocol two runs, A and B, differ or may; empty: in neither.

    Of result files nothing is known, and `answerings` is empty.
    """
    reasons = []
    for place, name in enumerate(AnswerMode._fields):
        words = [one[place] for one in answerings]
        if len(words) == 2 and (None in words or words[0] != words[1]):
            first, second = (word or "not known" for word in words)
            reasons.append(f"{name} (A: {first}, B: {second})")
    return " and ".join(reasons)


class _Training(NamedTuple):
    """What a file was last trained for, and in which regime where the file says it."""

    stage: str
    regime: str | None = None


def answering_of(run: Run) -> AnswerMode:
    """Return what a run says of itself, or what is certain of an older run."""
    if "regime" in run.facts:
        return AnswerMode(run.facts["regime"], run.facts.get("protocol"))
    identity = run.facts["identity"]
    card = benchmark_named(identity["task"]).card
    commands = [str(session.get("command", "")).split() for session in run.facts["sessions"]]
    is_zero_shot = any("--zero-shot" in words for words in commands)
    weights = run.facts["weights"]
    regime = regime_of(card, weights, identity["recipe"], is_zero_shot=is_zero_shot)
    return AnswerMode(regime, card.protocol)


def regime_of(
    card: Card, weights: Mapping[str, Any], recipe: Mapping[str, Any], *, is_zero_shot: bool
) -> str | None:
    """Return how weights came to a task; None where a file does not tell.

    Args:
        weights: what run.json says of them.
        recipe: the settings of the run.
        is_zero_shot: the person said so; believed of files that nothing else is known of.
    """
    if "fine_tuned_here" not in weights:
        return None
    if weights["fine_tuned_here"]:
        return "linear-probe" if recipe.get("linear_probe") else card.tuned_regime
    training = _training_of(str(weights["origin"]))
    if training is None and card.head_from_pretraining:
        return "zero-shot" if is_zero_shot else None
    if training is None:
        return card.tuned_regime
    if training.stage not in benchmark_names():
        return "zero-shot"
    if _training_files(benchmark_named(training.stage).card) != _training_files(card):
        return "transfer"
    is_probe = training.regime == "linear-probe"
    return training.regime if is_probe else card.tuned_regime


def _training_files(card: Card) -> tuple[object, ...]:
    return card.splits[card.train_split].files


def _training_of(origin: str) -> _Training | None:
    """Return what a file was last trained for, None where neither name nor file says it."""
    if origin.startswith(f"{PRETRAINED}: "):
        return _Training(PRETRAINED)
    metadata = _metadata(Path(origin))
    name = PurePosixPath(urlsplit(origin.replace("\\", "/")).path).name
    for file in (name, metadata.get("source", "")):
        released = released_files().get(
            f"{file.removesuffix('.pth').removesuffix('.safetensors')}.pth"
        )
        if released is not None:
            return _Training(released.stage)
    return _Training(metadata["task"], metadata.get("regime")) if "task" in metadata else None


def _metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file, empty where it is none or has none."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(size)) if size <= LONGEST_HEADER else {}
    except (OSError, ValueError):
        return {}
    found = header.get("__metadata__") if isinstance(header, dict) else None
    return found if isinstance(found, dict) else {}
