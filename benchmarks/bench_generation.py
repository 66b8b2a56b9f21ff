"""Captions of images by beam search at 480 pixels, in fp32.

The official engine is the official rule through torchscale: it encodes an image once a beam and
copies every cached key and value at every step.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from harness import Bench, Engine, Floor, main
from models_input import images, official, ours
from torch import Tensor, nn

from evalsuite.heads.words import WordHead
from evalsuite.kinds.captioning.generation import Rules, beam_search

NUM_IMAGES = 16
IMAGE_SIZE = 480
NUM_PATCHES = (IMAGE_SIZE // 16) ** 2
# Random weights never end a caption: it is cut at 12 words, COCO's mean in pieces.
RULES = Rules(bos_id=0, eos_id=2, mask_id=64001, max_tokens=15)
SHARPNESS = 20  # random words as far apart as a trained head's


class Captioning(NamedTuple):
    """A model, its word head and the images."""

    model: Any
    head: nn.Module
    image_BCHW: Tensor


def make_inputs(folder: Path, seed: int) -> None:
    """Write down how many images there are; they are drawn when they are read."""
    (folder / "images.json").write_text(json.dumps(NUM_IMAGES))


def _loaded(folder: Path, model: Any) -> Captioning:
    head = WordHead(768, 64010)
    with torch.no_grad():
        head.mlm_head.weight.mul_(SHARPNESS)
    count = json.loads((folder / "images.json").read_text())
    return Captioning(model, head, images(count, IMAGE_SIZE))


@torch.no_grad()
def _ours(work: Captioning) -> dict[str, Any]:
    """Return our captions, in ids."""
    captions = beam_search(work.model, work.head, work.image_BCHW, RULES)
    return {"captions": [caption.words for caption in captions]}


class Step(NamedTuple):
    """What the official model reads at a step: the last word and the mask."""

    ids_R2: Tensor
    length: int  # of the text with the mask


@torch.no_grad()
def _official(work: Captioning) -> dict[str, Any]:
    """Return the captions of the official rule, in ids; no caption ends before it is cut."""
    batch, beams = len(work.image_BCHW), RULES.num_beams
    image_RCHW = work.image_BCHW.repeat_interleave(beams, dim=0)
    caches: dict[int, dict[str, Tensor]] = {layer: {} for layer in range(12)}
    decoded_RT = torch.full((batch * beams, RULES.max_tokens), RULES.mask_id)
    decoded_RT[:, 0] = RULES.bos_id
    totals_R = torch.tensor([0.0] + [-1e9] * (beams - 1)).repeat(batch)
    ids_R2 = decoded_RT[:, :2]
    best: list[list[int]] = [[] for _ in range(batch)]
    for length in range(2, RULES.max_tokens):
        step = Step(ids_R2, length)
        log_RV = _official_step(work, image_RCHW if length == 2 else None, step, caches)
        scores_BV = (log_RV + totals_R[:, None]).view(batch, -1)
        top = scores_BV.topk(3 * beams, dim=1)
        if length + 1 == RULES.max_tokens:
            rows = top.indices[:, 0] // log_RV.shape[1] + beams * torch.arange(batch)
            best = decoded_RT[rows, 1 : length - 1].tolist()
            break
        assert not (top.indices % log_RV.shape[1] == RULES.eos_id).any(), "a caption has ended"
        kept = top.indices[:, :beams]
        words_R = (kept % log_RV.shape[1]).flatten()
        rows_R = (kept // log_RV.shape[1] + beams * torch.arange(batch)[:, None]).flatten()
        totals_R = top.values[:, :beams].flatten()
        decoded_RT = decoded_RT[rows_R]
        decoded_RT[:, length - 1] = words_R
        for cache in caches.values():
            for name, tensor in cache.items():
                cache[name] = tensor.index_select(0, rows_R)[:, :, :-1]
        ids_R2 = torch.stack([words_R, torch.full_like(words_R, RULES.mask_id)], dim=1)
    return {"captions": best}


def _official_step(
    work: Captioning,
    image_RCHW: Tensor | None,
    step: Step,
    caches: dict[int, dict[str, Tensor]],
) -> Tensor:
    """Return log probabilities `[R, V]` of the next words; the caches grow."""
    patches, whole = 1 + NUM_PATCHES, 1 + NUM_PATCHES + step.length
    blocked = torch.ones(whole, whole, dtype=torch.long)
    blocked[:, :patches] = 0
    blocked[patches:, patches:] -= torch.tril(torch.ones(2 * (step.length,), dtype=torch.long))
    is_first = image_RCHW is not None
    out = work.model(
        textual_tokens=step.ids_R2,
        visual_tokens=image_RCHW,
        text_padding_position=torch.zeros_like(step.ids_R2) if is_first else None,
        attn_mask=blocked if is_first else blocked[-2:],
        incremental_state=caches,
        positions=None if is_first else torch.arange(step.length, step.length + 2)[None],
    )
    logits_R2V: Tensor = work.head(out["encoder_out"][:, patches if is_first else 0 :])
    return logits_R2V[:, 1].log_softmax(dim=-1)


def _load_official(folder: Path) -> Captioning:
    return _loaded(folder, official(IMAGE_SIZE))


def _load_ours(folder: Path) -> Captioning:
    return _loaded(folder, ours(IMAGE_SIZE))


BENCH = Bench(
    name="generation",
    title="captions by beam search",
    size=f"BEiT-3 base, {NUM_IMAGES} images of {IMAGE_SIZE} pixels, 3 beams, 12 words, fp32",
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=lambda: None, load=_load_official, score=_official),
        "ours": Engine(warm=lambda: None, load=_load_ours, score=_ours),
    },
    floors={"ours": Floor(3.0, 0.5)},
    in_memory=True,
)

if __name__ == "__main__":
    main(BENCH)
