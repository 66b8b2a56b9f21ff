"""A fused pass of BEiT-3 base over images and questions, ours against torchscale's, in fp32."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from harness import Bench, Engine, Floor
from models_input import BASE, images, official, ours, some, texts
from torch import Tensor

from evalsuite.kinds.padding import padded

NUM_TEXT_TOKENS = 64  # unilm beit3: questions are always padded to 64
MATRIX = 2048  # rows and columns of the product that measures the machine

Pass = Callable[[Tensor, Tensor, Tensor], Tensor]


class Fused(NamedTuple):
    """A pass, its inputs, and what the machine's own matrix product does in a CPU second."""

    run: Pass
    image_BCHW: Tensor
    text_BT: Tensor
    padding_BT: Tensor
    flops_per_second: float


def bench(image_size: int, batch: int, speed: float) -> Bench:
    """Return the benchmark at one resolution."""

    def loaded(make: Callable[[int], Pass]) -> Callable[[Path], Fused]:
        def load(folder: Path) -> Fused:
            ids, padding = padded([*texts(batch, 1), [0] * NUM_TEXT_TOKENS], pad_id=1)
            inputs = (images(batch, image_size), ids[:batch], padding[:batch])
            run = make(image_size)
            with torch.no_grad():
                run(*(tensor[:1] for tensor in inputs))
            return Fused(run, *inputs, matrix_rate())

        return load

    return Bench(
        name=f"forward_{image_size}",
        title=f"fused pass at {image_size} pixels",
        size=f"BEiT-3 base, {batch} images with {NUM_TEXT_TOKENS} text tokens, fp32",
        make_inputs=lambda folder, seed: None,
        engines={
            "official": Engine(warm=lambda: None, load=loaded(official_pass), score=_features),
            "ours": Engine(warm=lambda: None, load=loaded(our_pass), score=_rated),
        },
        floors={"ours": Floor(speed, None)},
        in_memory=True,
    )


def our_pass(image_size: int) -> Pass:
    """Return our fused pass."""
    model = ours(image_size)
    return lambda image, text, padding: model(image, text, padding_BT=padding).tokens_BLD


def official_pass(image_size: int) -> Pass:
    """Return torchscale's fused pass."""
    model = official(image_size)

    def run(image: Tensor, text: Tensor, padding: Tensor) -> Tensor:
        out = model(textual_tokens=text, visual_tokens=image, text_padding_position=padding)
        tokens_BLD: Tensor = out["encoder_out"]
        return tokens_BLD

    return run


@torch.no_grad()
def _features(fused: Fused) -> dict[str, Any]:
    """Return some of what comes out."""
    tokens_BLD = fused.run(fused.image_BCHW, fused.text_BT, fused.padding_BT)
    return {"features": some(tokens_BLD[:, 0])}


def _rated(fused: Fused) -> dict[str, Any]:
    """Return also how much of the machine's matrix-product rate the pass reached, in percent."""
    start = time.process_time()
    scores = _features(fused)
    seconds = time.process_time() - start
    rate = flops(len(fused.image_BCHW), fused.image_BCHW.shape[-1]) / seconds
    return {**scores, "percent_of_matrix_rate": 100 * rate / fused.flops_per_second}


def flops(batch: int, image_size: int) -> float:
    """Return the multiplications and additions of the products of a fused pass."""
    patches = (image_size // BASE.patch_size) ** 2
    length = 1 + patches + NUM_TEXT_TOKENS
    products = 2 * length * (4 * BASE.width**2 + 2 * BASE.width * BASE.ffn_width)
    attention = 4 * length**2 * BASE.width
    embedding = 2 * patches * 3 * BASE.patch_size**2 * BASE.width
    return float(batch * (BASE.depth * (products + attention) + embedding))


def matrix_rate() -> float:
    """Return multiplications and additions in a CPU second of a large product, the best of five."""
    left, right = torch.randn(2, MATRIX, MATRIX, generator=torch.Generator().manual_seed(0))
    best = 0.0
    for _ in range(5):
        start = time.process_time()
        left @ right
        best = max(best, 2 * MATRIX**3 / (time.process_time() - start))
    return best
