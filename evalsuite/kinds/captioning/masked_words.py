"""Captioning at work: masked prediction behind an image, and captions of images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.random import Generator
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone
from evalsuite.contracts.benchmark import Sample
from evalsuite.contracts.task import Batch, Decision
from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.data.images import ImageReader, eval_transform, train_transform
from evalsuite.data.masking import hide_words
from evalsuite.heads.words import WordHead, without_worst, word_losses
from evalsuite.kinds.captioning.generation import Rules, beam_search, greedy_search
from evalsuite.kinds.captioning.recipes import CaptioningRecipe
from evalsuite.kinds.padding import padded


class Captioner:
    """A captioning task at work on one data folder.

    A training sample's text is one caption; an evaluation sample is one image. Words read the
    image and the words before them, the image reads no word: what is hidden is predicted in its
    own place, as the released models do.

    Source: unilm beit3/modeling_finetune.py BEiT3ForCaptioning @768a3c8.
    """

    def __init__(self, data: Path, recipe: CaptioningRecipe, tokenizer: Tokenizer) -> None:
        self._recipe, self._tokenizer = recipe, tokenizer
        look = eval_transform(recipe.image_size)
        glance = train_transform(recipe.image_size, randaug=recipe.randaug)
        self._read = ImageReader(data, look, glance if recipe.augment else None)
        self._rules = Rules(
            bos_id=tokenizer.bos_id,
            eos_id=tokenizer.eos_id,
            mask_id=tokenizer.mask_id,
            max_tokens=recipe.max_new,
            num_beams=recipe.num_beams,
            length_penalty=recipe.length_penalty,
        )

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new word head over the backbone's vocabulary."""
        return WordHead(backbone.width, backbone.vocab_size, seed=seed)

    def inputs(self, sample: Sample, generator: Generator | None) -> Mapping[str, Any]:
        """Return an image and, to learn from, its caption with some words hidden."""
        recipe = self._recipe
        image = self._read(sample.images[0], generator)
        if generator is None:
            return {"image": image}
        words = self._tokenizer.encode(sample.text, recipe.max_text_tokens)
        hidden = hide_words(words, recipe.mask_rate, self._tokenizer, generator)
        return {"image": image, "words": words, "text": hidden.ids, "hidden": hidden.is_hidden}

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return a batch; captions are padded to the longest of it."""
        batch = {"image": torch.stack([item["image"] for item in items])}
        if "text" in items[0]:
            pad_id = self._tokenizer.pad_id
            batch["words"], _ = padded([item["words"] for item in items], pad_id)
            batch["text"], _ = padded([item["text"] for item in items], pad_id)
            batch["hidden"] = padded([item["hidden"] for item in items], 0)[0].bool()
        return batch

    def logits(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the logits of the hidden words, one row a word, in the order of the batch."""
        # Padding needs no mask: it follows the words, and no word sees what follows.
        features = backbone(batch["image"], batch["text"], causal_text=True)
        logits_NV: Tensor = head(
            features.tokens_BLD[:, features.num_image_tokens :][batch["hidden"]]
        )
        return logits_NV

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the mean over the hidden words, without the worst late in the training.

        A mean over the words of a micro-batch, as the official one is over those of a GPU's batch;
        so the official micro-batch belongs to the recipe.
        """
        recipe = self._recipe
        logits_NV, words_N = self.logits(backbone, head, batch), batch["words"][batch["hidden"]]
        losses_N = word_losses(logits_NV, words_N, recipe.label_smoothing)
        if recipe.drop_worst > 0 and int(batch["step"][0]) > recipe.drop_worst_after:
            losses_N = without_worst(losses_N, recipe.drop_worst)
        return losses_N.mean()

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return the caption of each image."""
        search = greedy_search if self._recipe.greedy else beam_search
        captions = search(backbone, head, batch["image"], self._rules)
        return [Decision(self._tokenizer.decode(one.words), one.margin) for one in captions]
