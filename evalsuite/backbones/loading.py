"""Strict loading of a state dictionary into a backbone and a head, with a report of every key."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone
from evalsuite.records.errors import UserError

NUM_NAMED = 4


@dataclass(frozen=True, kw_only=True)
class KeyReport:
    """What became of every key, by its name in the file.

    `loaded` includes the `interpolated` ones, which came in another size. `missing` are weights of
    the head that keep their starting values; `unused` are in the file only.
    """

    loaded: tuple[str, ...]
    interpolated: tuple[str, ...]
    missing: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"loaded {len(self.loaded)} tensors"]
        for what, keys in (
            ("of them resized", self.interpolated),
            ("new, not in the file", self.missing),
            ("in the file, not used", self.unused),
        ):
            if keys:
                lines.append(f"{what}: {_listed(keys)}")
        return "\n".join(lines)


class _Fit(NamedTuple):
    """Tensors that fit a module, and the names of those that do not."""

    fitting: dict[str, Tensor]
    absent: list[str]
    misshapen: list[str]
    unused: list[str]


def load_weights(
    backbone: Backbone,
    head: nn.Module | None,
    state: Mapping[str, Tensor],
    *,
    new_head: bool = False,
    source: str = "the checkpoint",
) -> KeyReport:
    """Fill a backbone and a head from a state dictionary with official keys.

    The backbone must be filled completely. Image positions of another input size are interpolated.

    Args:
        new_head: parts of the head that the file lacks, or holds for another number of classes,
            keep their starting values.
        source: the file's name, for messages.

    Raises:
        UserError: a weight is missing or has another shape, or the file holds layers that the
            backbone does not have.
    """
    prefix = backbone.prefix
    of_backbone = {k.removeprefix(prefix): t for k, t in state.items() if k.startswith(prefix)}
    of_head = {k: t for k, t in state.items() if not k.startswith(prefix)}
    if not of_backbone:
        some = ", ".join(list(state)[:3])
        raise UserError(f"{source}: no key starts with {prefix!r}, but with {some}; another model?")
    interpolated = _load_backbone(backbone, of_backbone, source)
    head_fit = _Fit({}, [], [], list(of_head))
    if head is not None:
        head_fit = _fit(of_head, head.state_dict())
        if not new_head:
            _require_head(head_fit, of_head, head.state_dict(), source)
        if problems := _unusable(head_fit.fitting, head.state_dict()):
            raise UserError(f"{source}: {problems[0]}; choose other weights")
        _assign(head, head_fit.fitting)
    kept = {*backbone.to_official(backbone.state_dict())}
    return KeyReport(
        loaded=(*(prefix + key for key in of_backbone if key in kept), *head_fit.fitting),
        interpolated=tuple(prefix + key for key in interpolated),
        missing=(*head_fit.absent, *head_fit.misshapen),
        unused=(*(prefix + key for key in of_backbone if key not in kept), *head_fit.unused),
    )


def official_state(backbone: Backbone, head: nn.Module | None) -> dict[str, Tensor]:
    """Return the weights of both under official keys, as the released files hold them."""
    own = backbone.to_official(backbone.state_dict())
    state = {backbone.prefix + key: tensor for key, tensor in own.items()}
    return state if head is None else state | head.state_dict()


def _load_backbone(backbone: Backbone, official: Mapping[str, Tensor], source: str) -> list[str]:
    """Fill the backbone completely; return the keys that were resized."""
    given = backbone.from_official(official)
    expected = backbone.state_dict()
    interpolated = []
    for key, target in expected.items():
        if key in given and given[key].shape != target.shape:
            resized = backbone.resized(key, given[key])
            if resized is not None:
                given[key] = resized
                interpolated += list(backbone.to_official({key: resized}))
    fit = _fit(given, expected)
    foreign = [key for key in fit.unused if not key.startswith(backbone.optional_keys)]
    problems = [f"lacks {_listed(fit.absent)}"] if fit.absent else []
    problems += [
        f"{key} has shape {tuple(given[key].shape)}, expected {tuple(expected[key].shape)}"
        for key in fit.misshapen[:2]
    ]
    problems += [f"holds {_listed(foreign)}, which the model does not have"] if foreign else []
    problems += _unusable(fit.fitting, expected)
    if problems:
        raise UserError(
            f"{source}: not the weights of this backbone: {'; '.join(problems)}; "
            "name the backbone that the file was made with (--backbone)"
        )
    _assign(backbone, fit.fitting)
    return interpolated


def _fit(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> _Fit:
    """Sort keys into those that fit, are absent, have another shape, or are not expected."""
    present = [key for key in expected if key in given]
    fitting = [key for key in present if given[key].shape == expected[key].shape]
    return _Fit(
        {key: given[key] for key in fitting},
        [key for key in expected if key not in given],
        [key for key in present if key not in fitting],
        [key for key in given if key not in expected],
    )


def _unusable(tensors: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[str]:
    """Return what keeps tensors of the right shape from being weights: any score would be wrong.

    Whole numbers stay where the model has them too, as batch normalisation counts its batches.
    """
    whole = [
        key
        for key, tensor in tensors.items()
        if expected[key].is_floating_point() and not tensor.is_floating_point()
    ]
    if whole:
        kind = str(tensors[whole[0]].dtype).removeprefix("torch.")
        return [f"holds {_listed(whole)} as {kind}, as quantised weights do"]
    wild = [key for key, tensor in tensors.items() if not torch.isfinite(tensor).all()]
    return [f"holds NaN or infinite numbers in {_listed(wild)}, as after a failed training"] * bool(
        wild
    )


def _require_head(
    fit: _Fit, given: Mapping[str, Tensor], expected: Mapping[str, Tensor], source: str
) -> None:
    """Raise unless the file fills the whole head."""
    if fit.misshapen:
        key = fit.misshapen[-1]
        raise UserError(
            f"{source}: {key} has {len(given[key])} rows, the task has {len(expected[key])} "
            "classes; fine-tune a new head with --new-head, or choose weights of this task"
        )
    if fit.absent:
        raise UserError(
            f"{source}: holds no head for this task (lacks {_listed(fit.absent)}); fine-tune one "
            "with --new-head, or choose weights of this task"
        )


def _assign(module: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Copy tensors into a module; one without memory takes them over in its own type."""
    state = module.state_dict()
    on_meta = any(tensor.is_meta for tensor in state.values())
    fitting = {key: tensor.to(state[key].dtype) for key, tensor in tensors.items()}
    module.load_state_dict(fitting, strict=False, assign=on_meta)


def _listed(keys: tuple[str, ...] | list[str]) -> str:
    """Return the keys, the first few by name."""
    named = ", ".join(keys[:NUM_NAMED])
    more = len(keys) - NUM_NAMED
    return f"{named} and {more} more" if more > 0 else named
