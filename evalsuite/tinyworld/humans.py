"""Ten people answer a question: mostly alike, with synonyms, slips and doubts, as VQAv2's do."""

from typing import Any, NamedTuple

import numpy as np

# What else people call it, with the share of those who do.
SYNONYMS: dict[str, tuple[tuple[str, float], ...]] = {
    "gray": (("grey", 0.22), ("dark gray", 0.05)),
    "purple": (("violet", 0.08),),
    "red": (("dark red", 0.02),),
    "blue": (("dark blue", 0.04),),
    "green": (("dark green", 0.04),),
    "yellow": (("gold", 0.05),),
    "square": (("box", 0.07), ("rectangle", 0.03)),
    "ring": (("circle", 0.14), ("hoop", 0.03), ("donut", 0.02)),
    "triangle": (("pyramid", 0.03),),
    "cross": (("plus", 0.1), ("plus sign", 0.05)),
    "0": (("zero", 0.04), ("none", 0.06)),
    "1": (("one", 0.08),),
    "2": (("two", 0.08),),
    "3": (("three", 0.08),),
    "top left": (("upper left", 0.1), ("left", 0.03)),
    "top right": (("upper right", 0.1), ("right", 0.03)),
    "bottom left": (("lower left", 0.1), ("left", 0.03)),
    "bottom right": (("lower right", 0.1), ("right", 0.03)),
    "big": (("large", 0.15),),
    "small": (("little", 0.1), ("tiny", 0.03)),
    "snow": (("ice", 0.03),),
    "water": (("sea", 0.06),),
    "grass": (("lawn", 0.03),),
    "sand": (("beach", 0.06),),
}
# What a hasty person says instead.
SLIPS: dict[str, tuple[str, ...]] = {
    "yes": ("no",),
    "no": ("yes",),
    "0": ("1",),
    "1": ("2", "0"),
    "2": ("3", "1"),
    "3": ("2", "4"),
    "red": ("orange", "pink"),
    "green": ("blue",),
    "blue": ("purple",),
    "yellow": ("orange",),
    "purple": ("blue", "pink"),
    "gray": ("black",),
    "square": ("cube", "squares"),
    "ring": ("rings", "wheel"),
    "triangle": ("triangles", "traingle"),
    "cross": ("crosses", "star"),
    "top left": ("bottom left", "top right", "top"),
    "top right": ("bottom right", "top left", "top"),
    "bottom left": ("top left", "bottom right", "bottom"),
    "bottom right": ("top right", "bottom left", "bottom"),
    "big": ("small", "medium"),
    "small": ("big", "medium"),
    "grass": ("green",),
    "sand": ("dirt",),
    "snow": ("white",),
    "water": ("blue", "sky"),
}
HARD = 0.25  # share of questions that people find hard
SLIP = {False: 0.005, True: 0.06}  # share of slips on an easy and on a hard question
DOUBT = {"true": (0.02, 0.10), "slip": (0.15, 0.50)}  # shares of "no" and, on top, of "maybe"


class Answers(NamedTuple):
    """Ten answers in VQAv2's form, and the most frequent one."""

    answers: list[dict[str, Any]]
    multiple_choice: str


def ten_answers(truth: str, rng: np.random.Generator) -> Answers:
    """Return what ten people say where `truth` is true; more of them say it than anything else."""
    draws = rng.random((10, 3))
    slip = SLIP[bool(rng.random() < HARD)]
    answers: list[dict[str, Any]] = []
    for number, (choice, variant, doubt) in enumerate(draws.tolist(), start=1):
        said, sure = _said(truth, choice, variant, slip)
        no, maybe = DOUBT["true" if sure else "slip"]
        confidence = "no" if doubt < no else "maybe" if doubt < no + maybe else "yes"
        answers.append({"answer": said, "answer_confidence": confidence, "answer_id": number})
    said_all = [str(entry["answer"]) for entry in answers]
    # Sorted first, so that a tie falls alike everywhere; the truth wins it.
    most = max(sorted(set(said_all)), key=lambda word: (said_all.count(word), word == truth))
    return Answers(answers, most)


def words_said() -> set[str]:
    """Return every answer that a person may give."""
    said = {"yes", "no"} | set(SYNONYMS)
    said |= {word for others in SYNONYMS.values() for word, _ in others}
    return said | {word for others in SLIPS.values() for word in others}


def _said(truth: str, choice: float, variant: float, slip: float) -> tuple[str, bool]:
    """Return one person's answer, and whether it is meant as the truth."""
    if choice < slip:
        slips = SLIPS[truth]
        return slips[int(variant * len(slips))], False
    share = 0.0
    for synonym, part in SYNONYMS.get(truth, ()):
        share += part
        if variant < share:
            return synonym, True
    return truth, True
