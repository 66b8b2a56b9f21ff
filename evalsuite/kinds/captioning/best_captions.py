"""The best caption of each image while a search goes on, and how narrowly it is the best."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.records.errors import UserError


class Caption(NamedTuple):
    """The words' ids, specials left out, and the score that the search gave them.

    `margin` says how narrowly it came to be: its lead over the second best caption, or the least
    lead of its beginnings over what the search dropped. In a finished search it is the margin of
    evalsuite/kinds/deciding.py. Something dropped narrowly that would have won is not in it:
    where rounding keeps that, it is narrow there.
    """

    words: list[int]
    score: float
    margin: float = math.inf


class BestCaptions:
    """The best captions of B images so far; B in what follows are some of them."""

    def __init__(self, num_images: int) -> None:
        self._best = [Caption([], -math.inf)] * num_images
        self._second = np.full(num_images, -math.inf)
        self._size = np.ones(num_images)

    def scores(self, images_B: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the best score of each image, minus infinity where no caption has ended."""
        return np.array([self._best[image].score for image in images_B])

    def meet(self, image: int, caption: Caption) -> None:
        """Compare a caption that has ended with the best of its image; the first stays in a tie."""
        best = self._best[image]
        loser = min(best, caption, key=lambda one: one.score)
        if caption.words != best.words:
            self._second[image] = max(self._second[image], loser.score)
        if caption.score > best.score:
            self._best[image] = caption

    def note_size(self, images_B: NDArray[np.int64], size_B: NDArray[np.float32]) -> None:
        """Note how large the scores of the next words are."""
        self._size[images_B] = np.maximum(self._size[images_B], size_B)

    def captions(self) -> list[Caption]:
        """Return the best captions; their margins are relative to the size of the scores.

        Raises:
            UserError: one has no finite score.
        """
        if not all(math.isfinite(caption.score) for caption in self._best):
            raise UserError(
                "the caption of an image has no finite probability: are these captioning weights? "
                "Full precision may help (--set precision=no)"
            )
        return [
            one._replace(margin=min(one.margin, one.score - second) / size)
            for one, second, size in zip(
                self._best, self._second.tolist(), self._size.tolist(), strict=True
            )
        ]
