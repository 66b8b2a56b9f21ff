"""Recognising what a checkpoint holds, and rewriting it as safetensors."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from evalsuite.backbones.beit3.config import CONFIGS
from evalsuite.backbones.checkpoint import save_checkpoint
from evalsuite.backbones.state_choice import Choice, unwrapped
from evalsuite.backbones.weight_folder import Source, open_source, weight_source
from evalsuite.records.errors import UserError

PREFIX = "beit3."
ANCHOR = "beit3.vision_embed.proj.weight"  # in every BEiT-3 file
LAYER = re.compile(r"beit3\.encoder\.layers\.(\d+)\.")
# Which head is in the file: the first key that is there decides.
HEAD_KEYS = {
    "head.norm1.weight": "nlvr2",
    "pooler.dense.weight": "vqa",
    "fc_norm.weight": "imagenet",
    "vision_head.weight": "retrieval",
    "mim_head.weight": "pretrained",
    "mlm_head.weight": "captioning",
}
CLASS_KEYS = ("head.3.weight", "head.dense2.weight", "head.weight")


@dataclass(frozen=True, kw_only=True)
class CheckpointContents:
    """What a checkpoint is.

    `backbone` is None for a shape that has no name here; `task` None when there is no known head;
    `num_classes` None when its head does not classify.
    """

    backbone: str | None
    image_size: int
    final_norm: bool
    task: str | None
    num_classes: int | None
    num_parameters: int
    keys: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = self.task or "no head"
        head += f" ({self.num_classes} classes)" if self.num_classes else ""
        heads = [key for key in self.keys if not key.startswith(PREFIX)]
        return "\n".join(
            (
                f"{self.backbone or 'BEiT-3 of an unnamed shape'} at {self.image_size} pixels",
                f"head: {head}",
                f"final norm: {'yes' if self.final_norm else 'no'}",
                f"{self.num_parameters:,} parameters in {len(self.keys)} tensors",
                f"keys outside the backbone: {', '.join(heads) or 'none'}",
                *self.notes,
            )
        )


def read_weights(source: Source, wanted: str | None = None) -> Choice:
    """Return the state dictionary of a source under official keys, whatever wrapped the model.

    Args:
        wanted: the name of the state dictionary in the file; None for the usual one.

    Raises:
        UserError: the file holds no weights, or several that could be meant.
    """
    opened = open_source(source, wanted)
    bare = unwrapped(opened.state, ANCHOR, str(source.files[0]))
    return Choice(bare.state, (*opened.notes, *bare.notes))


def head_key(state: Mapping[str, Tensor]) -> str | None:
    """Return the key that tells which head a file was last trained with, None without one."""
    return next((key for key in HEAD_KEYS if key in state), None)


def recognise(state: Mapping[str, Tensor], source: str = "the checkpoint") -> CheckpointContents:
    """Return what a state dictionary with official keys holds.

    Raises:
        UserError: it is no BEiT-3.
    """
    try:
        patch = state[ANCHOR]
        positions = state["beit3.encoder.embed_positions.A.weight"]
    except KeyError as error:
        some = ", ".join(list(state)[:2])
        raise UserError(
            f"{source}: not a BEiT-3 checkpoint: it lacks {error.args[0]} (it holds {some}, ...)"
        ) from None
    layers = [int(match[1]) for match in map(LAYER.match, state) if match]
    depth = 1 + max(layers, default=-1)
    shape = (depth, patch.shape[0], patch.shape[-1])
    named = (n for n, c in CONFIGS.items() if (c.depth, c.width, c.patch_size) == shape)
    classifier = next((state[key] for key in CLASS_KEYS if key in state), None)
    return CheckpointContents(
        backbone=next(named, None),
        image_size=math.isqrt(len(positions) - 3) * patch.shape[-1],
        final_norm="beit3.encoder.layer_norm.A.weight" in state,
        task=HEAD_KEYS.get(head_key(state) or ""),
        num_classes=None if classifier is None else len(classifier),
        num_parameters=sum(tensor.numel() for tensor in state.values()),
        keys=tuple(state),
    )


def convert(checkpoint: Path, out: Path, wanted: str | None = None) -> CheckpointContents:
    """Rewrite a checkpoint as safetensors without running its pickle; return what it holds.

    The keys are the official ones; the file's metadata names its origin.

    Args:
        wanted: the name of the state dictionary in the file; None for the usual one.

    Raises:
        UserError: the checkpoint cannot be read or is no BEiT-3, or `out` is no `.safetensors`.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out}: expected a name that ends in .safetensors")
    source = weight_source(checkpoint)
    state, notes = read_weights(source, wanted)
    recognised = recognise(state, str(checkpoint))
    metadata = {"source": checkpoint.name, "source_sha256": source.sha256}
    save_checkpoint(out, state, metadata)
    return replace(recognised, notes=notes)
