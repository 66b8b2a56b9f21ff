"""A backbone of another family goes through the contract: tasks know no backbone by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from evalsuite.catalog import task_named
from evalsuite.contracts.backbone import Backbone, Features
from evalsuite.contracts.benchmark import Capability
from evalsuite.contracts.task import Batch, OpenTask
from evalsuite.data.text import Tokenizer
from evalsuite.tinyworld.tokenizer import tokenizer_path
from evalsuite.tinyworld.write import write_world


class PlainTransformer(Backbone):
    """torch's own encoder over patches and a class token; it reads no text."""

    width, depth, patch_size, vocab_size = 32, 4, 8, 0
    capabilities: frozenset[Capability] = frozenset({"image"})

    def __init__(self, image_size: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.image_size = image_size
        self.patches = nn.Conv2d(3, self.width, self.patch_size, self.patch_size)
        self.first = nn.Parameter(torch.zeros(1, 1, self.width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(self.width, 2, 64, dropout=0.0, batch_first=True)
            for _ in range(self.depth)
        )

    def passes(self, image_BCHW: Tensor) -> list[Tensor]:
        """Return the tokens after every layer."""
        patches_BND = self.patches(image_BCHW).flatten(2).transpose(1, 2)
        found = [torch.cat([self.first.expand(len(image_BCHW), -1, -1), patches_BND], dim=1)]
        for layer in self.layers:
            found.append(layer(found[-1]))
        return found[1:]

    def forward(
        self,
        image_BCHW: Tensor | None = None,
        text_BT: Tensor | None = None,
        *,
        padding_BT: Tensor | None = None,
        causal_text: bool = False,
    ) -> Features:
        """Return the features of images."""
        assert image_BCHW is not None and text_BT is None
        tokens_BLD = self.passes(image_BCHW)[-1]
        return Features(tokens_BLD, None, tokens_BLD.shape[1])

    def feature_maps(
        self,
        image_BCHW: Tensor,
        *,
        layers: tuple[int, ...] | None = None,
        window: int | None = None,
        global_layers: tuple[int, ...] = (),
    ) -> tuple[Tensor, ...]:
        """Return the patches after the layers as maps."""
        passes, rows = self.passes(image_BCHW), image_BCHW.shape[2] // self.patch_size
        chosen = layers or (self.depth - 1,)
        maps = [passes[one][:, 1:].transpose(1, 2) for one in chosen]
        return tuple(one.reshape(*one.shape[:2], rows, -1) for one in maps)

    def depth_of(self, parameter: str) -> int:
        """Return the layer of a parameter."""
        return int(parameter.split(".")[1]) + 1 if parameter.startswith("layers.") else 0


def losses_of(
    work: OpenTask, model: tuple[PlainTransformer, nn.Module], batch: Batch
) -> list[float]:
    """Take forty steps on one batch."""
    weights = [weight for part in model for weight in part.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=3e-3)
    losses = []
    for _ in range(40):
        optimizer.zero_grad()
        loss = work.loss(*model, batch)
        torch.autograd.backward(loss)
        assert all(weight.grad is not None for weight in weights)
        optimizer.step()
        losses.append(loss.item())
    return losses


@torch.no_grad()
def predicted(work: OpenTask, model: tuple[PlainTransformer, nn.Module], batch: Batch) -> list[Any]:
    backbone, head = (part.eval() for part in model)
    assert isinstance(backbone, Backbone)
    return [getattr(one, "prediction", one) for one in work.predict(backbone, head, batch)]


@pytest.mark.parametrize("name", ["imagenet", "segmentation"])
def test_a_plain_transformer_learns_a_batch_and_its_predictions_are_scored(
    name: str, tmp_path: Path
) -> None:
    write_world(tmp_path / "world", size="mini", benchmarks=(name,))
    task, data = task_named(name), tmp_path / "world"
    split, recipe = task.benchmark.card.eval_split, task.recipe("beit3_tiny")
    work = task.open(data, recipe, Tokenizer(tokenizer_path()))
    backbone = PlainTransformer(recipe.image_size)
    model = (backbone, work.head(backbone, seed=0))
    samples = list(task.benchmark.samples(data, split))[:8]
    draws = np.random.default_rng(0)
    batch = work.collate([work.inputs(one, draws) for one in samples])
    losses = losses_of(work, model, {**batch, "step": torch.tensor(0)})
    assert losses[-1] < losses[0] / 2
    values = predicted(work, model, work.collate([work.inputs(one, None) for one in samples]))
    predictions = {one.id: value for one, value in zip(samples, values, strict=True)}
    references = task.benchmark.references(data, split, only=predictions.keys())
    assert task.benchmark.score(predictions, references, interval=False)[0].value > 20
