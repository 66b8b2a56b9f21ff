"""A recipe: everything but the seed that decides the fine-tuned weights."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, Self, TypeVar, get_args, get_origin

from evalsuite.records.errors import UserError
from evalsuite.records.ranges import refuse_impossible

Precision = Literal["no", "bf16", "fp16"]
TRUTHS = {"true": True, "false": False, "1": True, "0": False, "yes": True, "no": False}

# Settings that decide what trained weights answer, by whatever task has them.
ANSWERED_WITH = (
    *("max_text_tokens", "num_beams", "max_new", "length_penalty", "greedy"),
    *("window", "test_scales", "test_flip", "soft_nms", "min_score", "num_proposals"),
    *("inference", "multi_scale", "flip_test"),
)
# Settings by which trained weights are not told apart: a comparison has the first three from
# elsewhere, and the others say how the same sums are done.
NOT_TRAINED_WITH = (
    *("image_size", "blind", "weights", "source"),
    *("micro_batch", "precision", "activation_checkpointing"),
)
Value = TypeVar("Value")


def later(default: Value) -> Value:
    """Return a setting that came when there were runs already, for the body of a recipe's class.

    At its default `to_json` leaves it out, so that the folders of these runs keep their names.
    """
    setting: Value = field(default=default, metadata={"is_later": True})
    return setting


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of one fine-tuning; a task subclasses it when it has more.

    `batch_size` is global: over all processes and accumulated micro-batches. `lr` belongs to it.
    It falls as a cosine, with `linear_decay` in a straight line or, if there are `lr_drops` (shares
    of all steps), to a tenth at each.
    `layer_decay` 1.0 means that every layer learns at `lr`; `head_lr_factor` multiplies the lr of
    parameters whose name starts with `head`. `blind` greys every image out, to learn what the text
    alone gives away. `train_split` None is the benchmark's usual one. `weights` is the file that
    fine-tuning starts from where nobody names another: a shipped or released name; None starts from
    scratch. `source` says where the settings come from.
    """

    source: str
    image_size: int
    batch_size: int
    epochs: float
    warmup_epochs: float
    lr: float
    min_lr: float = 1e-6  # unilm beit3/run_beit3_finetuning.py @768a3c8
    lr_drops: tuple[float, ...] = ()
    linear_decay: bool = False
    layer_decay: float = 1.0
    head_lr_factor: float = 1.0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    clip_norm: float | None = None
    drop_path: float = 0.0
    ema_decay: float | None = None
    micro_batch: int = 64
    precision: Precision = "no"
    activation_checkpointing: bool = False
    max_text_tokens: int = 64
    blind: bool = False
    train_split: str | None = None
    weights: str | None = None

    def with_settings(self, settings: Iterable[str]) -> Self:
        """Return the recipe with `key=value` settings applied.

        Raises:
            UserError: a setting is not `key=value`, its key unknown, or its value of a wrong type
                or not possible.
        """
        known = {item.name: item for item in fields(self)}
        changed: dict[str, Any] = {}
        for setting in settings:
            key, equals, text = setting.partition("=")
            if not equals or key not in known:
                raise UserError(
                    f"--set {setting}: expected key=value with key one of {', '.join(known)}"
                )
            if get_origin(known[key].type) is Literal:
                changed[key] = _chosen(key, text, get_args(known[key].type))
            else:
                changed[key] = _parse(key, text, getattr(self, key), _said(known[key].type))
        refuse_impossible(changed)
        return replace(self, **changed)

    def to_json(self) -> dict[str, Any]:
        """Return the settings as plain JSON values, without `weights`.

        A run says which file it started from, by its hash: a name here could be another's. A
        setting that was made by `later` is left out while it has its default.
        """
        settings = asdict(self)
        untold = {
            item.name
            for item in fields(self)
            if "is_later" in item.metadata and settings[item.name] == item.default
        }
        return {key: settings[key] for key in settings if key not in {"weights", *untold}}


def changed_settings(published: Recipe, used: Recipe, *, is_trained: bool) -> dict[str, list[Any]]:
    """Return the settings that were changed: the published value and the used one.

    Those of training count where the weights were trained with them, `is_trained`.
    """
    before, now = asdict(published), asdict(used)
    names = {*before} - {*NOT_TRAINED_WITH} if is_trained else {*ANSWERED_WITH}
    return {
        name: [before[name], now[name]]
        for name in before
        if name in names and before[name] != now[name]
    }


def _chosen(key: str, text: str, known: tuple[str, ...]) -> str:
    """Return a value that is one of those known."""
    if text not in known:
        raise UserError(f"--set {key}={text}: expected one of {', '.join(known)}")
    return text


def _said(kind: Any) -> str:
    """Return a field's type in words, `float` rather than `<class 'float'>`."""
    return kind.__name__ if isinstance(kind, type) else str(kind)


def _parse(key: str, text: str, current: Any, annotation: str) -> Any:
    """Return the text as a value of the field's type."""
    if text.lower() == "none" and "None" in annotation:
        return None
    try:
        if "bool" in annotation:
            return TRUTHS[text.lower()]
        if "..." in annotation:
            kind = float if "float" in annotation else int
            return tuple(kind(part) for part in text.split(",") if part)
        if "tuple" in annotation:
            return tuple(
                type(item)(part) for item, part in zip(current, text.split(","), strict=True)
            )
        if "float" in annotation:
            number = float(text)
            if not math.isfinite(number):
                raise ValueError
            return number
        return int(text) if "int" in annotation else text
    except (KeyError, ValueError):
        raise UserError(
            f"--set {key}={text}: expected {annotation}, as in {key}={current}"
        ) from None
