from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torchscale_beit3 import official_beit3, official_features, prefixed

from evalsuite.backbones.beit3.config import CONFIGS
from evalsuite.backbones.beit3.model import Beit3
from evalsuite.backbones.loading import load_weights
from evalsuite.contracts.benchmark import Sample
from evalsuite.data.images import sample_generator
from evalsuite.data.masking import hide_words
from evalsuite.data.text import Tokenizer
from evalsuite.heads.words import WordHead, without_worst, word_losses
from evalsuite.kinds.captioning.masked_words import Captioner
from evalsuite.kinds.captioning.recipes import CaptioningRecipe
from evalsuite.tinyworld.tokenizer import tokenizer_path

CONFIG = CONFIGS["beit3_tiny"]
TOKENIZER = Tokenizer(tokenizer_path())
RECIPE = CaptioningRecipe(
    source="a test",
    image_size=32,
    batch_size=4,
    epochs=1,
    warmup_epochs=0,
    lr=1e-3,
    max_text_tokens=32,
)
CAPTIONS = ("a red square", "a big blue ring and a small gray cross in the top left", "a cross")


@pytest.fixture
def captioner(tmp_path: Path) -> Captioner:
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "1.png")
    return Captioner(tmp_path, RECIPE, TOKENIZER)


def batch_of(captioner: Captioner) -> dict[str, Tensor]:
    samples = [Sample(n, ("1.png",), text, {}) for n, text in enumerate(CAPTIONS)]
    inputs = [captioner.inputs(one, sample_generator(0, 0, one.id)) for one in samples]
    return captioner.collate(inputs) | {"step": torch.zeros(len(CAPTIONS), dtype=torch.long)}


def test_hidden_words_are_as_many_and_of_such_kinds_as_officially() -> None:
    rates: dict[int, list[int]] = {}
    kinds = {"mask": 0, "same": 0, "other": 0}
    for length in (2, 3, 7, 12, 32):
        ids = [0, *range(10, 8 + length), 2]
        for seed in range(400):
            hidden = hide_words(ids, 0.7, TOKENIZER, np.random.default_rng(seed))
            assert not hidden.is_hidden[0]
            rates.setdefault(length, []).append(sum(hidden.is_hidden))
            for old, new, is_hidden in zip(ids, hidden.ids, hidden.is_hidden, strict=True):
                assert is_hidden or old == new
                if is_hidden:
                    is_mask = new == TOKENIZER.mask_id
                    kinds["mask" if is_mask else "same" if old == new else "other"] += 1
                    assert 3 <= new < TOKENIZER.vocab_size or new == old
    # int(0.7 n + 0.5), at least 1 and at most n - 1.
    assert {length: set(counts) for length, counts in rates.items()} == {
        2: {1}, 3: {2}, 7: {5}, 12: {8}, 32: {22},
    }  # fmt: skip
    total = sum(kinds.values())
    assert kinds["mask"] / total == pytest.approx(0.8, abs=0.01)
    assert kinds["same"] / total == pytest.approx(0.1, abs=0.01)


def test_every_place_but_the_first_is_hidden_equally_often() -> None:
    counts = np.zeros(7)
    for seed in range(2000):
        counts += hide_words(range(10, 17), 0.3, TOKENIZER, np.random.default_rng(seed)).is_hidden
    assert counts[0] == 0
    assert counts[1:] / 2000 == pytest.approx(np.full(6, 2 / 6), abs=0.04)


def test_word_losses_are_torchs_divergence_from_the_smoothed_target() -> None:
    logits = torch.randn(5, 50, generator=torch.Generator().manual_seed(0))
    words = torch.tensor([3, 49, 0, 7, 7])
    target = torch.full((5, 50), 0.1 / 49).scatter(1, words[:, None], 0.9)
    expected = F.kl_div(logits.log_softmax(1), target, reduction="none").sum(1)
    assert torch.allclose(word_losses(logits, words, 0.1), expected, atol=1e-6)
    plain = F.cross_entropy(logits, words, reduction="none")
    assert torch.allclose(word_losses(logits, words, 0.0), plain, atol=1e-6)


def test_the_worst_fifth_is_left_out_rounded_up() -> None:
    losses = torch.tensor([5.0, 1.0, 4.0, 2.0, 3.0, 9.0])
    assert sorted(without_worst(losses, 0.2).tolist()) == [1, 2, 3, 4]  # int(6 * 0.8)
    assert without_worst(losses[:1], 0.2).tolist() == [5]


@torch.no_grad()
def test_the_worst_are_left_out_after_the_stated_step_only(captioner: Captioner) -> None:
    batch = batch_of(captioner)
    config = replace(CONFIG, vocab_size=TOKENIZER.vocab_size)
    backbone, head = Beit3(config).eval(), WordHead(config.width, config.vocab_size, seed=1)
    logits = captioner.logits(backbone, head, batch)
    losses = word_losses(logits, batch["words"][batch["hidden"]], 0.1)
    for step, expected in ((12000, losses.mean()), (12001, without_worst(losses, 0.2).mean())):
        batch["step"].fill_(step)
        assert captioner.loss(backbone, head, batch) == pytest.approx(float(expected), abs=1e-6)


def test_inputs_depend_on_seed_epoch_and_id_alone(captioner: Captioner) -> None:
    sample = Sample(5, ("1.png",), CAPTIONS[1], {})
    first, again, later = (
        captioner.inputs(sample, sample_generator(0, epoch, 5)) for epoch in (1, 1, 2)
    )
    assert (first["text"], first["hidden"]) == (again["text"], again["hidden"])
    assert torch.equal(first["image"], again["image"])
    assert first["hidden"] != later["hidden"]
    assert first["words"] == TOKENIZER.encode(CAPTIONS[1], 32)


@torch.no_grad()
def test_logits_are_torchscales_with_the_official_mask_and_padding(captioner: Captioner) -> None:
    config = replace(CONFIG, vocab_size=TOKENIZER.vocab_size)
    official = official_beit3(config)
    backbone, head = Beit3(config).eval(), WordHead(config.width, config.vocab_size, seed=1)
    load_weights(backbone, head, prefixed(official) | head.state_dict())
    batch = batch_of(captioner)
    # Officially a caption is padded to 32 tokens, which are hidden as keys.
    room = 32 - batch["text"].shape[1]
    text, hidden = F.pad(batch["text"], (0, room), value=1), F.pad(batch["hidden"], (0, room))
    patches = 1 + config.num_patches
    blocked = torch.ones(patches + 32, patches + 32, dtype=torch.long)
    blocked[:, :patches] = 0
    blocked[patches:, patches:] -= torch.tril(torch.ones(32, 32, dtype=torch.long))
    features = official_features(
        official,
        textual_tokens=text,
        visual_tokens=batch["image"],
        text_padding_position=(text == 1).long(),
        attn_mask=blocked,
    )
    expected = head(features[:, patches:][hidden])
    assert float((captioner.logits(backbone, head, batch) - expected).abs().max()) <= 1e-5
