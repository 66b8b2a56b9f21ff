"""What no processor changes and no move of the code may change, kept in golden/house.json.

Run `python tests/house_facts.py` where a change means to move one of these facts, in a commit
that says why.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer.main
from PIL import Image
from safetensors import safe_open

import evalsuite
from evalsuite.__main__ import app
from evalsuite.catalog import task_named, task_names
from evalsuite.data.images import (
    HALF,
    IMAGENET_MEAN,
    IMAGENET_STD,
    center_crop_transform,
    eval_transform,
    sample_generator,
    train_transform,
)
from evalsuite.data.text import Tokenizer
from evalsuite.kinds.classification.augment import augmenting_transform
from evalsuite.kinds.segmentation.augment import distort
from evalsuite.pretraining.recipes import GROUNDING, ITC, MASKED, TOKENIZER
from evalsuite.records.recipe import Recipe
from evalsuite.records.run import Run
from evalsuite.tinyworld.tokenizer import tokenizer_path

HOUSE = Path(__file__).parent / "golden" / "house.json"
TEXTS = ("", "a red circle", "How many green squares are there?", "un café ☕ à côté", "x" * 60)
STAGES: dict[str, dict[str, Any]] = {
    "masked": MASKED,
    "tokenizer": TOKENIZER,
    "itc": ITC,
    "grounding": GROUNDING,
}


def house() -> dict[str, Any]:
    """Return every fact, as JSON holds it."""
    recipes = dict(_recipes())
    facts = {
        "recipes": {name: recipe.to_json() for name, recipe in recipes.items()},
        "run_folders": {name: _digest(recipe) for name, recipe in recipes.items()},
        "shipped_keys": dict(_shipped_keys()),
        "token_ids": [Tokenizer(tokenizer_path()).encode(text, 32) for text in TEXTS],
        "pixels": dict(_pixels()),
        "options": dict(_options()),
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return plain


def _recipes() -> Iterator[tuple[str, Recipe]]:
    for task in task_names():
        for backbone, recipe in task_named(task).recipes.items():
            yield f"{task}/{backbone}", recipe
    for stage, known in STAGES.items():
        for backbone, recipe in known.items():
            yield f"{stage}/{backbone}", recipe


def _digest(recipe: Recipe) -> str:
    """Return the digest that names the folder of a run of this recipe."""
    identity = {
        "task": "task",
        "backbone": "backbone",
        "weights": "0" * 64,
        "data": "1" * 64,
        "recipe": recipe.to_json(),
        "seed": 0,
        "limit": None,
    }
    return Run.folder_of(Path("runs"), identity).name[-8:]


def _shipped_keys() -> Iterator[tuple[str, dict[str, list[int]]]]:
    for path in sorted((Path(evalsuite.__file__).parent / "weights").glob("*.safetensors")):
        with safe_open(path, "pt") as file:
            yield path.name, {key: file.get_slice(key).get_shape() for key in sorted(file.keys())}


def _pixels() -> Iterator[tuple[str, str]]:
    """Yield the digest of what each transform makes of one picture, in 8 bits a channel."""
    rows, columns = np.mgrid[0:90, 0:130]
    drawn = np.stack([rows * 2, columns, (rows * columns) % 256], axis=-1).astype(np.uint8)
    image = Image.fromarray(drawn)
    for size in (32, 64):
        yield f"squashed {size}", _eight_bits(eval_transform(size)(image), HALF, HALF)
        cut = center_crop_transform(size)(image)
        yield f"centre {size}", _eight_bits(cut, IMAGENET_MEAN, IMAGENET_STD)
    for number in range(4):
        for name, transform in {
            "cropped": train_transform(48),
            "cropped, RandAugment": train_transform(48, randaug=True, flip=False),
        }.items():
            made = transform(image, sample_generator(0, 1, number))
            yield f"{name} {number}", _eight_bits(made, HALF, HALF)
        made = augmenting_transform(48)(image, sample_generator(0, 1, number))
        yield f"ImageNet's {number}", _eight_bits(made, IMAGENET_MEAN, IMAGENET_STD)
        distorted = distort(drawn, sample_generator(0, 1, number))
        yield f"ADE20K's colours {number}", hashlib.sha256(distorted.tobytes()).hexdigest()


def _eight_bits(pixels_CHW: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> str:
    shift, scale = (torch.tensor(values)[:, None, None] for values in (mean, std))
    pixels = (pixels_CHW * scale + shift).mul(255).round().clamp(-1e4, 1e4).to(torch.int32)
    return hashlib.sha256(pixels.numpy().tobytes()).hexdigest()


def _options() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each command with its options and their defaults."""
    group = typer.main.get_command(app)
    for name, command in sorted(group.commands.items()):  # type: ignore[attr-defined]
        yield name, {"/".join(one.opts): one.default for one in command.params}


if __name__ == "__main__":
    HOUSE.write_text(json.dumps(house(), indent=1) + "\n")
