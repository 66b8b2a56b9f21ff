"""Reading texts behind images that are encoded once, a word at a time.

Axes: B images, K beams of an image, R = B x K rows, V vocabulary.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from evalsuite.contracts.backbone import Backbone, Memory

Ids = NDArray[np.int64]


class NextWords(NamedTuple):
    """Log probabilities of each row's next word, in fp32, and the largest logit of each image."""

    log_RV: Tensor
    size_B: NDArray[np.float32]

    def lead_B(self) -> NDArray[np.float32]:
        """Return how far each row's likeliest word is ahead of the second."""
        best_R2 = self.log_RV.topk(2, dim=1).values.cpu().numpy()
        lead_B: NDArray[np.float32] = best_R2[:, 0] - best_R2[:, 1]
        return lead_B


class WordReader:
    """Reads texts behind images, a word at a time, and predicts the word that comes next."""

    def __init__(
        self, backbone: Backbone, head: nn.Module, image_BCHW: Tensor, mask_id: int
    ) -> None:
        self._backbone, self._head, self._mask_id = backbone, head, mask_id
        self._image = backbone.remember_image(image_BCHW)
        self._past: Memory | None = None
        self._num_beams = 1
        self._device = image_BCHW.device

    def next_words(self, words_BK: Ids) -> NextWords:
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
        return NextWords(logits_RV.log_softmax(dim=1), size_B)

    def keep(self, rows_B: Ids, beams_BK: Ids) -> None:
        """Go on with some of the images and, of each, these beams; one may come more than once."""
        assert self._past is not None
        rows_R = (rows_B[:, None] * self._num_beams + beams_BK).reshape(-1)
        self._past = self._past.rows(torch.from_numpy(rows_R).to(self._device))
        if len(rows_B) < len(self._image.keys[0]):
            self._image = self._image.rows(torch.from_numpy(rows_B).to(self._device))
