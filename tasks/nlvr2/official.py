"""The official script, from the user's own checkout: the repository is not a package on PyPI."""

import os
import subprocess
import sys
from pathlib import Path

from evalsuite.records.errors import UserError

CHECKOUT = "EVALSUITE_NLVR2_ORACLE"
HINT = (
    "NLVR2 has no official package; to run its script beside ours, set "
    f"{CHECKOUT} to a checkout of github.com/lil-lab/nlvr"
)
SCRIPT = "nlvr2/eval/metrics.py"


def official_checkout() -> Path | None:
    """Return the checkout that the user names, if any."""
    named = os.environ.get(CHECKOUT)
    return Path(named) if named else None


def official_metrics_of(predictions: Path, examples: Path) -> dict[str, float] | None:
    """Return the official script's metrics, None where no checkout is named (see `HINT`)."""
    checkout = official_checkout()
    return None if checkout is None else official_metrics(checkout, predictions, examples)


def official_metrics(checkout: Path, predictions: Path, examples: Path) -> dict[str, float]:
    """Return accuracy and consistency, from 0 to 1, as the official script prints them.

    Raises:
        UserError: the folder is no checkout, or the script does not take the files.
    """
    script = checkout / SCRIPT
    if not script.is_file():
        raise UserError(f"{script}: not found; expected a checkout of github.com/lil-lab/nlvr")
    command = [sys.executable, str(script), str(predictions), str(examples)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    printed = dict(line.split("=") for line in done.stdout.splitlines() if "=" in line)
    if set(printed) != {"accuracy", "consistency"}:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise UserError(f"{script}: gives no scores: {said[-1] if said else 'nothing printed'}")
    return {name: float(value) for name, value in printed.items()}
