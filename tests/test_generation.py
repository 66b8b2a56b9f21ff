"""Beam search against the official rules, written out slowly over torchscale without any cache."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn
from torchscale_beit3 import official_beit3, official_features, prefixed

from evalsuite.backbones.beit3.config import CONFIGS
from evalsuite.backbones.beit3.model import Beit3
from evalsuite.backbones.loading import load_weights
from evalsuite.heads.words import WordHead
from evalsuite.kinds.captioning.best_captions import Caption
from evalsuite.kinds.captioning.generation import Rules, beam_search, greedy_search
from evalsuite.records.errors import UserError

VOCABULARY = 60
CONFIG = replace(CONFIGS["beit3_tiny"], vocab_size=VOCABULARY)
SPECIAL = {"bos_id": 0, "eos_id": 2, "mask_id": VOCABULARY - 1}
LONG, SHORT = Rules(**SPECIAL, max_tokens=20), Rules(**SPECIAL, max_tokens=8)
IMAGES = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@dataclass
class Hypotheses:
    """The kept captions of one image (one of them), after the official BeamHypotheses."""

    rules: Rules
    kept: tuple[float, list[int]] | None = None

    def add(self, decoded: list[int], total: float) -> None:
        score = total / len(decoded) ** self.rules.length_penalty
        if self.kept is None or score > self.kept[0]:
            self.kept = (score, decoded)

    def is_done(self, best: float) -> bool:
        longest = self.rules.max_tokens - 1
        return self.kept is not None and self.kept[0] >= best / longest**self.rules.length_penalty


class Official:
    """torchscale's BEiT-3 with a word head whose captions differ in words and in length."""

    def __init__(self) -> None:
        self.model = official_beit3(CONFIG)
        self.head = WordHead(CONFIG.width, VOCABULARY)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            weight = self.head.mlm_head.weight
            weight.copy_(0.35 * torch.randn(weight.shape, generator=generator))
            self.head.mlm_head.bias[SPECIAL["eos_id"]] = 7.0

    def log_probabilities(self, image: Tensor, texts: Tensor) -> Tensor:
        """Return what comes in the place of the last token of each text, `[K, V]`."""
        patches, length = 1 + CONFIG.num_patches, texts.shape[1]
        blocked = torch.ones(patches + length, patches + length, dtype=torch.long)
        blocked[:, :patches] = 0
        blocked[patches:, patches:] -= torch.tril(torch.ones(length, length, dtype=torch.long))
        features = official_features(
            self.model,
            textual_tokens=texts,
            visual_tokens=image.expand(len(texts), -1, -1, -1),
            text_padding_position=torch.zeros_like(texts),
            attn_mask=blocked,
        )
        with torch.no_grad():
            return torch.log_softmax(self.head(features[:, -1]), -1)

    def caption(self, image: Tensor, rules: Rules) -> Caption:
        """Return the caption of one image by the official beam search."""
        beams, scores = [[0]] * 3, [0.0, -1e9, -1e9]
        kept, is_done = Hypotheses(rules), False
        for length in range(2, rules.max_tokens):
            texts = torch.tensor([[*words, SPECIAL["mask_id"]] for words in beams])
            totals = self.log_probabilities(image, texts) + torch.tensor(scores)[:, None]
            best = totals.flatten().topk(9)
            is_done = is_done or kept.is_done(float(best.values[0]))
            if is_done:
                break
            following: list[tuple[float, list[int]]] = []
            for total, place in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                beam, word = divmod(place, VOCABULARY)
                if word == SPECIAL["eos_id"] or length + 1 == rules.max_tokens:
                    kept.add([*beams[beam], SPECIAL["mask_id"]], total)
                else:
                    following.append((total, [*beams[beam], word]))
                if len(following) == 3:
                    break
            if following:
                scores, beams = [total for total, _ in following], [one for _, one in following]
        assert kept.kept is not None
        return Caption(kept.kept[1][1:-1], kept.kept[0])


@pytest.fixture(scope="module")
def official() -> Official:
    return Official()


@pytest.fixture(scope="module")
def ours(official: Official) -> tuple[Beit3, nn.Module]:
    backbone = Beit3(CONFIG).eval()
    head = WordHead(CONFIG.width, VOCABULARY)
    state = prefixed(official.model) | official.head.state_dict()
    load_weights(backbone, head, state)
    return backbone, head


@pytest.mark.parametrize("rules", [LONG, SHORT], ids=["long", "short"])
@torch.no_grad()
def test_captions_and_scores_are_the_official_rules(
    official: Official, ours: tuple[Beit3, nn.Module], rules: Rules
) -> None:
    images = IMAGES[:16]
    expected = [official.caption(image, rules) for image in images]
    found = beam_search(*ours, images, rules)
    assert [caption.words for caption in found] == [caption.words for caption in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)
    lengths = [len(caption.words) for caption in found]
    # Some are cut off, others end at different lengths and leave the batch early.
    assert max(lengths) == rules.max_tokens - 3
    assert len(set(lengths)) > 3


@pytest.mark.parametrize(
    ("search", "size", "count"),
    [(beam_search, 7, 64), (beam_search, 1, 16), (greedy_search, 7, 64)],
)
@torch.no_grad()
def test_the_batch_size_changes_no_caption(
    ours: tuple[Beit3, nn.Module],
    search: Callable[..., list[Caption]],
    size: int,
    count: int,
) -> None:
    whole = search(*ours, IMAGES, LONG)[:count]
    parts = [search(*ours, images, LONG) for images in torch.split(IMAGES[:count], size)]
    captions = [caption for part in parts for caption in part]
    assert [one.words for one in captions] == [one.words for one in whole]
    for one, other in zip(captions, whole, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-5)


@torch.no_grad()
def test_greedy_takes_the_likeliest_word_every_time(
    official: Official, ours: tuple[Beit3, nn.Module]
) -> None:
    for image, caption in zip(IMAGES[:4], greedy_search(*ours, IMAGES[:4], LONG), strict=True):
        words, total = [0], 0.0
        while len(words) <= LONG.max_tokens - 2:
            asked = torch.tensor([[*words, SPECIAL["mask_id"]]])
            best = official.log_probabilities(image, asked)[0].max(0)
            total += float(best.values)
            if int(best.indices) == SPECIAL["eos_id"] or len(words) == LONG.max_tokens - 2:
                break
            words.append(int(best.indices))
        assert caption.words == words[1:]
        assert caption.score == pytest.approx(total / (len(words) + 1) ** 0.6, abs=1e-5)


@torch.no_grad()
def test_a_model_without_finite_probabilities_is_said_to_have_none(
    ours: tuple[Beit3, nn.Module],
) -> None:
    broken = WordHead(CONFIG.width, VOCABULARY)
    broken.mlm_head.bias.fill_(torch.nan)
    for search in (beam_search, greedy_search):
        with pytest.raises(UserError, match="no finite probability"):
            search(ours[0], broken, IMAGES[:1], SHORT)


def test_a_caption_needs_room_for_a_word() -> None:
    with pytest.raises(UserError, match="expected 4 or more"):
        Rules(**SPECIAL, max_tokens=3)
