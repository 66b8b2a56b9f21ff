"""SPICE by its own jar, for those who have the two Stanford jars that pip does not bring."""

import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evalsuite.metrics.captions.java import jar, java_command, java_reason
from evalsuite.records.errors import UserError

FOLDER_VARIABLE = "EVALSUITE_SPICE_JARS"
JARS = ("stanford-corenlp-3.6.0.jar", "stanford-corenlp-3.6.0-models.jar")
# SPICE's cache reaches into Java's own classes, which Java from 16 on must be told to allow.
OPENED = ["lang", "math", "util", "util.concurrent", "net", "text", "io"]
JAVA_OPTIONS = (
    "-Xmx8G",
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED),
    "--add-opens=java.sql/java.sql=ALL-UNNAMED",
)


class Spice(NamedTuple):
    """SPICE of the corpus (the mean) and of each image, 0 to 1; NaN where it has no value."""

    corpus: float
    per_image_N: NDArray[np.float64]


def spice(references: Sequence[Sequence[str]], hypotheses: Sequence[str]) -> Spice:
    """Return the scores of tokenised captions, as pycocoevalcap's Spice gives them.

    Raises:
        UserError: Java or a jar is missing, or the jar fails.
    """
    stanford = stanford_jars()
    java, program = java_command(), jar("spice", "spice-1.0.jar")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # The jar finds the others beside itself, in lib/; the installed folder may be read-only.
        shutil.copy(program, folder / program.name)
        (folder / "lib").mkdir()
        for path in (*program.parent.joinpath("lib").glob("*.jar"), *stanford):
            (folder / "lib" / path.name).symlink_to(path.resolve())
        pairs = zip(references, hypotheses, strict=True)
        records = [
            {"image_id": place, "test": hypothesis, "refs": list(group)}
            for place, (group, hypothesis) in enumerate(pairs)
        ]
        (folder / "in.json").write_text(json.dumps(records))
        command = [java, *JAVA_OPTIONS, "-jar", program.name, "in.json", "-cache", "cache"]
        (folder / "cache").mkdir()
        done = subprocess.run(
            [*command, "-out", "out.json", "-subset", "-silent"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            jars = " and ".join(str(path) for path in stanford)
            raise UserError(
                f"SPICE's jar stopped under {java}: {java_reason(done.stderr or done.stdout)}; "
                f"if a jar is damaged ({jars}), fetch it again"
            )
        results = json.loads((folder / "out.json").read_text())
    by_place = {result["image_id"]: result["scores"]["All"]["f"] for result in results}
    values = [by_place[place] for place in range(len(hypotheses))]
    scores = np.array([math.nan if value is None else float(value) for value in values])
    return Spice(float(np.mean(scores)), scores)


def stanford_jars() -> list[Path]:
    """Return the two jars that the user has put into a folder.

    Raises:
        UserError: they are not there; says what to supply.
    """
    folders = [jar("spice", "spice-1.0.jar").parent / "lib"]
    if named := os.environ.get(FOLDER_VARIABLE):
        folders.insert(0, Path(named))
    for folder in folders:
        if all((folder / name).is_file() for name in JARS):
            return [folder / name for name in JARS]
    raise UserError(
        f"SPICE needs {' and '.join(JARS)} (Maven: edu.stanford.nlp:stanford-corenlp:3.6.0, and "
        f"its classifier models); put both into a folder and name it in {FOLDER_VARIABLE}"
    )
