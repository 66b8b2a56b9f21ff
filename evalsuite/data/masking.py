"""Hiding words of a text for masked prediction; randomness comes from a generator per sample."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.data.text import UNKNOWN

# unilm beit3/datasets.py CaptioningDataset @768a3c8: 80% become the mask, 10% stay, 10% any word.
TO_MASK, UNTOUCHED = 0.8, 0.1


class MaskedText(NamedTuple):
    """A text with some words hidden: what the model reads, and where it has to predict."""

    ids: list[int]
    is_hidden: list[bool]


def hide_words(
    ids: Sequence[int],
    rate: float,
    tokenizer: Tokenizer,
    generator: np.random.Generator,
    *,
    chances: NDArray[np.float64] | None = None,
) -> MaskedText:
    """Return a text `<s> ... </s>` with `rate` of its tokens hidden, one at least.

    `<s>` is never hidden, `</s>` may be. The rate counts `<s>`, and halves round up.

    Args:
        chances: how likely each token is drawn next, to scale; all alike by default.

    Source: unilm beit3/datasets.py CaptioningDataset @768a3c8.
    """
    count = max(1, min(int(len(ids) * rate + 0.5), len(ids) - 1))
    hidden = list(ids)
    is_hidden = [False] * len(ids)
    if chances is None:
        places = generator.permutation(len(ids) - 1)[:count]
    else:
        shares = chances[1:] / chances[1:].sum()
        places = generator.choice(len(ids) - 1, size=count, replace=False, p=shares)
    for place in 1 + places:
        is_hidden[place] = True
        draw = generator.random()
        if draw < TO_MASK:
            hidden[place] = tokenizer.mask_id
        elif draw >= TO_MASK + UNTOUCHED:
            hidden[place] = int(generator.integers(UNKNOWN, tokenizer.vocab_size))
    return MaskedText(hidden, is_hidden)
