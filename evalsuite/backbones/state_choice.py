"""Which tensors of a checkpoint are the model's: its dictionaries, and the prefixes of wrappers.

Training programs put the state dictionary under a key of their own, often beside a running average
(EMA), and wrap the model (DistributedDataParallel, torch.compile, Lightning), which puts a prefix
before every key. What is chosen among several, and every prefix that is dropped, is noted.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from evalsuite.records.errors import UserError

# unilm beit3/utils.py load_model_and_may_interpolate @768a3c8 reads `model`, then `module`.
USUAL = (
    *("model", "module", "state_dict", "model_state_dict", "model_state", "net", "network"),
    *("params", "weights"),
)
HOLDERS = ("state", "checkpoint", "app")  # only hold the dictionary of states
AVERAGED = re.compile(r"(?:^|_)(?:ema|averaged|shadow)(?:_|$)|^teacher$")
# timm/models/_helpers.py load_state_dict: the average first, where it is beside `state_dict`.
TIMM = ("state_dict", "state_dict_ema")
OF_TRAINING = re.compile(r"optim|sched|scaler|rng|criterion|callback|loop")
NOT_TENSORS = ("_extra_state", "_metadata")
# torch.compile, FSDP and checkpointing put these inside a name as well; no module is called so.
INSIDE = re.compile(r"(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
NUM_NAMED = 4


class Choice(NamedTuple):
    """A state dictionary, and a line for each thing that was chosen or renamed for it."""

    state: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()


def chosen_state(content: Any, path: Path, wanted: str | None = None) -> Choice:
    """Return the state dictionary inside a file's content.

    Beside an average the usual weights are chosen, as the official BEiT-3 code does; the average
    where the file is timm's, whose own loader does so. mmengine writes the average as `state_dict`.

    Args:
        wanted: the name of the dictionary, where not the usual one is asked for.

    Raises:
        UserError: there is none, or several that could be meant.
    """
    states = dict(_states(content)) if isinstance(content, Mapping) else {}
    if wanted is not None:
        if wanted not in states:
            raise UserError(
                f"{path}: --state {wanted}: not in the file; it holds "
                f"{_named(name or 'a bare state dictionary' for name in states)}"
            )
        return Choice(states[wanted])
    if not states:
        raise UserError(f"{path}: {_without_state(content)}")
    name = _chosen_name(states, path)
    others = [other for other in states if other != name]
    if not others:
        is_usual = not name or _is_usual(name)
        return Choice(states[name], () if is_usual else (f"read the weights under `{name}`",))
    meta = content.get("meta")
    is_mmengine = isinstance(meta, Mapping) and "mmengine_version" in meta
    if is_mmengine and (name, others) == ("state_dict", ["ema_state_dict"]):
        reason = ", the averaged (EMA) ones as mmengine writes them"
    else:
        reason = ", the averaged (EMA) ones" if _is_averaged(name) else ""
        reason = reason or (", not averaged (EMA)" if any(map(_is_averaged, others)) else "")
    return Choice(
        states[name],
        (
            f"took the weights under `{name}`{reason}; for those under {_named(others)}: "
            f"`evalsuite convert {path} OUT.safetensors --state {others[0]}`",
        ),
    )


def unwrapped(state: Mapping[str, Tensor], anchor: str, source: str) -> Choice:
    """Return a state dictionary without the prefixes that wrappers put before its keys.

    Args:
        anchor: a key that every state dictionary of the model holds.

    Raises:
        UserError: several models are in the file, or two keys become one.
    """
    renamed = {key: INSIDE.sub("", key) for key in state}
    counts: dict[str, int] = {}
    for mark in (mark for key in state for mark in INSIDE.findall(key)):
        counts[mark] = counts.get(mark, 0) + 1
    ending = f".{anchor}"
    prefixes = [key.removesuffix(anchor) for key in renamed.values() if key.endswith(ending)]
    is_bare = anchor in renamed.values()
    averaged = [p for p in prefixes if any(map(_is_averaged, p.split(".")))]
    usual = [""] if is_bare else [p for p in prefixes if p not in averaged] or averaged
    if len(usual) > 1:
        raise UserError(
            f"{source}: holds {len(usual)} models, under {_named(usual)}; save the one that you "
            "mean alone"
        )
    if not usual:
        return Choice(dict(state))
    prefix = usual[0]
    others = tuple(p for p in prefixes if p != prefix)
    kept: dict[str, Tensor] = {}
    for key, name in renamed.items():
        if others and name.startswith(others) and not (prefix and name.startswith(prefix)):
            continue
        short = name.removeprefix(prefix)
        if short in kept:
            raise UserError(f"{source}: two tensors are called {short} without their prefixes")
        kept[short] = state[key]
    if prefix:
        counts[prefix] = sum(name.startswith(prefix) for name in renamed.values())
    notes = [f"dropped the prefix `{mark}` from {count} keys" for mark, count in counts.items()]
    if others:
        notes.append(f"took the weights under `{prefix}`, left those under {_named(others)}")
    return Choice(kept, tuple(notes))


def _states(content: Mapping[Any, Any], name: str = "") -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Yield the state dictionaries of a mapping by name: itself, or those one or two levels in."""
    if _is_state(content):
        yield name, {key: value for key, value in content.items() if isinstance(value, Tensor)}
        return
    if name.count(".") > 1:
        return
    for key, value in content.items():
        if isinstance(key, str) and isinstance(value, Mapping) and not OF_TRAINING.search(key):
            yield from _states(value, f"{name}.{key}" if name else key)


