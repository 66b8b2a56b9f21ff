"""Detection at work: boxes and masks from one model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hotcoco import mask as run_lengths
from numpy.random import Generator
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Sample
from evalsuite.contracts.task import Batch, Inputs
from evalsuite.data.images import read_image
from evalsuite.heads.cascade import Truth
from evalsuite.heads.detector import Detector
from evalsuite.heads.instance_masks import pasted
from evalsuite.heads.suppression import ImageObjects
from evalsuite.kinds.detection.benchmark import DetectionBenchmark
from evalsuite.kinds.detection.checks import refuse_other_size
from evalsuite.kinds.detection.instances import (
    Size,
    fitted,
    framed_image,
    framed_instances,
    jittered,
)
from evalsuite.kinds.detection.recipes import DetectionRecipe
from evalsuite.kinds.detection.views import View, ViewFinder, find, mirrored
from evalsuite.records.errors import UserError

DECIMALS_OF_BOXES, DECIMALS_OF_SCORES = 2, 5  # a line of the journal stays small


class ObjectDetector:
    """A benchmark at work on one data folder, with the classes that its files name."""

    def __init__(self, data: Path, recipe: DetectionRecipe, benchmark: DetectionBenchmark) -> None:
        self.categories = list(benchmark.any_categories(data))
        self._labels = {category: label for label, category in enumerate(self.categories)}
        self._data, self._recipe = data, recipe

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new detector over the classes.

        Raises:
            UserError: a test scale is not of whole patches.
        """
        patch = backbone.patch_size
        for side in self._recipe.test_scales:
            if side % patch:
                raise UserError(f"test_scales={side}: expected multiples of the patch size {patch}")
        settings = self._recipe.head()
        return Detector(backbone.width, patch, len(self.categories), settings, seed=seed)

    def inputs(self, sample: Sample, generator: Generator | None) -> Inputs:
        """Return an image in its frame with the objects in it, or every view for the test."""
        image = read_image(self._data / sample.images[0])
        size = Size(*sample.target["size"])
        refuse_other_size(self._data / sample.images[0], image.size, size)
        recipe, side = self._recipe, self._recipe.image_size
        if generator is None:
            views = []
            for frame in recipe.test_scales or (side,):
                framing = fitted(size, frame)
                views.append((framed_image(image, framing, frame), framing.content))
            return {"size": size, "views": views}
        framing = jittered(size, side, generator, scales=recipe.jitter, mirrors=recipe.flip)
        try:
            instances = framed_instances(sample.target, framing)
        except UserError as error:
            raise UserError(f"{sample.images[0]}: {error}; fetch the annotations again") from None
        view = (framed_image(image, framing, side), framing.content)
        return {"size": size, "views": [view], "instances": instances}

    def collate(self, items: Sequence[Inputs]) -> dict[str, Tensor]:
        """Return a batch: `image_0` and `content_0` and so on by view, and the images' `size`.

        In training also the objects of all images, one after the other (`boxes`, `labels`,
        `masks`), and how many each image has (`counts`).
        """
        batch = {"size": torch.tensor([item["size"] for item in items])}
        for number in range(len(items[0]["views"])):
            views = [item["views"][number] for item in items]
            batch[f"image_{number}"] = torch.stack([image for image, _ in views])
            batch[f"content_{number}"] = torch.tensor([content for _, content in views])
        if "instances" not in items[0]:
            return batch
        found = [item["instances"] for item in items]
        counts = [len(one.boxes) for one in found]
        side = self._recipe.image_size
        masks_NHW = torch.zeros(sum(counts), side, side, dtype=torch.uint8)
        start = 0
        for one, count in zip(found, counts, strict=True):
            _, height, width = one.masks.shape
            masks_NHW[start : start + count, :height, :width] = torch.from_numpy(one.masks)
            start += count
        labels = [self._label(category) for one in found for category in one.categories]
        return batch | {
            "counts": torch.tensor(counts),
            "boxes": torch.cat([torch.from_numpy(one.boxes) for one in found]),
            "labels": torch.tensor(labels, dtype=torch.int64),
            "masks": masks_NHW,
        }

    def _label(self, category: int) -> int:
        """Return the head's label of a category.

        Raises:
            UserError: training objects are of a category that the evaluated classes lack.
        """
        if category not in self._labels:
            raise UserError(
                f"a training object is of category {category}; expected those of the validation "
                f"file, {', '.join(map(str, self.categories[:5]))} ...: fetch both files again"
            )
        return self._labels[category]

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the sum of all losses, averaged over images; it trains on its own proposals."""
        assert isinstance(head, Detector)
        counts = batch["counts"].tolist()
        columns = [torch.split(batch[name], counts) for name in ("boxes", "labels", "masks")]
        truths = [Truth(*one) for one in zip(*columns, strict=True)]
        (map_BDHW,) = backbone.feature_maps(
            batch["image_0"], window=self._window, global_layers=self._recipe.global_layers
        )
        losses_BK = head.losses(map_BDHW, batch["content_0"], truths)
        return losses_BK.float().sum(dim=1).mean()

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return for every image its records as in a COCO result file."""
        assert isinstance(head, Detector)
        recipe = self._recipe
        views = []
        for number in range(sum(name.startswith("image_") for name in batch)):
            view = View(batch[f"image_{number}"], batch[f"content_{number}"], False)
            views += [view, mirrored(view)] if recipe.test_flip else [view]
        looking = ViewFinder(backbone, head, self._window, recipe.global_layers, recipe.selection())
        found = find(looking, views, batch["size"])
        return [
            self.records(objects, masks, size)
            for (objects, masks), size in zip(found, batch["size"].tolist(), strict=True)
        ]

    @property
    def _window(self) -> int | None:
        return self._recipe.window or None

    def records(
        self, objects: ImageObjects, masks_NMM: Tensor, size: list[int]
    ) -> list[dict[str, Any]]:
        """Return one image's records, boxes in its own pixels; one mask at a time is ever large."""
        records = []
        columns = (objects.boxes_N4, objects.scores_N, objects.labels_N, masks_NMM)
        for box_4, score, label, mask_MM in zip(*(one.cpu() for one in columns), strict=True):
            encoded = run_lengths.encode(np.asfortranarray(pasted(mask_MM, box_4, *size)))
            x0, y0, x1, y1 = box_4.tolist()
            records.append(
                {
                    "category_id": self.categories[int(label)],
                    "bbox": [round(v, DECIMALS_OF_BOXES) for v in (x0, y0, x1 - x0, y1 - y0)],
                    "score": round(float(score), DECIMALS_OF_SCORES),
                    "segmentation": {"size": size, "counts": encoded["counts"].decode()},
                }
            )
        return records
