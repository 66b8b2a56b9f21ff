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
from evalsuite.heads.best_captions import BestCaptions, Caption
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
    best = BestCaptions(len(image_BCHW))
    beams = _Beams.start(len(image_BCHW), rules)
    while len(beams.images_B):
        words = reader.next_words(beams.texts_BKT[..., -1])
        best.note_size(beams.images_B, words.size_B)
        found = _candidates(words.log_RV, beams.totals_BK, rules)
        is_done_B = best.scores(beams.images_B) >= _best_hope(found, rules)
        is_end_BC = (found.words_BC == rules.eos_id) | rules.is_last(beams.num_words)
        for row, place in _ended(is_end_BC, is_done_B, rules.num_beams):
            best.meet(beams.images_B[row], beams.ended(found, row, place, rules))
        if rules.is_last(beams.num_words):
            break
        rows_B = np.flatnonzero(~is_done_B)
        places_BK = np.argsort(is_end_BC, axis=1, kind="stable")[rows_B, : rules.num_beams]
        best.note_gap(beams.images_B[rows_B], found.gaps(rows_B, places_BK[:, -1]))
        reader.keep(rows_B, found.beams_BC[rows_B[:, None], places_BK])
        beams = beams.after(found, rows_B, places_BK)
    return best.captions()


def greedy_search(
    backbone: Backbone, head: nn.Module, image_BCHW: Tensor, rules: Rules
) -> list[Caption]:
    """Return the caption of each image that takes the likeliest word every time.

    Raises:
        UserError: the probabilities are not finite, or `max_tokens` leaves no room for a word.
    """
    reader = _Reader(backbone, head, image_BCHW, rules)
    best = BestCaptions(len(image_BCHW))
    images_B = np.arange(len(image_BCHW))
    texts_BT = np.full((len(image_BCHW), 1), rules.bos_id)
    totals_B = np.zeros(len(image_BCHW), np.float32)
    while len(images_B):
        num_words = texts_BT.shape[1] - 1
        next_words = reader.next_words(texts_BT[:, -1:])
        best.note_size(images_B, next_words.size_B)
        log_B, words_B = (x.cpu().numpy() for x in next_words.log_RV.max(dim=1))
        totals_B = totals_B + log_B
        is_end_B = (words_B == rules.eos_id) | rules.is_last(num_words)
        for row in np.flatnonzero(is_end_B):
            score = rules.score(float(totals_B[row]), rules.length(num_words))
            best.meet(images_B[row], Caption(texts_BT[row, 1:].tolist(), score))
        if not rules.is_last(num_words):  # there it ends whatever the word
            best.note_gap(images_B, next_words.lead_B())
        rows_B = np.flatnonzero(~is_end_B)
        images_B, totals_B = images_B[rows_B], totals_B[rows_B]
        texts_BT = np.concatenate([texts_BT[rows_B], words_B[rows_B, None]], axis=1)
        reader.keep(rows_B, np.zeros((len(rows_B), 1), np.int64))
    return best.captions()


class _NextWords(NamedTuple):
    """Log probabilities of each row's next word, in fp32, and the largest logit of each image."""

    log_RV: Tensor
    size_B: NDArray[np.float32]

    def lead_B(self) -> NDArray[np.float32]:
        """Return how far each row's likeliest word is ahead of the second."""
        best_R2 = self.log_RV.topk(2, dim=1).values.cpu().numpy()
        lead_B: NDArray[np.float32] = best_R2[:, 0] - best_R2[:, 1]
        return lead_B


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

    def next_words(self, words_BK: Ids) -> _NextWords:
        """Read each row's last word and predict the next."""
        self._num_beams = words_BK.shape[1]
        words_R = torch.from_numpy(words_BK.reshape(-1)).to(self._device)
        # A word is predicted as in training: in the place of a mask that follows the text.
        text_R2 = torch.stack([words_R, torch.full_like(words_R, self._mask_id)], dim=1)
        tokens_R2D, memory = self._backbone.continue_text(text_R2, self._image, self._past)
        self._past = memory.first(memory.num_tokens - 1)
        logits_RV: Tensor = self._head(tokens_R2D[:, 1]).float()
        size_R = torch.linalg.vector_norm(logits_RV, math.inf, dim=1)
        size_B = size_R.view(words_BK.shape).amax(dim=1).cpu().numpy()
        return _NextWords(logits_RV.log_softmax(dim=1), size_B)

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

    def gaps(self, rows_B: Ids, last_B: Ids) -> NDArray[np.float32]:
        """Return how far the last candidate that is needed is ahead of the next, for some images.

        There is a next one: a beam ends once, so at most 2 K are needed of 3 K.
        """
        gap_B: NDArray[np.float32] = (
            self.totals_BC[rows_B, last_B] - self.totals_BC[rows_B, last_B + 1]
        )
        return gap_B


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
    """Return image and place of the candidates that end a caption, the best of an image first.

    Looked at are those before the last of the next beams; what is done stays as it is.
    """
    goes_on_BC = (~is_end_BC).astype(np.int64)
    going_before_BC = np.cumsum(goes_on_BC, axis=1) - goes_on_BC
    ended_BC = is_end_BC & (going_before_BC < num_beams) & ~is_done_B[:, None]
    return [(int(row), int(place)) for row, place in np.argwhere(ended_BC)]
