"""Retrieval on any collection: images and texts encoded apart, trained against each other.

Sources are unilm beit3/modeling_finetune.py BEiT3ForRetrieval and utils.py ClipLoss @768a3c8.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Sample
from evalsuite.contracts.task import Batch
from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.data.images import ImageReader, eval_transform, train_transform
from evalsuite.heads.matching import RetrievalHead
from evalsuite.kinds.padding import padded
from evalsuite.kinds.retrieval.features import packed
from evalsuite.kinds.retrieval.gathering import gathered
from evalsuite.kinds.retrieval.recipes import RetrievalRecipe


class DualEncoder:
    """Retrieval at work on one data folder.

    A sample is a text with its image. In evaluation only the first text of an image brings the
    image along, so that each is read and encoded once; a batch then has fewer images than texts.
    """

    needs_whole_batch = True

    def __init__(self, data: Path, recipe: RetrievalRecipe, tokenizer: Tokenizer) -> None:
        self._recipe, self._tokenizer = recipe, tokenizer
        look, glance = eval_transform(recipe.image_size), train_transform(recipe.image_size)
        self._read = ImageReader(data, look, glance if recipe.augment else None)

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head; files of intermediate tuning (`itc`) hold a trained one."""
        return RetrievalHead(backbone.width, seed=seed)

    def length(self, sample: Sample) -> int:
        """Return the number of text tokens."""
        return len(self._encoded(sample))

    def inputs(self, sample: Sample, generator: Generator | None) -> dict[str, Any]:
        """Return the text's ids, and the image: always in training, else with its first text."""
        found: dict[str, Any] = {"text": self._encoded(sample)}
        if generator is not None or sample.target["brings_image"]:
            found["image"] = self._read(sample.images[0], generator)
        return found

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return a batch; `image` holds those of the items that `has_image` marks, in their order.

        Texts are padded to the longest.
        """
        text_BT, padding_BT = padded([item["text"] for item in items], self._tokenizer.pad_id)
        batch = {
            "text": text_BT,
            "padding": padding_BT,
            "has_image": torch.tensor(["image" in item for item in items]),
        }
        images = [item["image"] for item in items if "image" in item]
        return {**batch, "image": torch.stack(images)} if images else batch

    def pairs(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return unit vectors of images, scaled for similarities, beside those of their texts.

        The shape is `[B, 2, D]`.
        """
        assert isinstance(head, RetrievalHead)
        images_BD = self._images(backbone, head, batch) * head.logit_scale.exp()
        return torch.stack([images_BD, self._texts(backbone, head, batch)], dim=1)

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return how far the pairs are from each being the likeliest: see `contrastive_loss`."""
        return contrastive_loss(self.pairs(backbone, head, batch))

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return `text` and, where the sample brings one, `image`: unit vectors as `packed`."""
        assert isinstance(head, RetrievalHead)
        texts = self._texts(backbone, head, batch).cpu().numpy()
        found: list[Any] = [{"text": packed(text), "image": None} for text in texts]
        if "image" in batch:
            images = self._images(backbone, head, batch).cpu().numpy()
            for row, image in zip(batch["has_image"].nonzero()[:, 0].tolist(), images, strict=True):
                found[row]["image"] = packed(image)
        return found

    def _images(self, backbone: Backbone, head: RetrievalHead, batch: Batch) -> Tensor:
        """Return the unit vectors of the batch's images."""
        return head.embed_images(backbone(batch["image"]))

    def _texts(self, backbone: Backbone, head: RetrievalHead, batch: Batch) -> Tensor:
        """Return the unit vectors of the batch's texts."""
        return head.embed_texts(backbone(None, batch["text"], padding_BT=batch["padding"]))

    def _encoded(self, sample: Sample) -> list[int]:
        """Return the ids of a sample's text."""
        return self._tokenizer.encode(sample.text, self._recipe.max_text_tokens)


def contrastive_loss(pairs_B2D: Tensor) -> Tensor:
    """Return the mean of image-to-text and text-to-image cross-entropy over this process's B.

    The candidates are those of all processes; another text of an image counts as wrong, as in the
    released code. Similarities are in full precision.
    """
    with torch.autocast(pairs_B2D.device.type, enabled=False):
        pairs_B2D = pairs_B2D.float()
        everyone_G2D, first = gathered(pairs_B2D)
        (images_BD, texts_BD), (images_GD, texts_GD) = pairs_B2D.unbind(1), everyone_G2D.unbind(1)
        right_B = first + torch.arange(len(pairs_B2D), device=pairs_B2D.device)
        by_image = F.cross_entropy(images_BD @ texts_GD.T, right_B)
        by_text = F.cross_entropy(texts_BD @ images_GD.T, right_B)
        return (by_image + by_text) / 2
