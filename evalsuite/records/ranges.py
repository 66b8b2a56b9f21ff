"""The values that a setting of a recipe can have."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from evalsuite.records.errors import UserError


class Range(NamedTuple):
    """Numbers from `low` to `high`; a bound that is left out of them is `open`."""

    low: float
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def holds(self, number: float) -> bool:
        """Return whether a number is inside."""
        above = number > self.low if self.low_open else number >= self.low
        below = number < self.high if self.high_open else number <= self.high
        return above and below

    def __str__(self) -> str:
        low = f"more than {self.low:g}" if self.low_open else f"{self.low:g} or more"
        if math.isinf(self.high):
            return low
        return f"{low} and {'less than' if self.high_open else 'at most'} {self.high:g}"


COUNT, POSITIVE, NOT_NEGATIVE = Range(1), Range(0, low_open=True), Range(0)
SHARE, BELOW_ONE = Range(0, 1), Range(0, 1, high_open=True)
RANGES: Mapping[str, Range] = {
    "batch_size": COUNT,
    "micro_batch": COUNT,
    "image_size": COUNT,
    "max_text_tokens": COUNT,
    "min_answer_count": COUNT,
    "num_codes": COUNT,
    "epochs": POSITIVE,
    "warmup_epochs": NOT_NEGATIVE,
    "lr": NOT_NEGATIVE,
    "min_lr": NOT_NEGATIVE,
    "lr_drops": SHARE,
    "layer_decay": Range(0, 1, low_open=True),
    "head_lr_factor": NOT_NEGATIVE,
    "weight_decay": NOT_NEGATIVE,
    "betas": BELOW_ONE,
    "clip_norm": POSITIVE,
    "drop_path": BELOW_ONE,
    "ema_decay": BELOW_ONE,
    "mixup": NOT_NEGATIVE,
    "cutmix": NOT_NEGATIVE,
    "label_smoothing": BELOW_ONE,
    "mosaic": SHARE,
}


def refuse_impossible(settings: Mapping[str, Any]) -> None:
    """Raise UserError for the first setting whose value no recipe can have."""
    for key, value in settings.items():
        limits = RANGES.get(key)
        numbers = value if isinstance(value, tuple) else () if value is None else (value,)
        if limits is not None and not all(map(limits.holds, numbers)):
            shown = ",".join(map(str, numbers))
            raise UserError(f"--set {key}={shown}: expected {limits}")
