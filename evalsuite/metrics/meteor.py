"""METEOR 1.5 by its own jar, which is given only the paraphrases that the captions can use."""

import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
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


class Meteor(NamedTuple):
    """METEOR of the corpus (from summed statistics, not a mean) and of each image, 0 to 1."""

    corpus: float
    per_image_N: NDArray[np.float64]


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
            if len(answers) != len(hypotheses) + 1:
                complaints.seek(0)
                last = complaints.read().strip().splitlines()[-1:] or ["no message"]
                raise UserError(f"METEOR's jar stopped under {java}: {last[0]}")
    return Meteor(answers[-1], np.array(answers[:-1], np.float64))


def _score_lines(references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> Iterator[str]:
    """Yield a line for each image, as pycocoevalcap/meteor/meteor.py writes it."""
    for image_references, hypothesis in zip(references, hypotheses, strict=True):
        hypothesis = hypothesis.replace("|||", "").replace("  ", " ")
        yield SEPARATOR.join(("SCORE", SEPARATOR.join(image_references), hypothesis))


def _converse(command: Sequence[str], lines: Sequence[str], complaints: IO[str]) -> list[float]:
    """Return the score of each line and of all together; fewer if the program stopped."""
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
        try:
            stream.close()
        except BrokenPipeError:
            pass
    return [float(answer) for answer in answers if answer]


def _write_all(stream: IO[str], lines: Sequence[str]) -> None:
    try:
        stream.writelines(f"{line}\n" for line in lines)
        stream.flush()
    except BrokenPipeError:
        pass  # the program stopped; its missing answers say so


# METEOR's own tokens (-norm), needed to know which phrases it can see: Moses' tokenizer for
# English, with quotes and dashes unified, words split at dashes and dots of acronyms removed.
# Source: github.com/cmu-mtlab/meteor, edu/cmu/meteor/util/Normalizer.java.
ALPHA = (
    "A-Za-z\u0160\u017d\u0161\u017e\u0178\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e\u0400-\u04ff"
    "\u0500-\u0527\ua640-\ua66e\ua67e-\ua697\u1d00-\u1d7f"
)
PLAIN = re.compile(r"[a-z0-9 ]*")
STEPS = (
    (rf"([^0-9{ALPHA}\s.'`,\-\u2018\u2019])", r" \1 "),
    (r"\.{2,}", lambda match: f" {match[0]} "),
    (r"([^0-9]),([^0-9])", r"\1 , \2"),
    (r"([0-9]),([^0-9])", r"\1 , \2"),
    (r"([^0-9]),([0-9])", r"\1 , \2"),
    (r"[`\u2018\u2019]", "'"),
    (r"[\u201c\u201d]|''", ' " '),
    ("\u2013", "-"),
    ("--", "-"),
    (rf"([0-9{ALPHA}.])-([0-9{ALPHA}])", r"\1 \2"),
    (rf"([^{ALPHA}])'([^{ALPHA}])", r"\1 ' \2"),
    (rf"([^{ALPHA}0-9])'([{ALPHA}])", r"\1 ' \2"),
    (rf"([{ALPHA}])'([^{ALPHA}])", r"\1 ' \2"),
    (rf"([{ALPHA}])'([{ALPHA}])", r"\1 '\2"),
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
