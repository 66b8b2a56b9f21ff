"""The official evaluator, from the user's own checkout: the repository is not a package on PyPI."""

import os
import re
import warnings
from collections.abc import Sized
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

from .card import annotations_path, questions_path

CHECKOUT = "EVALSUITE_VQA_ORACLE"
HINT = (
    "VQA has no official package; to run its evaluator beside ours, set "
    f"{CHECKOUT} to a checkout of github.com/GT-Vision-Lab/VQA"
)
SOURCES = {
    "VQA": "PythonHelperTools/vqaTools/vqa.py",
    "VQAEval": "PythonEvaluationTools/vqaEvaluation/vqaEval.py",
}
FULL_PRECISION = 30  # decimals: round() then returns the number itself


def official_class(checkout: Path, name: str) -> Any:
    """Return the official class `VQA` or `VQAEval`, made valid Python 3.

    Only what stops Python 3 from reading it is changed: `print x` and mixed tabs and spaces.

    Raises:
        UserError: the folder is no checkout of the official repository.
    """
    path = checkout / SOURCES[name]
    if not path.is_file():
        raise UserError(f"{path}: not found; expected a checkout of github.com/GT-Vision-Lab/VQA")
    source = re.sub(
        r"^(\s*)print (.*)$", r"\1print(\2)", path.read_text().expandtabs(8), flags=re.M
    )
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "\d" in plain strings
        exec(compile(source, str(path), "exec"), names)
    return names[name]


def official_evaluation(checkout: Path, data: Path, subset: str, predictions: Path) -> Any:
    """Return the official evaluator after `evaluate`, its numbers not rounded.

    `subset` is the official name, train2014 or val2014.

    Raises:
        UserError: the folder is no checkout, or the questions file is missing.
    """
    questions = data / questions_path(subset)
    if not questions.is_file():
        raise UserError(f"{questions}: not found; the official evaluator reads the questions too")
    with redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # utcnow(), and files that are left open
        vqa = official_class(checkout, "VQA")(str(data / annotations_path(subset)), str(questions))
        results = vqa.loadRes(str(predictions), str(questions))
        evaluator = official_class(checkout, "VQAEval")(vqa, results, n=FULL_PRECISION)
        evaluator.evaluate()
    return evaluator


def official_scores(predictions: Path, data: Path, subset: str) -> list[Score] | None:
    """Return the official evaluator's scores, or None where no checkout is named (see `HINT`)."""
    checkout = os.environ.get(CHECKOUT)
    if not checkout:
        return None
    evaluator = official_evaluation(Path(checkout), data, subset, predictions)
    accuracy = evaluator.accuracy
    scores = [_score("", accuracy["overall"], evaluator.evalQA)]
    for name, value in accuracy["perAnswerType"].items():
        scores.append(_score(f"/{name}", value, evaluator.evalAnsType[name]))
    for name, value in accuracy["perQuestionType"].items():
        scores.append(_score(f"/question_type/{name}", value, evaluator.evalQuesType[name]))
    return scores


def _score(group: str, value: float, questions: Sized) -> Score:
    name = f"vqa_accuracy{group}"
    return Score(name=name, value=value, unit="percent", n=len(questions))
