"""METEOR 1.5 by its own jar, which is given only the paraphrases that the captions can use."""

import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.captions.java import jar, java_command, java_reason
from evalsuite.metrics.captions.meteor_words import meteor_words, prefixes_in
from evalsuite.metrics.captions.paraphrases import write_filtered_table
from evalsuite.records.errors import UserError

# One thread, little heap and a short life: the simplest compiler and collector cost least.
JAVA_OPTIONS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xss16m", "-Xmx1g")
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
    lines, texts = _score_lines(references, hypotheses, prefixes_in(program))
    with tempfile.TemporaryDirectory() as folder:
        filtered = Path(folder) / "paraphrases.gz"
        write_filtered_table(table, texts, filtered)
        command = [java, *JAVA_OPTIONS, "-jar", str(program), "-", "-", "-stdio"]
        command += ["-l", "en", "-a", str(filtered)]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as complaints:
            answers = _converse(command, lines, complaints)
            if len(answers.scores) != len(hypotheses) + 1:
                complaints.seek(0)
                reason = java_reason(complaints.read())
                raise UserError(
                    f"METEOR's jar stopped under {java}: {reason}; if {program} is damaged, "
                    "reinstall pycocoevalcap"
                )
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


def _score_lines(
    references: Sequence[Sequence[str]],
    hypotheses: Sequence[str],
    prefixes: Mapping[str, bool],
) -> tuple[list[str], list[str]]:
    """Return a line for each image, as pycocoevalcap's Meteor asks, and the distinct captions.

    The captions are in METEOR's words: the jar would make the same of them, in a third of its time.
    """
    known: dict[str, str] = {}

    def words_of(caption: str) -> str:
        words = known.get(caption)
        if words is None:
            words = known[caption] = meteor_words(caption, prefixes)
        return words

    lines = []
    for group, hypothesis in zip(references, hypotheses, strict=True):
        # Its wrapper leaves a "|||" in a reference, where the jar then sees two.
        parts = [words_of(part) for reference in group for part in reference.split("|||")]
        said = words_of(hypothesis.replace("|||", "").replace("  ", " "))
        lines.append(SEPARATOR.join(("SCORE", *parts, said)))
    return lines, list(known.values())


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
