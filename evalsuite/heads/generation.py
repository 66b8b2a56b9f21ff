"""Captions word by word behind images that are encoded once: beam search, and greedy search.

Axes: B images, K beams of an image, R = B x K rows, C candidates of an image, T words so far,
V vocabulary.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalsuite.backbones.contract import Backbone, Memory
from evalsuite.records.errors import UserError

Ids = NDArray[np.int64]
CANDIDATES_PER_BEAM = 3  # unilm beit3/engine_for_finetuning.py CaptioningHandler @768a3c8
SHORTEST = 4  # <s>, one word, the mask slot and the word that is cut off


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a search goes by.

    `max_tokens` counts <s>, the mask slot and </s>, as the official num_max_bpe_tokens does: a
    caption has at most three words less.
    """

    bos_id: int
    eos_id: int
    mask_id: int
    max_tokens: int = 64
    num_beams: int = 3
    length_penalty: float = 0.6

    def length(self, num_words: int) -> int:
        """Return the officially counted length of a caption: with <s> and the mask slot."""
        return num_words + 2

    def is_last(self, num_words: int) -> bool:
        """Return whether a caption of so many words ends, whatever word would come next."""
        return self.length(num_words) + 1 >= self.max_tokens

    def score(self, total: float, length: int) -> float:
        """Return the sum of log probabilities, divided by length ** penalty."""
        return float(total / length**self.length_penalty)


class Caption(NamedTuple):
    """The words' ids, specials left out, and the score that the search gave them."""

    words: list[int]
    score: float


def beam_search(
    backbone: Backbone, head: nn.Module, image_BCHW: Tensor, rules: Rules
) -> list[Caption]:
    """Return the best caption of each image that a beam search finds.

    The rules are the official ones: of an image's nine best candidates, best first, those that end
    it are compared with its best caption so far, until three that go on are found; those are its
    next beams. An image is done when no candidate can reach its best caption even at full length.

    Raises:
        UserError: the probabilities are not finite, or `max_tokens` leaves no room for a word.

    Source: unilm beit3/engine_for_finetuning.py CaptioningHandler.eval_batch and beit3/utils.py
    BeamHypotheses @768a3c8. There the image is encoded once a beam; it never sees the words.
    """
    reader = _Reader(backbone, head, image_BCHW, rules)
    best = [Caption([], -math.inf)] * len(image_BCHW)
    beams = _Beams.start(len(image_BCHW), rules)
    while len(beams.images_B):
        found = _candidates(reader.next_words(beams.texts_BKT[..., -1]), beams.totals_BK, rules)
        kept_B = np.array([best[image].score for image in beams.images_B])
        is_done_B = kept_B >= _best_hope(found, rules)
        is_end_BC = (found.words_BC == rules.eos_id) | rules.is_last(beams.num_words)
        for row, place in _ended(is_end_BC, is_done_B, rules.num_beams):
            caption = beams.ended(found, row, place, rules)
            if caption.score > kept_B[row]:
                best[beams.images_B[row]] = caption
        if rules.is_last(beams.num_words):
            break
        rows_B = np.flatnonzero(~is_done_B)
        places_BK = np.argsort(is_end_BC, axis=1, kind="stable")[rows_B, : rules.num_beams]
        reader.keep(rows_B, found.beams_BC[rows_B[:, None], places_BK])
        beams = beams.after(found, rows_B, places_BK)
    return _finite(best)


def greedy_search(
    backbone: Backbone, head: nn.Module, image_BCHW: Tensor, rules: Rules
) -> list[Caption]:
    """Return the caption of each image that takes the likeliest word every time.

    Raises:
        UserError: the probabilities are not finite, or `max_tokens` leaves no room for a word.
    """
    reader = _Reader(backbone, head, image_BCHW, rules)
    best = [Caption([], -math.inf)] * len(image_BCHW)
    images_B = np.arange(len(image_BCHW))
    texts_BT = np.full((len(image_BCHW), 1), rules.bos_id)
    totals_B = np.zeros(len(image_BCHW), np.float32)
    while len(images_B):
        num_words = texts_BT.shape[1] - 1
        log_B, words_B = (x.cpu().numpy() for x in reader.next_words(texts_BT[:, -1:]).max(dim=1))
        totals_B = totals_B + log_B
        is_end_B = (words_B == rules.eos_id) | rules.is_last(num_words)
        for row in np.flatnonzero(is_end_B):
            score = rules.score(float(totals_B[row]), rules.length(num_words))
            best[images_B[row]] = Caption(texts_BT[row, 1:].tolist(), score)
        rows_B = np.flatnonzero(~is_end_B)
        images_B, totals_B = images_B[rows_B], totals_B[rows_B]
        texts_BT = np.concatenate([texts_BT[rows_B], words_B[rows_B, None]], axis=1)
        reader.keep(rows_B, np.zeros((len(rows_B), 1), np.int64))
    return _finite(best)


