"""How a measured score stands to the published one, and why two numbers cannot be compared."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from evalsuite.backbones.weights import released_files
from evalsuite.records.board import (
    Entry,
    board_of,
    metric_facts,
    read_board,
    split_of,
    vocabulary,
)
from evalsuite.records.score import Score
from evalsuite.report.conditions import NOT_CHECKED, Conditions

Status = Literal["as published", "below", "above", "not comparable"]
SCALES = {"M": 1e6, "B": 1e9}
PARAMS_TOLERANCE = 0.02  # sources round to a million; files may hold a layer that no pass uses
MOST_OF_VISION = 3.0  # whole multiway models have up to 2.6 times their vision expert's parameters


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The published entry that a score was held against, how it stands to it, and why.

    `expected` is None where nothing is published for these weights; it may be set in a verdict of
    "not comparable", as the nearest published value. `compared` says what was looked at.
    """

    status: Status
    reason: str
    expected: Entry | None = None
    compared: str = ""

    def to_json(self) -> dict[str, str]:
        """Return the verdict as report.json holds it."""
        return {"status": self.status, "reason": self.reason, "compared": self.compared}

    def expected_json(self) -> dict[str, Any] | None:
        """Return the published value and where it stands, in the form of report.json."""
        entry = self.expected
        if entry is None:
            return None
        return {
            "metric": entry.metric,
            "value": entry.value,
            "printed": entry.printed,
            "unit": metric_facts(entry.metric)["unit"],
            "model": entry.model,
            "split": entry.split,
            "regime": entry.regime,
            "protocol": entry.protocol,
            "resolution": entry.resolution,
            "kind": entry.kind,
            "source": entry.source,
        }


def verdict(score: Score, conditions: Conditions) -> Verdict:
    """Return how a score stands to the published value of the same weights, regime and protocol.

    "as published": the published value, anywhere within its last printed digit, lies in the 95%
    interval of the score; without an interval, the score rounds to the published value.
    """
    board = board_of(conditions.task)
    if board is None:
        reason = f"nothing is published for {conditions.task} on the boards"
        return Verdict(status="not comparable", reason=reason, compared=_looked_at(conditions))
    published = [entry for entry in read_board(board) if entry.metric == score.name]
    known = [entry for entry in published if _is_of(entry, conditions.weights)]
    expected = _nearest(known, conditions)
    reasons = [
        *conditions.unlike_official(),
        *_contaminated(conditions, board),
        *_unlike_entry(conditions, published, expected),
    ]
    if reasons or expected is None:
        result = Verdict(status="not comparable", reason="; ".join(reasons), expected=expected)
    else:
        result = _compared(score, expected)
    return replace(result, compared=_looked_at(conditions, expected))


def _looked_at(conditions: Conditions, expected: Entry | None = None) -> str:
    """Return what decides whether two scores may stand side by side, with what was found."""
    count = conditions.num_parameters
    parts = [
        f"regime {conditions.regime or 'not known'}",
        f"protocol {conditions.protocol or 'not known'}",
        f"split {conditions.split}",
        f"resolution {conditions.resolution or 'not known'}",
        f"settings {_settings(conditions)}",
        f"data {conditions.unlike or conditions.checked or 'not checked'}",
        f"weights {'not counted' if count is None else f'{count / 1e6:.1f}M parameters'}",
    ]
    parts[-1] += f" ({expected.params} published)" if expected and expected.params else ""
    # Of the released files no source prints a digest, so that a reader can only hold it in hand.
    parts[-1] += f", sha256 {conditions.sha256[:12]}" if conditions.sha256 else ""
    return "; ".join(parts)


def _settings(conditions: Conditions) -> str:
    """Return the settings that were changed, with the published recipe's values."""
    changed = [
        f"{name}={used} (recipe: {published})"
        for name, (published, used) in conditions.changed.items()
    ]
    return ", ".join(changed) or "the recipe's"


def _is_of(entry: Entry, weights: str) -> bool:
    """Whether an entry is the published result of a released file or of fine-tuning it."""
    if not entry.weights or not weights:
        return False
    return _stem(weights) in (_stem(entry.weights), entry.model)


def _stem(file: str) -> str:
    """Return a file's name without the ending of its format."""
    return file.removesuffix(".safetensors").removesuffix(".pth")


def _nearest(known: list[Entry], conditions: Conditions) -> Entry | None:
    """Return the entry of the same conditions, else the one that comes closest."""
    split = split_of(known[0].board, conditions.split) if known else ""

    def distance(entry: Entry) -> tuple[bool, ...]:
        return (
            entry.regime != conditions.regime,
            entry.protocol != conditions.protocol,
            entry.split != split,
            entry.resolution != conditions.resolution,
        )

    return min(known, key=distance, default=None)


