"""Segmentation at work: a class for every pixel, from the image alone."""

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
from evalsuite.data.images import read_image
from evalsuite.heads.mask2former import Mask2Former
from evalsuite.heads.upernet import UperNet
from evalsuite.kinds.segmentation.augment import (
    augmented,
    normalised,
    pixels_of,
    resized_image,
    without_zero,
)
from evalsuite.kinds.segmentation.benchmark import SegmentationBenchmark
from evalsuite.kinds.segmentation.checks import true_labels
from evalsuite.kinds.segmentation.files import packed_labels
from evalsuite.kinds.segmentation.inference import (
    MULTI_SCALE,
    SINGLE_SCALE,
    ImageView,
    ViewReader,
    labels_of,
    whole_patches,
)
from evalsuite.kinds.segmentation.recipes import SegmentationRecipe
from evalsuite.metrics.miou import confusion_counts
from evalsuite.records.errors import UserError

CHOICES = {"head": ("upernet", "mask2former"), "inference": ("slide", "whole")}


class PixelClassifier:
    """A benchmark at work on one data folder, with the classes that its files name.

    Raises:
        UserError: the classes are missing, or a setting is none of its choices.
    """

    def __init__(
        self, data: Path, recipe: SegmentationRecipe, benchmark: SegmentationBenchmark
    ) -> None:
        for name, choices in CHOICES.items():
            found = getattr(recipe, name)
            if found not in choices:
                raise UserError(f"--set {name}={found}: expected {' or '.join(choices)}")
        self._data, self._recipe = data, recipe
        self._num_classes = len(benchmark.classes(data).names)
        self._views = MULTI_SCALE if recipe.multi_scale else SINGLE_SCALE

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head; on several GPUs its batch norms are synchronised, as in mmseg."""
        recipe, width = self._recipe, backbone.width
        head: nn.Module
        if recipe.head == "upernet":
            head = UperNet(width, recipe.upernet(self._num_classes), seed=seed)
        else:
            head = Mask2Former(width, recipe.mask2former(self._num_classes), seed=seed)
        if torch.distributed.is_initialized() and torch.distributed.get_backend() == "nccl":
            head = nn.SyncBatchNorm.convert_sync_batchnorm(head)  # type: ignore[no-untyped-call]
        return head

    def inputs(self, sample: Sample, generator: Generator | None) -> Inputs:
        """Return an augmented crop and its truth, or every view of the whole image for the test.

        Truths hold classes from 0, and 255 where a pixel has no label.

        Raises:
            UserError: an image or its label map cannot be read, they differ in size, or a label is
                no class.
        """
        image = read_image(self._data / sample.images[0])
        labels_HW = true_labels(self._data, sample, image.size, self._num_classes)
        if generator is not None:
            if labels_HW is None:
                raise UserError(f"{sample.images[0]}: has no label map to learn from")
            truth_HW = without_zero(labels_HW)
            pixels_CHW, truth_HW = augmented(
                image, truth_HW, self._recipe.augmentation(), generator
            )
            return {"image": pixels_CHW, "truth": truth_HW}
        pixels_CHW = pixels_of(image)
        side = self._recipe.image_size
        views = []
        for scale, _ in self._views:
            # A view is never smaller than the window: unilm's SETR_Resize.
            factor = max(side, int(side * scale)) / min(image.size)
            size = (int(image.height * factor + 0.5), int(image.width * factor + 0.5))
            views.append(normalised(resized_image(pixels_CHW, size)))
        return {"views": views, "size": (image.height, image.width), "labels": labels_HW}

    def more_files(self, sample: Sample) -> Sequence[str]:
        """Return the label map: what is journaled counts its pixels."""
        name = sample.target["annotation"]
        return [name] if name else []

    def collate(self, items: Sequence[Inputs]) -> dict[str, Tensor]:
        """Return a batch; for the test, images and truths are padded to the largest.

        `image_0` and `content_0` and so on are the views and the sides of each, `size` and `truth`
        those of the files; `truth` is not there where it is held back.
        """
        if "views" not in items[0]:
            return {name: torch.stack([item[name] for item in items]) for name in items[0]}
        batch = {"size": torch.tensor([item["size"] for item in items])}
        for number in range(len(self._views)):
            views = [item["views"][number] for item in items]
            batch[f"image_{number}"] = _stacked(views)
            batch[f"content_{number}"] = torch.tensor([one.shape[1:] for one in views])
        if items[0]["labels"] is not None:
            batch["truth"] = _stacked([torch.tensor(item["labels"]) for item in items])
        return batch

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the head's own loss: Mask2Former's is no sum over pixels or samples."""
        assert isinstance(head, UperNet | Mask2Former)
        maps = backbone.feature_maps(batch["image"], layers=self._recipe.taps)
        return head.loss(maps, batch["truth"])

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return for every image its confusion counts, or its label map where it must be kept."""
        assert isinstance(head, UperNet | Mask2Former)

        def scores(image_BCHW: Tensor) -> Tensor:
            height, width = image_BCHW.shape[2:]
            filled = whole_patches(image_BCHW, backbone.patch_size)
            maps = backbone.feature_maps(filled, layers=self._recipe.taps)
            whole: Tensor = head.scores(maps, (filled.shape[2], filled.shape[3]))
            return whole[..., :height, :width]

        reading = ViewReader(self._recipe.flip_test, self._recipe.window(), scores, head)
        found = []
        for row, (height, width) in enumerate(batch["size"].tolist()):
            views = []
            for number, (_, weight) in enumerate(self._views):
                rows, columns = batch[f"content_{number}"][row].tolist()
                views.append(ImageView(batch[f"image_{number}"][row, :, :rows, :columns], weight))
            labels_HW = labels_of(views, (height, width), reading).cpu().numpy() + 1
            if "truth" in batch and not self._recipe.save_maps:
                truth_HW = batch["truth"][row, :height, :width].contiguous().cpu().numpy()
                counts = confusion_counts(labels_HW, truth_HW, self._num_classes)
                found.append(counts.tolist())
            else:
                found.append(packed_labels(labels_HW))
        return found


def _stacked(images: Sequence[Tensor]) -> Tensor:
    """Return images of different sizes as one tensor, 0 on the right and below."""
    height, width = (max(image.shape[axis] for image in images) for axis in (-2, -1))
    return torch.stack(
        [F.pad(one, (0, width - one.shape[-1], 0, height - one.shape[-2])) for one in images]
    )
