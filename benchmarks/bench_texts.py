"""Encoding captions alone: texts of like length together, against padding every one to 64."""

from pathlib import Path
from typing import Any

import torch
from harness import Bench, Engine, Floor, main
from models_input import official, ours, some, texts
from torch import Tensor, nn

from evalsuite.backbones.beit3.model import Beit3
from evalsuite.kinds.padding import padded

NUM_TEXTS = 256
BATCH = 64
PADDED = 64  # unilm beit3: captions are always padded to 64 for retrieval
IMAGE_SIZE = 224  # of the model; no image is encoded


@torch.no_grad()
def _official(model: nn.Module) -> dict[str, Any]:
    """Return some features of the first tokens, texts in their order."""
    found = []
    captions = texts(NUM_TEXTS, 1)
    for start in range(0, NUM_TEXTS, BATCH):
        batch = captions[start : start + BATCH]
        ids_BT, padding_BT = padded([*batch, [0] * PADDED], pad_id=1)
        out = model(textual_tokens=ids_BT[:-1], text_padding_position=padding_BT[:-1])
        found.append(out["encoder_out"][:, 0])
    return {"features": some(torch.cat(found))}


@torch.no_grad()
def _ours(model: Beit3) -> dict[str, Any]:
    """Return the same, the longest texts first."""
    captions = texts(NUM_TEXTS, 1)
    order = sorted(range(NUM_TEXTS), key=lambda number: -len(captions[number]))
    found: dict[int, Tensor] = {}
    for start in range(0, NUM_TEXTS, BATCH):
        numbers = order[start : start + BATCH]
        ids_BT, padding_BT = padded([captions[number] for number in numbers], pad_id=1)
        tokens_BTD = model(text_BT=ids_BT, padding_BT=padding_BT).tokens_BLD
        found |= dict(zip(numbers, tokens_BTD[:, 0], strict=True))
    return {"features": some(torch.stack([found[number] for number in range(NUM_TEXTS)]))}


def _load_official(folder: Path) -> nn.Module:
    return official(IMAGE_SIZE)


def _load_ours(folder: Path) -> Beit3:
    return ours(IMAGE_SIZE)


BENCH = Bench(
    name="texts",
    title="encoding captions",
    size=f"BEiT-3 base, {NUM_TEXTS} captions of about 14 tokens in batches of {BATCH}, fp32",
    make_inputs=lambda folder, seed: None,
    engines={
        "official": Engine(warm=lambda: None, load=_load_official, score=_official),
        "ours": Engine(warm=lambda: None, load=_load_ours, score=_ours),
    },
    floors={"ours": Floor(3.0, None)},
    in_memory=True,
)

if __name__ == "__main__":
    main(BENCH)