def _contaminated(conditions: Conditions, board: str) -> list[str]:
    """Return why the weights have seen the samples, if they have."""
    seen = vocabulary()["boards"][board].get("seen_in_training", ())
    released = {entry.weights.removesuffix(".pth") for entry in read_board(board)} - {""}
    if conditions.split in seen and conditions.weights.removesuffix(".pth") in released:
        return [
            f"{conditions.weights} was fine-tuned on nearly all of {conditions.split}: "
            "its score there is contaminated"
        ]
    return []


def _unlike_entry(
    conditions: Conditions, published: list[Entry], expected: Entry | None
) -> list[str]:
    """Return why no published value is one of these weights in this regime."""
    if expected is None:
        return [_unknown_weights(conditions, published)]
    reasons = _unlike_answering(conditions, expected)
    split = split_of(expected.board, conditions.split)
    if split != expected.split:
        reasons.append(
            f"other split: measured on {conditions.split}, published on {expected.split}"
        )
    if conditions.resolution not in (None, expected.resolution):
        reasons.append(
            f"other resolution: measured at {conditions.resolution} pixels, "
            f"published at {expected.resolution}"
        )
    return [*reasons, *_unlike_weights(conditions, expected)]


def _unlike_answering(conditions: Conditions, expected: Entry) -> list[str]:
    """Return why a published value was reached in another regime or by another protocol."""
    reasons = []
    pairs = (("regime", conditions.regime), ("protocol", conditions.protocol))
    for name, measured in pairs:
        published = getattr(expected, name)
        if measured is None or not published:
            whose = "this run" if measured is None else "the published value"
            reasons.append(f"{name} of {whose} is not known")
        elif measured != published:
            reasons.append(f"other {name}: measured {measured}, published {published}")
    return reasons


def _unlike_weights(conditions: Conditions, expected: Entry) -> list[str]:
    """Return why weights cannot be those that a published value is of, whatever their name."""
    reasons = []
    if conditions.is_trained_here and _stem(conditions.weights) == _stem(expected.weights):
        reasons.append(f"{conditions.weights} was trained further here, and is no longer that file")
    facts = vocabulary()["boards"][expected.board]
    outputs = facts.get("head_outputs")
    if outputs is not None and conditions.head_outputs not in (None, outputs):
        reasons.append(
            f"other weights: a head of {conditions.head_outputs:,} outputs, "
            f"that of {expected.weights} has {outputs:,}"
        )
    if not expected.params:
        return reasons
    if conditions.num_parameters is None:
        return [*reasons, f"weights of unknown size: {NOT_CHECKED}"]
    published = float(expected.params[:-1]) * SCALES[expected.params[-1]]
    most = MOST_OF_VISION if facts.get("params_of_vision_alone") else 1 + PARAMS_TOLERANCE
    if (1 - PARAMS_TOLERANCE) * published <= conditions.num_parameters <= most * published:
        return reasons
    count = f"{conditions.num_parameters / 1e6:.1f}M"
    other = f"other weights: {count} parameters, {conditions.weights} has {expected.params}"
    return [*reasons, other]


def _unknown_weights(conditions: Conditions, published: list[Entry]) -> str:
    """Return the reason that names the weights, and those with a value that can be run here."""
    if not published:
        return "this score is not published for any model on the boards"
    if not conditions.weights:
        return f"no value is published for {conditions.backbone} without released weights"
    what = conditions.weights
    released = sorted({entry.weights for entry in published} & released_files().keys())
    if not released:
        return f"no value is published for {what}, nor for any checkpoint that can be run here"
    return (
        f"other model: no value is published for {what}; checkpoints with a published value: "
        f"{', '.join(released)}"
    )


def _compared(score: Score, expected: Entry) -> Verdict:
    """Return the verdict on two numbers of the same weights under the same conditions."""
    if expected.value is None:
        raise ValueError(f"{expected.board}: {expected.metric} of {expected.model} is no number")
    low, high = score.interval or (score.value, score.value)
    difference = score.value - expected.value
    source = f"published {expected.printed} ({expected.source})"
    is_inside = (
        low <= expected.value + expected.rounding and expected.value - expected.rounding <= high
    )
    if is_inside:
        how = f"lies in the 95% interval {low:.2f} to {high:.2f}"
        how = how if score.interval else "equals the score to its printed digits"
        return Verdict(status="as published", reason=f"{source} {how}", expected=expected)
    outside = f", outside the 95% interval {low:.2f} to {high:.2f}" if score.interval else ""
    status: Status = "below" if difference < 0 else "above"
    reason = f"{abs(difference):.2f} {status} the {source}{outside}"
    return Verdict(status=status, reason=reason, expected=expected)
