"""Where evalsuite keeps what it can make or fetch again."""

import os
import tempfile
from pathlib import Path


def cache_folder() -> Path:
    """Return `$EVALSUITE_CACHE`, else ~/.cache/evalsuite.

    A user without a home, as in containers, gets a folder below the system's temporary files.
    """
    named = os.environ.get("EVALSUITE_CACHE")
    if named:
        return Path(named).expanduser()
    try:
        return Path.home() / ".cache" / "evalsuite"
    except RuntimeError:  # neither $HOME nor an entry of the system's users
        return Path(tempfile.gettempdir()) / f"evalsuite-{os.getuid()}"
