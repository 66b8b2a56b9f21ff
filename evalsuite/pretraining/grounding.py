"""Grounding: every patch says which phrases it shows, and all together what the captions say.

Nobody says where in an image a phrase belongs. But only patches that see a thing can tell what it
is, so that learning which captions an image has teaches where things are. Images come in the sizes
of dense tasks, where masked data modelling's are too small, and some are mosaics of four: a patch
that spoke for another quarter would be wrong. Patches also tell their own pixels, so that the exact
outlines of things stay in reach of a detector.

Source: ours; phrases as labels are Joulin et al. 2016 (arXiv:1511.02251), the pooling is Pinheiro
and Collobert's (arXiv:1411.6228) with r = 1.

Axes: B samples, G pictures of a sample, P phrases, N patches of a picture, D width.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Sample
from evalsuite.data.images import ImageReader, eval_transform, sample_generator
from evalsuite.heads.pooled import initialise_linear
from evalsuite.pretraining.codes import patches_of
from evalsuite.pretraining.corpus import CORPUS
from evalsuite.pretraining.phrases import phrases_of
from evalsuite.pretraining.recipes import GroundingRecipe

Batch = Mapping[str, Tensor]
MOSAIC = 2  # pictures on a side


class GroundingHead(nn.Module):
    """What a patch says: a logit for every phrase, and its own pixels.

    Args:
        shares: of the images that have each phrase; what an untrained head says of any patch.
    """

    def __init__(
        self, width: int, shares: NDArray[np.float64], num_pixels: int, *, seed: int
    ) -> None:
        super().__init__()
        self.phrases = nn.Linear(width, len(shares))
        self.pixels = nn.Linear(width, num_pixels)
        initialise_linear(self, seed)
        with torch.no_grad():
            self.phrases.bias.copy_(torch.logit(torch.from_numpy(shares), eps=1e-3))


class OpenGrounding:
    """Grounding at work on one data folder.

    Every sample draws its size, and the other images of its mosaic, by itself: the loss does not
    depend on how a batch is cut.

    Raises:
        UserError: the settings do not fit each other, or no phrase is common enough.
    """

    def __init__(self, data: Path, recipe: GroundingRecipe, split: str, patch_size: int) -> None:
        self._recipe = recipe.checked(MOSAIC * patch_size)
        self._phrases = phrases_of(CORPUS.samples(data, split), recipe.phrase_shares)
        self._images = list(self._phrases.by_image)
        sides = {size // parts for size in recipe.sizes for parts in (1, MOSAIC)}
        self._readers = {side: ImageReader(data, eval_transform(side), None) for side in sides}

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head."""
        num_pixels = 3 * backbone.patch_size**2
        return GroundingHead(backbone.width, self._phrases.shares, num_pixels, seed=seed)

    def inputs(self, sample: Sample, generator: Generator | None) -> dict[str, Any]:
        """Return an image or a mosaic, and the phrases of each picture in it, `[G, P]`."""
        recipe = self._recipe
        generator = generator or sample_generator(0, 0, sample.id)
        chances = np.array(recipe.size_shares) / sum(recipe.size_shares)
        size = recipe.sizes[generator.choice(len(chances), p=chances)]
        parts = MOSAIC if generator.random() < recipe.mosaic else 1
        others = generator.integers(len(self._images), size=parts * parts - 1)
        names = [sample.images[0], *(self._images[other] for other in others)]
        shown_GP = torch.zeros(len(names), len(self._phrases.names))
        for row_P, name in zip(shown_GP, names, strict=True):
            row_P[self._phrases.by_image[name]] = 1.0
        pictures = [self._readers[size // parts](name, None) for name in names]
        rows = [torch.cat(pictures[i : i + parts], dim=2) for i in range(0, len(names), parts)]
        return {"image": torch.cat(rows, dim=1), "phrases": shown_GP}

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return a batch with images and phrases for every size and number of pictures in it."""
        groups: dict[str, list[Mapping[str, Any]]] = {}
        for item in items:
            name = f"{item['image'].shape[-1]}_{len(item['phrases'])}"
            groups.setdefault(name, []).append(item)
        return {
            f"{key}_{name}": torch.stack([item[key] for item in groups[name]])
            for name in sorted(groups)
            for key in ("image", "phrases")
        }

    def losses(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return each sample's loss, `[B]` in fp32: see `GroundingRecipe`."""
        assert isinstance(head, GroundingHead)
        losses = []
        for key in (key for key in batch if key.startswith("image_")):
            image_BCHW, shown_BGP = batch[key], batch[key.replace("image", "phrases", 1)]
            map_BDHW = backbone.feature_maps(image_BCHW)[0]
            phrases_B = _phrase_losses(head.phrases(_by_picture(map_BDHW, shown_BGP)), shown_BGP)
            made_BNX = head.pixels(map_BDHW.flatten(2).transpose(1, 2)).float()
            error_BNX = (made_BNX - patches_of(image_BCHW, backbone.patch_size)).square()
            pixels_B = error_BNX.sum(dim=2).mean(dim=1)
            losses.append(phrases_B + self._recipe.pixel_weight * pixels_B)
        return torch.cat(losses)

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the mean over the samples, so that it does not depend on how a batch is cut."""
        return self.losses(backbone, head, batch).mean()

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return every sample's loss."""
        return self.losses(backbone, head, batch).tolist()


def _by_picture(map_BDHW: Tensor, shown_BGP: Tensor) -> Tensor:
    """Return the patches of each picture of a mosaic, `[B, G, N, D]`, row by row."""
    num_samples, width, side, _ = map_BDHW.shape
    parts = MOSAIC if shown_BGP.shape[1] > 1 else 1
    cut = map_BDHW.reshape(num_samples, width, parts, side // parts, parts, side // parts)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(num_samples, parts * parts, -1, width)


def _phrase_losses(said_BGNP: Tensor, shown_BGP: Tensor) -> Tensor:
    """Return the nats that a picture's phrases cost, the mean over a sample's pictures, `[B]`.

    A picture's logit is the logarithm of the mean of its patches' exponentials.
    """
    num_patches = said_BGNP.shape[2]
    logits_BGP = torch.logsumexp(said_BGNP.float(), dim=2) - np.log(num_patches)
    losses_BGP = F.binary_cross_entropy_with_logits(logits_BGP, shown_BGP, reduction="none")
    return losses_BGP.sum(dim=2).mean(dim=1)
