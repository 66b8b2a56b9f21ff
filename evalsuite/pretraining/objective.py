"""Masked data modelling at work: images, texts and pairs with parts hidden and to be predicted.

Axes: B samples, I images, T texts, L words, N patches, D width, V words or codes.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional as F

from evalsuite.contracts.backbone import Backbone, Features
from evalsuite.contracts.benchmark import Sample
from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.data.images import ImageReader, eval_transform, sample_generator
from evalsuite.data.masking import hide_words
from evalsuite.heads.pooled import initialise_linear
from evalsuite.kinds.padding import padded
from evalsuite.pretraining.aggregation import Aggregator, early_tokens
from evalsuite.pretraining.codes import Codes
from evalsuite.pretraining.crops import crop_reader
from evalsuite.pretraining.masking import hide_blocks
from evalsuite.pretraining.recipes import MaskedRecipe
from evalsuite.pretraining.words import word_chances
from evalsuite.records.errors import UserError

Batch = Mapping[str, Tensor]
# The order of a batch: its first samples have images, its last ones texts, those between both.
IMAGE, PAIR, TEXT = 0, 1, 2


class MaskedHead(nn.Module):
    """Logits of hidden words and hidden patches, under the names of the released files."""

    def __init__(
        self, width: int, vocab_size: int, num_codes: int, *, aggregator: int = 0, seed: int = 0
    ) -> None:
        super().__init__()
        self.mlm_head = nn.Linear(width, vocab_size)
        self.mim_head = nn.Linear(width, num_codes)
        self.aggregator = Aggregator(width, aggregator) if aggregator else None
        initialise_linear(self, seed)

    def official_state(self) -> dict[str, Tensor]:
        """Return the weights that the released files hold: those of the aggregator are not."""
        state: dict[str, Tensor] = self.state_dict()
        return {key: value for key, value in state.items() if not key.startswith("aggregator.")}


class OpenMasked:
    """Masked data modelling at work on one data folder.

    Every sample draws by itself whether its image, its text or both are taken, so that a batch
    mixes the streams whatever the number of processes.

    Args:
        codes: the tokenizer; frozen, and no part of what is trained.
        side: patches per side of an image.
    """

    def __init__(
        self, data: Path, recipe: MaskedRecipe, tokenizer: Tokenizer, codes: Codes, side: int
    ) -> None:
        self._recipe, self._tokenizer = recipe.checked(), tokenizer
        self._read = ImageReader(data, eval_transform(recipe.image_size), None)
        self._read_crop = crop_reader(data, recipe.image_size, recipe.image_crop)
        self._codes, self._side = codes, side
        self._chances = word_chances(recipe.word_weights, tokenizer)

    def head(self, backbone: Backbone, *, seed: int) -> nn.Module:
        """Return a new head."""
        if not 1 <= self._recipe.aggregate_from <= backbone.depth:
            raise UserError(
                f"--set aggregate_from={self._recipe.aggregate_from}: expected a layer from 1 to "
                f"{backbone.depth}"
            )
        return MaskedHead(
            backbone.width,
            backbone.vocab_size,
            self._codes.num_codes,
            aggregator=self._recipe.aggregator,
            seed=seed,
        )

    def inputs(self, sample: Sample, generator: Generator | None) -> dict[str, Any]:
        """Return the sample's stream, and its image or words or both, with what is hidden.

        Evaluation hides the same in every call.
        """
        recipe = self._recipe
        generator = generator or sample_generator(0, 0, sample.id)
        stream = _stream(recipe, generator)
        item: dict[str, Any] = {"stream": stream}
        if stream != TEXT:
            rate = recipe.image_mask if stream == IMAGE else recipe.pair_image_mask
            read = self._read_crop if stream == IMAGE else self._read
            item["image"] = read(sample.images[0], generator)
            item["masked"] = torch.from_numpy(hide_blocks(self._side, rate, generator))
        if stream != IMAGE:
            rate = recipe.text_mask if stream == TEXT else recipe.pair_text_mask
            item["words"] = self._tokenizer.encode(sample.text, recipe.max_text_tokens)
            item |= self._hide(item["words"], rate, generator)
        return item

    def collate(self, items: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return a batch in the order of the streams: images alone, pairs, texts alone.

        `image` and `masked` hold the images of the first I samples, `text`, `words`, `hidden` and
        `padding` the texts of the last T; they are left out where there are none.
        """
        items = sorted(items, key=lambda item: int(item["stream"]))
        batch = {"stream": torch.tensor([item["stream"] for item in items])}
        seen = [item for item in items if "image" in item]
        read = [item for item in items if "words" in item]
        if seen:
            batch["image"] = torch.stack([item["image"] for item in seen])
            batch["masked"] = torch.stack([item["masked"] for item in seen])
        if read:
            pad_id = self._tokenizer.pad_id
            batch["words"], batch["padding"] = padded([item["words"] for item in read], pad_id)
            batch["text"], _ = padded([item["text"] for item in read], pad_id)
            batch["hidden"] = padded([item["hidden"] for item in read], 0)[0].bool()
        return batch

    def losses(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return each sample's loss, `[B]` in fp32, nats: see `MaskedRecipe`."""
        assert isinstance(head, MaskedHead)
        codes_IN = self._codes_of(batch["image"]) if "image" in batch else None
        if head.aggregator is None:
            passes = _passes(backbone, batch)
            return self._losses(head, _joined(passes), batch, codes_IN)
        with early_tokens(backbone, self._recipe.aggregate_from) as early:
            passes = _passes(backbone, batch)
        again = [head.aggregator(*pair) for pair in zip(passes, early, strict=True)]
        plain_B = self._losses(head, _joined(passes), batch, codes_IN)
        return plain_B + self._losses(head, _joined(again), batch, codes_IN)

    def loss(self, backbone: Backbone, head: nn.Module, batch: Batch) -> Tensor:
        """Return the mean over the samples, so that it does not depend on how a batch is cut."""
        return self.losses(backbone, head, batch).mean()

    def predict(self, backbone: Backbone, head: nn.Module, batch: Batch) -> list[Any]:
        """Return every sample's loss, in the order of the batch."""
        return self.losses(backbone, head, batch).tolist()

    def _losses(
        self, head: MaskedHead, found: "_Tokens", batch: Batch, codes_IN: Tensor | None
    ) -> Tensor:
        """Return each sample's loss given its tokens, `[B]`."""
        num_samples = len(batch["stream"])
        losses_B = torch.zeros(num_samples, device=batch["stream"].device)
        if found.patches_IND is not None and codes_IN is not None:
            losses_I = _hidden_losses(head.mim_head, found.patches_IND, codes_IN, batch["masked"])
            is_pair_I = batch["stream"][: len(losses_I)] == PAIR
            losses_I = torch.where(is_pair_I, self._recipe.image_weight, 1.0) * losses_I
            losses_B = losses_B + F.pad(losses_I, (0, num_samples - len(losses_I)))
        if found.words_TLD is not None:
            losses_T = _hidden_losses(
                head.mlm_head, found.words_TLD, batch["words"], batch["hidden"]
            )
            losses_B = losses_B + F.pad(losses_T, (num_samples - len(losses_T), 0))
        return losses_B

    def _hide(self, words: list[int], rate: float, generator: Generator) -> dict[str, Any]:
        """Return what the model reads of a text, and which words it has to predict."""
        if rate == 0:
            return {"text": words, "hidden": [False] * len(words)}
        chances = None if self._chances is None else self._chances[words]
        text = hide_words(words, rate, self._tokenizer, generator, chances=chances)
        return {"text": text.ids, "hidden": text.is_hidden}

    @torch.no_grad()
    def _codes_of(self, image_IHW: Tensor) -> Tensor:
        """Return the codes `[I, N]` of clear images, in full precision."""
        with torch.autocast(image_IHW.device.type, enabled=False):
            codes_IN: Tensor = self._codes.to(image_IHW.device)(image_IHW.float())
        return codes_IN


class _Tokens(NamedTuple):
    """Features of patches and words; None where a batch has none."""

    patches_IND: Tensor | None
    words_TLD: Tensor | None


def _stream(recipe: MaskedRecipe, generator: Generator) -> int:
    """Return which of the three streams a sample belongs to this time."""
    image, text, pair = recipe.shares
    draw = generator.random() * (image + text + pair)
    return IMAGE if draw < image else TEXT if draw < image + text else PAIR


def _passes(backbone: Backbone, batch: Batch) -> list[Features]:
    """Return the features of the streams that are there: images alone, pairs, texts alone."""
    num_images = len(batch["image"]) if "image" in batch else 0
    num_texts = len(batch["text"]) if "text" in batch else 0
    num_pairs = num_images + num_texts - len(batch["stream"])
    alone = num_images - num_pairs
    passes: list[Features] = []
    if alone:
        passes.append(backbone(batch["image"][:alone], masked_BN=batch["masked"][:alone]))
    if num_pairs:
        both = backbone(
            batch["image"][alone:],
            batch["text"][:num_pairs],
            padding_BT=batch["padding"][:num_pairs],
            masked_BN=batch["masked"][alone:],
        )
        passes.append(both)
    if num_texts > num_pairs:
        padding_BT = batch["padding"][num_pairs:]
        passes.append(backbone(None, batch["text"][num_pairs:], padding_BT=padding_BT))
    return passes


def _joined(passes: Sequence[Features]) -> _Tokens:
    """Return the patches and the words of all passes, in the order of the batch."""
    patches = [one.tokens_BLD[:, 1 : one.num_image_tokens] for one in passes]
    words = [one.tokens_BLD[:, one.num_image_tokens :] for one in passes]
    patches = [some for some, one in zip(patches, passes, strict=True) if one.num_image_tokens]
    words = [some for some in words if some.shape[1]]
    return _Tokens(torch.cat(patches) if patches else None, torch.cat(words) if words else None)


def _hidden_losses(
    linear: nn.Module, tokens_RLD: Tensor, targets_RL: Tensor, hidden_RL: Tensor
) -> Tensor:
    """Return the mean cross-entropy of each row's hidden tokens, `[R]`; 0 for a row without."""
    logits_MV = linear(tokens_RLD[hidden_RL]).float()
    losses_M = F.cross_entropy(logits_MV, targets_RL[hidden_RL], reduction="none")
    spread_RL = torch.zeros(hidden_RL.shape, device=losses_M.device)
    spread_RL = spread_RL.masked_scatter(hidden_RL, losses_M)
    return spread_RL.sum(dim=1) / hidden_RL.sum(dim=1).clamp(min=1)