def _is_state(content: Mapping[Any, Any]) -> bool:
    """Return whether a mapping holds named tensors and nothing else."""
    plain = {key: value for key, value in content.items() if not str(key).endswith(NOT_TENSORS)}
    return bool(plain) and all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in plain.items()
    )


def _chosen_name(states: Mapping[str, Any], path: Path) -> str:
    """Return the name of the state dictionary that is usually meant."""
    if all(name in states for name in TIMM):
        return TIMM[1]
    usual = sorted((name for name in states if _is_usual(name)), key=_rank)
    if usual:
        return usual[0]
    averaged = [name for name in states if _is_averaged(name)]
    candidates = averaged if len(averaged) == 1 else list(states)
    if len(candidates) > 1:
        raise UserError(
            f"{path}: holds the state dictionaries {_named(states)}; `evalsuite convert {path} "
            f"OUT.safetensors --state {candidates[0]}` takes one of them"
        )
    return candidates[0]


def _is_usual(name: str) -> bool:
    parts = name.split(".")
    return parts[-1] in USUAL and all(part in USUAL + HOLDERS for part in parts)


def _rank(name: str) -> tuple[int, int]:
    parts = name.split(".")
    return len(parts), USUAL.index(parts[-1])


def _is_averaged(name: str) -> bool:
    return any(AVERAGED.search(part) for part in name.split("."))


def _without_state(content: Any) -> str:
    """Return what a file without a state dictionary holds."""
    if not isinstance(content, Mapping):
        return (
            f"holds no state dictionary but one {type(content).__name__}; expected tensors by name"
        )
    some = ", ".join(str(key)[:40] for key in list(content)[:5]) or "nothing"
    if "param_groups" in content or any(OF_TRAINING.search(str(key)) for key in content):
        return (
            f"holds the state of a training (an optimizer's or the like: {some}) and no weights; "
            "name the model's file, usually beside it"
        )
    return f"holds no state dictionary under `model`, `state_dict`, `module` or bare, but {some}"


def _named(names: Any) -> str:
    """Return names in quotes, the first few."""
    listed = [f"`{name}`" for name in names]
    more = len(listed) - NUM_NAMED
    return ", ".join(listed[:NUM_NAMED]) + (f" and {more} more" if more > 0 else "")
