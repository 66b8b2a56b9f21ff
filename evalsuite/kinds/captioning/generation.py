"""Captions word by word behind images that are encoded once: beam search, and greedy search.

Axes: B images, K beams of an image, R = B x K rows, C candidates of an image, T words so far,
V vocabulary.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone
from evalsuite.kinds.captioning.best_captions import BestCaptions, Caption
from evalsuite.kinds.captioning.word_reader import Ids, WordReader
from evalsuite.records.errors import UserError

CANDIDATES_PER_BEAM = 3  # unilm beit3/engine_for_finetuning.py CaptioningHandler @768a3c8
SHORTEST = 4  # <s>, one word, the mask slot and the word that is cut off


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a search goes by.

    `max_tokens` counts <s>, the mask slot and </s>, as the official num_max_bpe_tokens does: a
    caption has at most three words less.

    Raises:
        UserError: `max_tokens` leaves no room for a word.
    """

    bos_id: int
    eos_id: int
    mask_id: int
    max_tokens: int = 64
    num_beams: int = 3
    length_penalty: float = 0.6

    def __post_init__(self) -> None:
        if self.max_tokens < SHORTEST:
            raise UserError(
                f"captions of at most {self.max_tokens} tokens: expected {SHORTEST} or more"
            )

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
        UserError: the probabilities are not finite.

    Source: unilm beit3/engine_for_finetuning.py CaptioningHandler.eval_batch and beit3/utils.py
    BeamHypotheses @768a3c8. There the image is encoded once a beam; it never sees the words.
    """
    reader = WordReader(backbone, head, image_BCHW, rules.mask_id)
    best = BestCaptions(len(image_BCHW))
    beams = _Beams.start(len(image_BCHW), rules)
    while len(beams.images_B):
        words = reader.next_words(beams.texts_BKT[..., -1])
        best.note_size(beams.images_B, words.size_B)
        found = _candidates(words.log_RV, beams, rules)
        is_done_B = best.scores(beams.images_B) >= _best_hope(found, rules)
        for row, place in _ended(found.is_end_BC, is_done_B, rules.num_beams):
            best.meet(beams.images_B[row], beams.ended(found, row, place, rules))
        if rules.is_last(beams.num_words):
            break
        rows_B = np.flatnonzero(~is_done_B)
        places_BK = found.places_BK[rows_B]
        reader.keep(rows_B, found.beams_BC[rows_B[:, None], places_BK])
        beams = beams.after(found, rows_B, places_BK)
    return best.captions()


def greedy_search(
    backbone: Backbone, head: nn.Module, image_BCHW: Tensor, rules: Rules
) -> list[Caption]:
    """Return the caption of each image that takes the likeliest word every time.

    Raises:
        UserError: the probabilities are not finite.
    """
    reader = WordReader(backbone, head, image_BCHW, rules.mask_id)
    best = BestCaptions(len(image_BCHW))
    images_B = np.arange(len(image_BCHW))
    texts_BT = np.full((len(image_BCHW), 1), rules.bos_id)
    totals_B = np.zeros(len(image_BCHW), np.float32)
    leads_B = np.full(len(image_BCHW), np.inf, np.float32)
    while len(images_B):
        num_words = texts_BT.shape[1] - 1
        next_words = reader.next_words(texts_BT[:, -1:])
        best.note_size(images_B, next_words.size_B)
        log_B, words_B = (x.cpu().numpy() for x in next_words.log_RV.max(dim=1))
        totals_B = totals_B + log_B
        if not rules.is_last(num_words):  # there it ends whatever the word
            leads_B = np.minimum(leads_B, next_words.lead_B())
        is_end_B = (words_B == rules.eos_id) | rules.is_last(num_words)
        for row in np.flatnonzero(is_end_B):
            score = rules.score(float(totals_B[row]), rules.length(num_words))
            words = texts_BT[row, 1:].tolist()
            best.meet(images_B[row], Caption(words, score, float(leads_B[row])))
        rows_B = np.flatnonzero(~is_end_B)
        images_B, totals_B, leads_B = images_B[rows_B], totals_B[rows_B], leads_B[rows_B]
        texts_BT = np.concatenate([texts_BT[rows_B], words_B[rows_B, None]], axis=1)
        reader.keep(rows_B, np.zeros((len(rows_B), 1), np.int64))
    return best.captions()


class _Candidates(NamedTuple):
    """The likeliest continuations of each image, best first: their sums, beams and next words.

    `is_end_BC` are those that end a caption, `places_BK` the best that go on. `leads_BC` are the
    least leads of each and of its beginnings over the best that the search dropped beside them.
    """

    totals_BC: NDArray[np.float32]
    beams_BC: Ids
    words_BC: Ids
    is_end_BC: NDArray[np.bool_]
    places_BK: Ids
    leads_BC: NDArray[np.float32]


class _Beams(NamedTuple):
    """Texts being written: of which images, their ids from <s> on, and summed log probabilities.

    `leads_BK` is as in `_Candidates`.
    """

    images_B: Ids
    texts_BKT: Ids
    totals_BK: NDArray[np.float32]
    leads_BK: NDArray[np.float32]

    @classmethod
    def start(cls, count: int, rules: Rules) -> "_Beams":
        """Return one empty text an image: of the official three, two start without a chance."""
        texts_BKT = np.full((count, 1, 1), rules.bos_id)
        totals_BK = np.zeros((count, 1), np.float32)
        return cls(np.arange(count), texts_BKT, totals_BK, np.full_like(totals_BK, np.inf))

    @property
    def num_words(self) -> int:
        """Words of each text so far."""
        return int(self.texts_BKT.shape[2]) - 1

    def ended(self, found: _Candidates, row: int, place: int, rules: Rules) -> Caption:
        """Return the caption that ends with a candidate, whose own chance counts."""
        words = self.texts_BKT[row, found.beams_BC[row, place], 1:].tolist()
        total = float(found.totals_BC[row, place])
        score = rules.score(total, rules.length(self.num_words))
        return Caption(words, score, float(found.leads_BC[row, place]))

    def after(self, found: _Candidates, rows_B: Ids, places_BK: Ids) -> "_Beams":
        """Return the texts of some of the images, gone on with these candidates."""
        chosen = (rows_B[:, None], places_BK)
        before_BKT = self.texts_BKT[rows_B[:, None], found.beams_BC[chosen]]
        texts_BKT = np.concatenate([before_BKT, found.words_BC[chosen][..., None]], axis=2)
        totals_BK, leads_BK = found.totals_BC[chosen], found.leads_BC[chosen]
        return _Beams(self.images_B[rows_B], texts_BKT, totals_BK, leads_BK)


def _candidates(log_RV: Tensor, beams: _Beams, rules: Rules) -> _Candidates:
    """Return the candidates of all beams of an image together."""
    before_R1 = torch.from_numpy(beams.totals_BK).to(log_RV.device).view(-1, 1)
    totals_BW = (log_RV + before_R1).view(len(beams.images_B), -1)
    best = totals_BW.topk(CANDIDATES_PER_BEAM * rules.num_beams, dim=1)
    totals_BC, places_BC = best.values.cpu().numpy(), best.indices.cpu().numpy()
    beams_BC, words_BC = np.divmod(places_BC, log_RV.shape[1])
    is_last = rules.is_last(beams.num_words)
    is_end_BC = (words_BC == rules.eos_id) | is_last
    places_BK = np.argsort(is_end_BC, axis=1, kind="stable")[:, : rules.num_beams]
    leads_BC = np.take_along_axis(beams.leads_BK, beams_BC, axis=1)
    if not is_last:
        # There is a next one: a beam ends once, so at most 2 K are looked at of 3 K.
        dropped_B1 = np.take_along_axis(totals_BC, places_BK[:, -1:] + 1, axis=1)
        leads_BC = np.minimum(leads_BC, totals_BC - dropped_B1)
    return _Candidates(totals_BC, beams_BC, words_BC, is_end_BC, places_BK, leads_BC)


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
