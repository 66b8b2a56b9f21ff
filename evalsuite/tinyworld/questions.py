"""Questions about a scene in words, and their answers."""

from typing import NamedTuple

import numpy as np

from evalsuite.tinyworld.question_kinds import KINDS
from evalsuite.tinyworld.scene import PLURALS, Scene, one_of

KIND_NAMES = tuple(KINDS)
KIND_EDGES = np.cumsum([kind.share for kind in KINDS.values()])


class Ask(NamedTuple):
    """What is asked, apart from its wording: a kind and the words that it is about."""

    kind: str
    words: tuple[str, ...]


class Question(NamedTuple):
    """An ask in words; `opening` is VQAv2's question type, `answer_type` its answer type."""

    ask: Ask
    text: str
    opening: str
    answer_type: str


def question(scene: Scene, rng: np.random.Generator) -> Question:
    """Return a random question that fits the scene."""
    while True:
        name = KIND_NAMES[int(np.searchsorted(KIND_EDGES, rng.random() * KIND_EDGES[-1]))]
        kind = KINDS[name]
        ask = Ask(name, kind.words(scene, rng))
        if answer(ask, scene) is not None:
            opening, template = one_of(rng, kind.wordings)
            many = PLURALS.get(ask.words[-1], "") if ask.words else ""
            text = template.format(*ask.words, many=many)
            return Question(ask, text, opening, kind.answer_type)


def answer(ask: Ask, scene: Scene) -> str | None:
    """Return the one true answer, None where the question does not fit the scene."""
    return KINDS[ask.kind].answer(scene, *ask.words)
