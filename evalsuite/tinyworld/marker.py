"""How a folder is known to be the tiny world."""

from pathlib import Path

TINY_WORLD = "tinyworld"  # of the data, in run.json and report.json
MARKER = "tinyworld.json"


def is_tinyworld(data: Path) -> bool:
    """Return whether a data folder was drawn by evalsuite."""
    return (data / MARKER).is_file()
