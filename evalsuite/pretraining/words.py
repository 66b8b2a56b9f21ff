"""Kinds of words: what the words of the tiny world's captions say, and how often to hide them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.tokenizer import Tokenizer
from evalsuite.records.errors import UserError
from evalsuite.tinyworld.captions import SYNONYMS
from evalsuite.tinyworld.scene import COLOURS, COLUMNS, GROUNDS, HALF, ROWS, SHAPES

REST = "rest"
ANY = "word"


def _with_synonyms(words: Sequence[str]) -> frozenset[str]:
    """Return the single words of names and of what stands for them at times."""
    names = [name for word in words for name in (word, *SYNONYMS.get(word, ()))]
    return frozenset(part for name in names for part in name.split())


KINDS = {
    "colour": _with_synonyms(COLOURS),
    "shape": _with_synonyms(SHAPES),
    "size": _with_synonyms(tuple(HALF)),
    "row": frozenset(ROWS),
    "column": frozenset(COLUMNS),
    # "left" is one before "of"; see kind_of.
    "relation": frozenset(("above", "over", "higher", "next", "beside")),
    "ground": frozenset(GROUNDS),
    "number": frozenset(("one", "two", "three", "four")),
}


def kind_of(words: Sequence[str], place: int) -> str:
    """Return the kind of a word of a tiny-world caption: a key of KINDS, or REST."""
    word = words[place].lower()
    if word in KINDS["column"] and [after.lower() for after in words[place + 1 :][:1]] == ["of"]:
        return "relation"
    return next((kind for kind, known in KINDS.items() if word in known), REST)


def word_chances(weights: str, tokenizer: Tokenizer) -> NDArray[np.float64] | None:
    """Return how much oftener than 1 to hide each word of the vocabulary; None where all are alike.

    Args:
        weights: as "shape:3,relation:3,above:5": kinds or words; later entries win.

    Raises:
        UserError: an entry is not of that form, or a word is not a single piece of the vocabulary.
    """
    if not weights:
        return None
    chances = np.ones(tokenizer.vocab_size)
    for entry in weights.split(","):
        name, colon, number = entry.partition(":")
        try:
            weight = float(number)
        except ValueError:
            weight = 0.0
        if not colon or weight <= 0:
            raise UserError(
                f"--set word_weights={weights}: {entry!r}; expected kind:weight or word:weight, "
                f"as shape:3,above:5, with kinds {', '.join(KINDS)}"
            )
        for word in sorted(KINDS.get(name, {name})):
            chances[_piece(word, tokenizer)] = weight
    return chances


def _piece(word: str, tokenizer: Tokenizer) -> int:
    """Return the id of a word that is one piece.

    Raises:
        UserError: it is several.
    """
    pieces = tokenizer.encode(word, 64)[1:-1]
    if len(pieces) != 1 or pieces[0] == tokenizer.unknown_id:
        raise UserError(
            f"--set word_weights: {word!r} is {len(pieces)} pieces of the vocabulary; expected one"
        )
    return pieces[0]
