"""Classification at work: one of the classes, from the image alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Sample
from evalsuite.contracts.task import Batch, Inputs
from evalsuite.data.images import ImageReader
from evalsuite.data.index import open_index
from evalsuite.heads.pooled import ImageClassHead
from evalsuite.kinds.classification.augment import augmenting_transform, plain_transform
from evalsuite.kinds.classification.benchmark import ClassificationBenchmark
from evalsuite.kinds.classification.mixing import (
    draw_mixture,
    mixed_images,
    soft_target_loss,
    soft_targets,
)
from evalsuite.kinds.classification.probe import FeatureStore
from evalsuite.kinds.classification.recipes import ClassificationRecipe
from evalsuite.kinds.deciding import decided
from evalsuite.metrics.classification import TOP
from evalsuite.records.errors import UserError


class ImageClassifier:
    """A benchmark at work on one data folder, with the classes that have a folder there."""

    def __init__(
        self, data: Path, recipe: ClassificationRecipe, benchmark: ClassificationBenchmark
    ) -> None:
        self._data, self._recipe, self._benchmark = data, recipe, benchmark
        card = benchmark.card
        self._training = benchmark.folder(data, card.train_split)
        # Released weights need no training images: then the classes are those of evaluation.
        split = card.train_split if self._training.is_dir() else card.eval_split
        self.wnids = benchmark.wnids(data, split)
        self._labels = {wnid: label for label, wnid in enumerate(self.wnids)}
        glance = augmenting_transform(recipe.image_size) if recipe.augment else None
        self._read = ImageReader(data, plain_transform(recipe.image_size), glance)
        self._store: FeatureStore | None = None

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head over the classes; for a linear probe, freeze the backbone."""
        head = ImageClassHead(backbone.width, len(self.wnids), seed=seed)
        if self._recipe.linear_probe and not head.head.weight.is_meta:
            backbone.requires_grad_(False)
            split = self._recipe.train_split or self._benchmark.card.train_split
            if self._benchmark.folder(self._data, split).is_dir():
                ids = open_index(self._benchmark, self._data, split).ids
                self._store = FeatureStore(ids, backbone.width)
        return head

    def inputs(self, sample: Sample, generator: Generator | None) -> Inputs:
        """Return image and label; in training also what decides its augmentation or its place."""
        (name,) = sample.images
        found = {"label": self._label(sample)}
        if generator is None:
            return found | {"image": self._read(name, None)}
        if self._store is not None:
            slot = self._store.slot(sample.id)
            size = self._recipe.image_size
            known = self._store.holds(slot)
            image = torch.zeros(3, size, size) if known else self._read(name, None)
            return found | {"image": image, "slot": slot}
        image = self._read(name, generator)
        return found | {"image": image, "draw": int(generator.integers(2**63))}

    def _label(self, sample: Sample) -> int:
        """Return a sample's class.

        Raises:
            UserError: training has no class of that name.
        """
        wnid = sample.target["wnid"]
        if wnid not in self._labels:
            raise UserError(
                f"{self._data / sample.images[0]}: the class {wnid} is none of the "
                f"{len(self.wnids)} that have a folder in {self._training}"
            )
        return self._labels[wnid]

    def collate(self, items: Sequence[Inputs]) -> dict[str, Tensor]:
        """Return a batch; in training its images are mixed, and its targets soft."""
        recipe, count = self._recipe, len(self.wnids)
        image_BCHW = torch.stack([item["image"] for item in items])
        label_B = torch.tensor([item["label"] for item in items])
        if "slot" in items[0]:
            slot_B = torch.tensor([item["slot"] for item in items])
            target_BC = soft_targets(label_B, count, recipe.label_smoothing)
            return {"image": image_BCHW, "target": target_BC, "slot": slot_B}
        if "draw" not in items[0]:
            return {"image": image_BCHW}
        generator = np.random.default_rng([item["draw"] for item in items])
        mixture = draw_mixture(generator, recipe.mixup, recipe.cutmix, recipe.image_size)
        target_BC = soft_targets(label_B, count, recipe.label_smoothing, mixture)
        return {"image": mixed_images(image_BCHW, mixture), "target": target_BC}

    def logits(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return class logits, B x classes."""
        assert isinstance(head, ImageClassHead)
        if self._store is None or "slot" not in batch:
            return head.forward(backbone(batch["image"]))
        backbone.eval()  # no stochastic depth: a feature is computed once

        def compute(image_BCHW: Tensor) -> Tensor:
            return head.pooled(backbone(image_BCHW))

        return head.classify(self._store.filled(batch["slot"], batch["image"], compute))

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the cross-entropy of soft targets, averaged over images."""
        return soft_target_loss(self.logits(backbone, head, batch), batch["target"])

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return the wnids of the five likeliest classes of each image, best first."""
        logits_BC = self.logits(backbone, head, batch)
        best = logits_BC.topk(min(TOP, len(self.wnids)), dim=-1).indices.tolist()
        ranked = [[self.wnids[label] for label in labels] for labels in best]
        return decided(ranked, logits_BC, borders=(1, TOP))
