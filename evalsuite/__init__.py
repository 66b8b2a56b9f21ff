"""Fine-tune one pretrained backbone on every benchmark, and score it as the official scorers do.

The verbs of the command line are functions here, imported when they are first asked for.
"""

from importlib import import_module
from typing import Any

VERBS = {
    "Outcome": "evalsuite.verbs.evaluate",
    "PretrainRequest": "evalsuite.pretraining.preparing",
    "Request": "evalsuite.verbs.prepare",
    "ScoreRequest": "evalsuite.verbs.score",
    "compare": "evalsuite.verbs.report",
    "evaluate": "evalsuite.verbs.evaluate",
    "evaluate_all": "evalsuite.verbs.evaluate_all",
    "finetune": "evalsuite.verbs.evaluate",
    "load_backbone": "evalsuite.verbs.load_backbone",
    "pretrain": "evalsuite.pretraining.run",
    "radar": "evalsuite.report.radar.draw",
    "reproduce": "evalsuite.verbs.reproduce",
    "score": "evalsuite.verbs.score",
}
__all__ = list(VERBS)


def __getattr__(name: str) -> Any:
    """Return a verb, importing what it needs only now: `import evalsuite` must not load torch."""
    if name not in VERBS:
        raise AttributeError(f"module 'evalsuite' has no attribute {name!r}")
    return getattr(import_module(VERBS[name]), name)
