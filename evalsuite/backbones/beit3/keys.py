"""Keys of the released BEiT-3 files and ours, both ways."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from evalsuite.records.errors import UserError

# Our part of a layer -> the official one; {x} is the expert: A image, B text, AB both.
LAYER_PARTS = {
    "attention.{x}.norm": "self_attn_layer_norm.{x}",
    "attention.{x}.inner_norm": "self_attn.inner_attn_ln.{x}",
    "attention.{x}.out": "self_attn.out_proj.{x}",
    "ffn.{x}.norm": "final_layer_norm.{x}",
    "ffn.{x}.fc1": "ffn.{x}.fc1",
    "ffn.{x}.inner_norm": "ffn.{x}.ffn_layernorm",
    "ffn.{x}.fc2": "ffn.{x}.fc2",
}
TO_OFFICIAL = {
    ours.format(x=x): official.format(x=x)
    for ours, official in LAYER_PARTS.items()
    for x in ("A", "B", "AB")
}
TO_OURS = {official: ours for ours, official in TO_OFFICIAL.items()}
FUSED = re.compile(r"(layers\.\d+)\.attention\.(\w+)\.qkv\.(weight|bias)")
SEPARATE = re.compile(r"encoder\.(layers\.\d+)\.self_attn\.q_proj\.(\w+)\.(weight|bias)")


def to_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return our state dictionary under the official keys (without `beit3.`), q, k, v apart."""
    official: dict[str, Tensor] = {}
    for key, tensor in state.items():
        fused = FUSED.fullmatch(key)
        if fused is None:
            official[_renamed(key)] = tensor
            continue
        layer, expert, kind = fused.groups()
        for letter, part in zip("qkv", tensor.chunk(3), strict=True):
            official[f"encoder.{layer}.self_attn.{letter}_proj.{expert}.{kind}"] = part
    return official


def from_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return official keys (without `beit3.`) as ours; keys that we do not know stay as they are.

    Raises:
        UserError: a layer holds some of q, k and v but not all.
    """
    ours: dict[str, Tensor] = {}
    used: set[str] = set()
    for key in state:
        query = SEPARATE.fullmatch(key)
        if query is None:
            continue
        names = [key.replace("q_proj", f"{letter}_proj") for letter in "qkv"]
        lacking = [name for name in names if name not in state]
        if lacking:
            raise UserError(f"the checkpoint holds {key} but not {', '.join(lacking)}")
        layer, expert, kind = query.groups()
        ours[f"{layer}.attention.{expert}.qkv.{kind}"] = torch.cat([state[n] for n in names])
        used.update(names)
    for key, tensor in state.items():
        if key not in used:
            ours[_renamed_back(key)] = tensor
    return ours


def _renamed(key: str) -> str:
    """Return the official key of one of ours that is not fused."""
    layer = re.fullmatch(r"(layers\.\d+)\.(.+)\.(weight|bias)", key)
    if layer is not None:
        return f"encoder.{layer[1]}.{TO_OFFICIAL[layer[2]]}.{layer[3]}"
    if key.startswith("final_norm."):
        return key.replace("final_norm.", "encoder.layer_norm.", 1)
    return f"encoder.{key}" if key.startswith("embed_positions.") else key


def _renamed_back(key: str) -> str:
    """Return our key of an official one that is not fused."""
    layer = re.fullmatch(r"encoder\.(layers\.\d+)\.(.+)\.(weight|bias)", key)
    if layer is not None and layer[2] in TO_OURS:
        return f"{layer[1]}.{TO_OURS[layer[2]]}.{layer[3]}"
    if key.startswith("encoder.layer_norm."):
        return key.replace("encoder.layer_norm.", "final_norm.", 1)
    return key.removeprefix("encoder.") if key.startswith("encoder.embed_positions.") else key
