"""Which patches of an image are hidden: blocks, drawn from a generator per sample."""

import math

import numpy as np
from numpy.typing import NDArray

MIN_ASPECT = 0.3  # arXiv:2106.08254 algorithm 1: 0.3 to 1/0.3
# The smallest block: 16 of 14 x 14 patches (the same algorithm), and as large a share of others.
MIN_BLOCK = 16 / (14 * 14)
BLOCK_TRIES = 10  # unilm beit2/masking_generator.py @768a3c8


def hide_blocks(side: int, rate: float, generator: np.random.Generator) -> NDArray[np.bool_]:
    """Return which of `side * side` patches are hidden, row by row: exactly `rate` of them.

    Rectangles of random area and aspect are hidden one after the other, while they fit into what
    is left to hide; single patches then make up the number.

    Source: arXiv:2106.08254 algorithm 1, with the exact count and the logarithmic aspect of
    unilm beit2/masking_generator.py @768a3c8.
    """
    count = round(rate * side * side)
    hidden = np.zeros((side, side), dtype=np.bool_)
    left = count
    while left > 0 and _hide_block(hidden, left, generator):
        left = count - int(hidden.sum())
    flat = hidden.reshape(-1)
    if left > 0:
        flat[generator.permutation(np.flatnonzero(~flat))[:left]] = True
    return flat


def _hide_block(hidden: NDArray[np.bool_], left: int, generator: np.random.Generator) -> bool:
    """Hide one more block of at most `left` new patches; return whether one was found."""
    side = len(hidden)
    smallest = MIN_BLOCK * side * side
    for _ in range(BLOCK_TRIES):
        area = generator.uniform(smallest, max(smallest, left))
        aspect = math.exp(generator.uniform(math.log(MIN_ASPECT), -math.log(MIN_ASPECT)))
        height, width = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if not (0 < height < side and 0 < width < side):
            continue
        top = int(generator.integers(side - height + 1))
        start = int(generator.integers(side - width + 1))
        block = hidden[top : top + height, start : start + width]
        if 0 < block.size - int(block.sum()) <= left:
            block[:] = True
            return True
    return False
