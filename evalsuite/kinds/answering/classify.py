"""Answering at work: one label of many, from one fused pass over image and question."""

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
from evalsuite.heads.pooled import AnswerHead
from evalsuite.kinds.answering.recipes import AnsweringRecipe
from evalsuite.kinds.answering.vocabulary import soft_target
from evalsuite.kinds.deciding import decided
from evalsuite.kinds.padding import padded


class AnswerClassifier:
    """A benchmark at work on one data folder, with the answers that it may give, in label order."""

    def __init__(
        self, data: Path, recipe: AnsweringRecipe, tokenizer: Tokenizer, answers: Sequence[str]
    ) -> None:
        self.answers = answers
        self._labels = {answer: label for label, answer in enumerate(self.answers)}
        self._recipe, self._tokenizer = recipe, tokenizer
        glance = train_transform(recipe.image_size, randaug=recipe.randaug)
        look = eval_transform(recipe.image_size)
        self._read = ImageReader(data, look, glance if recipe.augment else None)

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head over the answers."""
        return AnswerHead(backbone.width, len(self.answers), seed=seed)

    def inputs(self, sample: Sample, generator: Generator | None) -> Inputs:
        """Return image, question ids and the soft target of one question."""
        labels, scores = soft_target(sample.target["answers"], self._labels)
        return {
            "image": self._read(sample.images[0], generator),
            "text": self._tokenizer.encode(sample.text, self._recipe.max_text_tokens),
            "labels": labels,
            "scores": scores,
        }

    def collate(self, items: Sequence[Inputs]) -> dict[str, Tensor]:
        """Return a batch; questions are padded to the longest of it."""
        target_BC = torch.zeros(len(items), len(self.answers))
        for row, item in enumerate(items):
            target_BC[row, item["labels"]] = torch.tensor(item["scores"])
        text_BT, padding_BT = padded([item["text"] for item in items], self._tokenizer.pad_id)
        image_BCHW = torch.stack([item["image"] for item in items])
        return {"image": image_BCHW, "text": text_BT, "padding": padding_BT, "target": target_BC}

    def logits(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return answer logits, B x answers."""
        features = backbone(batch["image"], batch["text"], padding_BT=batch["padding"])
        logits_BC: Tensor = head(features)
        return logits_BC

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the binary cross-entropy, summed over answers and averaged over questions.

        Source: unilm beit3/engine_for_finetuning.py VQAHandler @768a3c8.
        """
        logits_BC, target_BC = self.logits(backbone, head, batch).float(), batch["target"]
        mean = F.binary_cross_entropy_with_logits(logits_BC, target_BC)
        return mean * target_BC.shape[1]

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return the likeliest answer to each question."""
        logits_BC = self.logits(backbone, head, batch)
        answers = [self.answers[label] for label in logits_BC.argmax(dim=-1).tolist()]
        return decided(answers, logits_BC)
