"""Reasoning over pairs at work: a statement read with each of two images, true or false."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Sample
from evalsuite.contracts.task import Batch, Inputs
from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.data.images import ImageReader, eval_transform, train_transform
from evalsuite.heads.pooled import PairHead
from evalsuite.kinds.deciding import decided
from evalsuite.kinds.padding import padded
from evalsuite.kinds.reasoning.recipes import ReasoningRecipe

LABELS = ("False", "True")  # unilm beit3/datasets.py NLVR2Dataset @768a3c8: label 1 is "True"
UNLABELLED = -100  # of a sample whose label is held back; torch's cross-entropy leaves it out


class PairJudge:
    """A benchmark at work on one data folder."""

    def __init__(self, data: Path, recipe: ReasoningRecipe, tokenizer: Tokenizer) -> None:
        self._recipe, self._tokenizer = recipe, tokenizer
        look, glance = eval_transform(recipe.image_size), train_transform(recipe.image_size)
        self._read = ImageReader(data, look, glance if recipe.augment else None)

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head over false and true."""
        return PairHead(backbone.width, len(LABELS), seed=seed)

    def inputs(self, sample: Sample, generator: Generator | None) -> Inputs:
        """Return both images, the statement's ids and its label."""
        first, second = (self._read(path, generator) for path in sample.images)
        label = sample.target["label"].capitalize()
        return {
            "image_first": first,
            "image_second": second,
            "text": self._tokenizer.encode(sample.text, self._recipe.max_text_tokens),
            "label": LABELS.index(label) if label in LABELS else UNLABELLED,
        }

    def collate(self, items: Sequence[Inputs]) -> dict[str, Tensor]:
        """Return a batch; statements are padded to the longest of it."""
        text_BT, padding_BT = padded([item["text"] for item in items], self._tokenizer.pad_id)
        return {
            "image_first": torch.stack([item["image_first"] for item in items]),
            "image_second": torch.stack([item["image_second"] for item in items]),
            "text": text_BT,
            "padding": padding_BT,
            "label": torch.tensor([item["label"] for item in items]),
        }

    def logits(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return logits of false and true, B x 2, from one pass over twice the batch."""
        images_2B = torch.cat([batch["image_first"], batch["image_second"]])
        text_2B, padding_2B = batch["text"].repeat(2, 1), batch["padding"].repeat(2, 1)
        logits_BC: Tensor = head(backbone(images_2B, text_2B, padding_BT=padding_2B))
        return logits_BC

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the cross-entropy, averaged over statements.

        Source: unilm beit3/engine_for_finetuning.py NLVR2Handler @768a3c8.
        """
        return F.cross_entropy(self.logits(backbone, head, batch).float(), batch["label"])

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return "True" or "False" for each statement."""
        logits_BC = self.logits(backbone, head, batch)
        return decided([LABELS[i] for i in logits_BC.argmax(dim=-1).tolist()], logits_BC)