class _Reader:
    """Reads texts behind images, a word at a time, and predicts the word that comes next."""

    def __init__(
        self, backbone: Backbone, head: nn.Module, image_BCHW: Tensor, rules: Rules
    ) -> None:
        if rules.max_tokens < SHORTEST:
            raise UserError(
                f"captions of at most {rules.max_tokens} tokens: expected {SHORTEST} or more"
            )
        self._backbone, self._head, self._mask_id = backbone, head, rules.mask_id
        self._image = backbone.remember_image(image_BCHW)
        self._past: Memory | None = None
        self._num_beams = 1
        self._device = image_BCHW.device

    def next_words(self, words_BK: Ids) -> Tensor:
        """Read each row's last word; return log probabilities `[R, V]` of the next, in fp32."""
        self._num_beams = words_BK.shape[1]
        words_R = torch.from_numpy(words_BK.reshape(-1)).to(self._device)
        # A word is predicted as in training: in the place of a mask that follows the text.
        text_R2 = torch.stack([words_R, torch.full_like(words_R, self._mask_id)], dim=1)
        tokens_R2D, memory = self._backbone.continue_text(text_R2, self._image, self._past)
        self._past = memory.first(memory.num_tokens - 1)
        logits_RV: Tensor = self._head(tokens_R2D[:, 1])
        return logits_RV.float().log_softmax(dim=1)

    def keep(self, rows_B: Ids, beams_BK: Ids) -> None:
        """Go on with some of the images and, of each, these beams; one may come more than once."""
        assert self._past is not None
        rows_R = (rows_B[:, None] * self._num_beams + beams_BK).reshape(-1)
        self._past = self._past.rows(torch.from_numpy(rows_R).to(self._device))
        if len(rows_B) < len(self._image.keys[0]):
            self._image = self._image.rows(torch.from_numpy(rows_B).to(self._device))


class _Candidates(NamedTuple):
    """The likeliest continuations of each image, best first: their sums, beams and next words."""

    totals_BC: NDArray[np.float32]
    beams_BC: Ids
    words_BC: Ids


class _Beams(NamedTuple):
    """Texts being written: of which images, their ids from <s> on, and summed log probabilities."""

    images_B: Ids
    texts_BKT: Ids
    totals_BK: NDArray[np.float32]

    @classmethod
    def start(cls, count: int, rules: Rules) -> "_Beams":
        """Return one empty text an image: of the official three, two start without a chance."""
        texts_BKT = np.full((count, 1, 1), rules.bos_id)
        return cls(np.arange(count), texts_BKT, np.zeros((count, 1), np.float32))

    @property
    def num_words(self) -> int:
        """Words of each text so far."""
        return int(self.texts_BKT.shape[2]) - 1

    def ended(self, found: _Candidates, row: int, place: int, rules: Rules) -> Caption:
        """Return the caption that ends with a candidate, whose own chance counts."""
        words = self.texts_BKT[row, found.beams_BC[row, place], 1:].tolist()
        total = float(found.totals_BC[row, place])
        return Caption(words, rules.score(total, rules.length(self.num_words)))

    def after(self, found: _Candidates, rows_B: Ids, places_BK: Ids) -> "_Beams":
        """Return the texts of some of the images, gone on with these candidates."""
        chosen = (rows_B[:, None], places_BK)
        before_BKT = self.texts_BKT[rows_B[:, None], found.beams_BC[chosen]]
        texts_BKT = np.concatenate([before_BKT, found.words_BC[chosen][..., None]], axis=2)
        return _Beams(self.images_B[rows_B], texts_BKT, found.totals_BC[chosen])


def _candidates(log_RV: Tensor, totals_BK: NDArray[np.float32], rules: Rules) -> _Candidates:
    """Return the candidates of all beams of an image together."""
    vocabulary = log_RV.shape[1]
    before_R1 = torch.from_numpy(totals_BK).to(log_RV.device).view(-1, 1)
    totals_BW = (log_RV + before_R1).view(len(totals_BK), -1)
    best = totals_BW.topk(CANDIDATES_PER_BEAM * rules.num_beams, dim=1)
    places_BC = best.indices.cpu().numpy()
    return _Candidates(best.values.cpu().numpy(), *np.divmod(places_BC, vocabulary))


def _best_hope(found: _Candidates, rules: Rules) -> NDArray[np.float64]:
    """Return what each image's best candidate would score if it came at full length for free."""
    best_B = found.totals_BC[:, 0].astype(np.float64)
    hope_B: NDArray[np.float64] = best_B / (rules.max_tokens - 1) ** rules.length_penalty
    return hope_B


def _ended(
    is_end_BC: NDArray[np.bool_], is_done_B: NDArray[np.bool_], num_beams: int
) -> list[tuple[int, int]]:
    """Return image and place of the best candidate that ends an image's caption.

    Looked at are those before the last of the next beams; what is done stays as it is.
    """
    goes_on_BC = (~is_end_BC).astype(np.int64)
    going_before_BC = np.cumsum(goes_on_BC, axis=1) - goes_on_BC
    ended_BC = is_end_BC & (going_before_BC < num_beams) & ~is_done_B[:, None]
    return [(int(row), int(ended_BC[row].argmax())) for row in np.flatnonzero(ended_BC.any(axis=1))]


def _finite(captions: list[Caption]) -> list[Caption]:
    """Return the captions.

    Raises:
        UserError: one has no finite score.
    """
    if not all(math.isfinite(caption.score) for caption in captions):
        raise UserError(
            "the caption of an image has no finite probability: are these captioning weights? "
            "Full precision may help (--set precision=no)"
        )
    return captions
