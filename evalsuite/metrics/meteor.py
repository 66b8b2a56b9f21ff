"""METEOR 1.5 by its own jar, which is given only the paraphrases that the captions can use."""

import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.java import jar, java_command
from evalsuite.metrics.paraphrases import write_filtered_table
from evalsuite.records.errors import UserError

# One thread, little heap and a short life: the simplest compiler and collector cost least.
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xss16m", "-Xmx512m")
SEPARATOR = " ||| "
# The parameters of the task "rank", the jar's default: Denkowski & Lavie 2014, table 1.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
CHUNKS = 20  # the column of the jar's statistics

Floats = NDArray[np.float64]


class Meteor(NamedTuple):
    """METEOR of the corpus and of each image, 0 to 1, and the statistics that the corpus sums."""

    corpus: float
    per_image_N: Floats
    statistics_NK: Floats


def meteor(references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> Meteor:
    """Return the scores of tokenised captions, as pycocoevalcap's Meteor gives them.

    Raises:
        UserError: Java or the jar is missing, or the jar fails.
    """
    for captions in (hypotheses, *references):
        for caption in captions:
            if "\n" in caption or "\r" in caption:
                raise UserError(f"METEOR reads lines; {caption!r} breaks one within a token")
    java, program = java_command(), jar("meteor", "meteor-1.5.jar")
    table = jar("meteor", "data", "paraphrase-en.gz")
    with tempfile.TemporaryDirectory() as folder:
        filtered = Path(folder) / "paraphrases.gz"
        texts = dict.fromkeys(text for group in (hypotheses, *references) for text in group)
        write_filtered_table(table, [normalised(text) for text in texts], filtered)
        command = [java, *JAVA_OPTIONS, "-jar", str(program), "-", "-", "-stdio"]
        command += ["-l", "en", "-norm", "-a", str(filtered)]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as complaints:
            lines = list(_score_lines(references, hypotheses))
            answers = _converse(command, lines, complaints)
            if len(answers.scores) != len(hypotheses) + 1:
                complaints.seek(0)
                last = complaints.read().strip().splitlines()[-1:] or ["no message"]
                raise UserError(f"METEOR's jar stopped under {java}: {last[0]}")
    scores = np.array(answers.scores, np.float64)
    statistics = np.array([line.split() for line in answers.statistics], np.float64)
    test, reference, *_ = statistics.T
    matched, chunks = statistics[:, 4:20].reshape(-1, 4, 4).sum(axis=1), statistics[:, CHUNKS]
    is_same = (matched[:, 0] + matched[:, 2] == test) & (matched[:, 1] + matched[:, 3] == reference)
    # The jar adds no chunk for a caption that equals its reference.
    statistics[is_same & (chunks == 1), CHUNKS] = 0
    return Meteor(answers.scores[-1], scores[:-1], statistics)


def meteor_of(statistics_K: Floats) -> Floats:
    """Return the score, as an array of one, of statistics in the jar's order, or of their sums.

    Source: Denkowski & Lavie 2014, section 2; for intervals, since the jar's own sums are quicker
    repeated here than asked for a thousand times.
    """
    test, reference, test_function, reference_function = statistics_K[:4]
    stages = statistics_K[4:20].reshape(4, 4)
    test_content, reference_content, test_words, reference_words = stages.T
    chunks, test_matches, reference_matches = statistics_K[20:23]
    test_length = DELTA * (test - test_function) + (1 - DELTA) * test_function
    reference_length = DELTA * (reference - reference_function) + (1 - DELTA) * reference_function
    weighted = DELTA * (WEIGHTS @ test_content) + (1 - DELTA) * (WEIGHTS @ test_words)
    weighted_reference = DELTA * (WEIGHTS @ reference_content) + (1 - DELTA) * (
        WEIGHTS @ reference_words
    )
    if not weighted or not weighted_reference:
        return np.zeros(1)
    precision, recall = weighted / test_length, weighted_reference / reference_length
    mean = 1 / ((1 - ALPHA) / precision + ALPHA / recall)
    fragmentation = chunks / ((test_matches + reference_matches) / 2)
    return np.array([max(mean * (1 - GAMMA * fragmentation**BETA), 0.0)])


def _score_lines(references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> Iterator[str]:
    """Yield a line for each image, as pycocoevalcap/meteor/meteor.py writes it."""
    for image_references, hypothesis in zip(references, hypotheses, strict=True):
        hypothesis = hypothesis.replace("|||", "").replace("  ", " ")
        yield SEPARATOR.join(("SCORE", SEPARATOR.join(image_references), hypothesis))


class Answers(NamedTuple):
    """What the jar says: each line's statistics, and the scores of each line and of all."""

    statistics: list[str]
    scores: list[float]


def _converse(command: Sequence[str], lines: Sequence[str], complaints: IO[str]) -> Answers:
    """Return the jar's answers to score lines; fewer if it stopped."""
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        encoding="utf-8",
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        stream = process.stdin
        # Asking runs beside reading, or both pipes fill up.
        asking = threading.Thread(target=_write_all, args=(stream, lines))
        asking.start()
        statistics = [process.stdout.readline().strip() for _ in lines]
        asking.join()
        answers: list[str] = []
        if all(statistics):
            _write_all(stream, [SEPARATOR.join(("EVAL", *statistics))])
            answers = [process.stdout.readline().strip() for _ in range(len(lines) + 1)]
        with suppress(BrokenPipeError):
            stream.close()
    return Answers(statistics, [float(answer) for answer in answers if answer])


def _write_all(stream: IO[str], lines: Sequence[str]) -> None:
    # If the program has stopped, its missing answers say so.
    with suppress(BrokenPipeError):
        stream.writelines(f"{line}\n" for line in lines)
        stream.flush()


# METEOR's own tokens (-norm), needed to know which phrases it can see: Moses' tokenizer for
# English, with quotes and dashes unified, words split at dashes and dots of acronyms removed.
# Source: github.com/cmu-mtlab/meteor, edu/cmu/meteor/util/Normalizer.java.
LETTERS = (
    "A-Za-z\u0160\u017d\u0161\u017e\u0178\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e\u0400-\u04ff"
    "\u0500-\u0527\ua640-\ua66e\ua67e-\ua697\u1d00-\u1d7f"
)
PLAIN = re.compile(r"[a-z0-9 ]*")
STEPS = (
    (rf"([^0-9{LETTERS}\s.'`,\-\u2018\u2019])", r" \1 "),
    (r"\.{2,}", lambda match: f" {match[0]} "),
    (r"([^0-9]),([^0-9])", r"\1 , \2"),
    (r"([0-9]),([^0-9])", r"\1 , \2"),
    (r"([^0-9]),([0-9])", r"\1 , \2"),
    (r"[`\u2018\u2019]", "'"),
    (r"[\u201c\u201d]|''", ' " '),
    ("\u2013", "-"),
    ("--", "-"),
    (rf"([0-9{LETTERS}.])-([0-9{LETTERS}])", r"\1 \2"),
    (rf"([^{LETTERS}])'([^{LETTERS}])", r"\1 ' \2"),
    (rf"([^{LETTERS}0-9])'([{LETTERS}])", r"\1 ' \2"),
    (rf"([{LETTERS}])'([^{LETTERS}])", r"\1 ' \2"),
    (rf"([{LETTERS}])'([{LETTERS}])", r"\1 '\2"),
    (r"([0-9])'(s)", r"\1 '\2"),
)
COMPILED_STEPS = [(re.compile(pattern), replacement) for pattern, replacement in STEPS]


def normalised(caption: str) -> str:
    """Return a caption in the words that METEOR's jar sees, or a few words more.

    Where the jar keeps or splits a final dot by what stands around it, both forms are given.
    """
    if PLAIN.fullmatch(caption):
        return " ".join(caption.split())
    text = f" {caption} "
    for pattern, replacement in COMPILED_STEPS:
        text = pattern.sub(replacement, text)
    words = text.lower().split()
    undotted = [word.replace(".", "") if len(word) > 1 else word for word in words]
    forms = dict.fromkeys((" ".join(words), " ".join(undotted), " ".join(undotted).strip()))
    return " \n ".join(forms)
