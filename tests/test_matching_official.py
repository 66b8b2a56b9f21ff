"""NLVR2 and retrieval equal the official models, built on torchscale with random weights."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchscale_beit3 import official_beit3, official_features, prefixed

from evalsuite.backbones.beit3.config import CONFIGS
from evalsuite.backbones.beit3.model import Beit3
from evalsuite.backbones.checkpoint import read_checkpoint
from evalsuite.backbones.loading import load_weights
from evalsuite.catalog import task_named
from evalsuite.contracts.benchmark import Sample
from evalsuite.data.text import Tokenizer
from evalsuite.kinds.retrieval.features import unpacked
from evalsuite.tinyworld.tokenizer import tokenizer_path

PARTS = ("weight", "bias")
CONFIG = CONFIGS["beit3_tiny"]
WIDTH = CONFIG.width
TEXTS = ("There is a red ring in the left image.", "a square", "a gray cross below a big triangle")


def pictures(folder: Path) -> list[Tensor]:
    """Write six noise images, and return them as the official evaluation transforms them."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(6):
        pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        found.append(torch.from_numpy(pixels).permute(2, 0, 1) / 127.5 - 1)
    return found


def random_head(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return {key: 0.2 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def opened(task: str, folder: Path, state: dict[str, Tensor]) -> tuple[Any, Beit3, Any]:
    """Return the task at work with weights that went through a file of the official form."""
    torch.save({"model": state}, folder / "official.pth")
    recipe = task_named(task).recipe("beit3_tiny").with_settings(("image_size=32",))
    opened = task_named(task).open(folder, recipe, Tokenizer(tokenizer_path()))
    backbone = Beit3(CONFIG, seed=None)
    head = opened.head(backbone, seed=0)
    load_weights(backbone, head, read_checkpoint(folder / "official.pth"))
    return opened, backbone.eval(), head


def official_text(text: str) -> dict[str, Tensor]:
    """Return a text as the official loader does: padded to 64 tokens."""
    ids = torch.tensor(Tokenizer(tokenizer_path()).encode(text, 64))
    padding = (torch.arange(64) >= len(ids)).long()
    filled = F.pad(ids, (0, 64 - len(ids)), value=1)
    return {"textual_tokens": filled[None], "text_padding_position": padding[None]}


@torch.no_grad()
def test_nlvr2_logits_equal_the_official_model(tmp_path: Path) -> None:
    images = pictures(tmp_path)
    official = official_beit3(CONFIG)
    keys = {"norm1": (4 * WIDTH,), "norm2": (2 * WIDTH,)}
    shapes: dict[str, tuple[int, ...]] = {
        f"head.{key}.{part}": shape for key, shape in keys.items() for part in PARTS
    }
    for key, rows, columns in (("dense1", 2 * WIDTH, 4 * WIDTH), ("dense2", 2, 2 * WIDTH)):
        shapes |= {f"head.{key}.weight": (rows, columns), f"head.{key}.bias": (rows,)}
    state = random_head(shapes)
    expected = []
    for number, text in enumerate(TEXTS):
        halves = []
        for image in images[2 * number : 2 * number + 2]:
            words = official_text(text)
            features = official_features(official, visual_tokens=image[None], **words)
            halves.append(torch.cat([features[:, 0], features[:, 17]], dim=1))
        vector = torch.cat(halves, dim=1)
        for key, size in (("1", 4 * WIDTH), ("2", 2 * WIDTH)):
            norm = (state[f"head.norm{key}.weight"], state[f"head.norm{key}.bias"])
            normed = F.layer_norm(vector, (size,), *norm)
            active = F.gelu(normed) if key == "2" else normed
            vector = F.linear(
                active, state[f"head.dense{key}.weight"], state[f"head.dense{key}.bias"]
            )
        expected.append(vector)
    task, backbone, head = opened("nlvr2", tmp_path, {**prefixed(official), **state})
    samples = [
        Sample(str(n), (f"{2 * n}.png", f"{2 * n + 1}.png"), text, {"label": "True"})
        for n, text in enumerate(TEXTS)
    ]
    batch = task.collate([task.inputs(sample, None) for sample in samples])
    logits = task.logits(backbone, head, batch)
    assert float((logits - torch.cat(expected)).abs().max()) <= 1e-5


@torch.no_grad()
@pytest.mark.parametrize("name", ("retrieval_coco", "retrieval_flickr30k"))
def test_similarities_equal_the_official_model(tmp_path: Path, name: str) -> None:
    images = pictures(tmp_path)
    official = official_beit3(CONFIG)
    square = (WIDTH, WIDTH)
    state = random_head({"language_head.weight": square, "vision_head.weight": square})
    state["logit_scale"] = torch.tensor(1.3)
    image_rows = [
        official_features(official, visual_tokens=image[None], textual_tokens=None)[:, 0]
        for image in images[:3]
    ]
    text_rows = [
        official_features(official, visual_tokens=None, **official_text(text))[:, 0]
        for text in TEXTS
    ]
    images_ID = F.normalize(torch.cat(image_rows) @ state["vision_head.weight"].T, dim=-1)
    texts_TD = F.normalize(torch.cat(text_rows) @ state["language_head.weight"].T, dim=-1)
    task, backbone, head = opened(name, tmp_path, {**prefixed(official), **state})
    samples = [
        Sample(n, (f"{n}.png",), text, {"image_id": n, "brings_image": True})
        for n, text in enumerate(TEXTS)
    ]
    batch = task.collate([task.inputs(sample, None) for sample in samples])
    found = task.predict(backbone, head, batch)
    ours = (
        np.stack([unpacked(one["image"]) for one in found])
        @ np.stack([unpacked(one["text"]) for one in found]).T
    )
    assert np.abs(ours - (images_ID @ texts_TD.T).numpy()).max() <= 1e-5
    scaled_B2D = task.pairs(backbone, head, batch)
    similarity = scaled_B2D[:, 0] @ scaled_B2D[:, 1].T / torch.tensor(1.3).exp()
    assert float((similarity - images_ID @ texts_TD.T).abs().max()) <= 1e-5
