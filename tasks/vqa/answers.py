"""The answers of VQAv2 that are frequent enough to be classes."""

from itertools import chain
from pathlib import Path

from evalsuite.kinds.answering.files import read_majority_answers
from evalsuite.kinds.answering.recipes import MIN_COUNT
from evalsuite.kinds.answering.vocabulary import frequent_answers
from evalsuite.records.errors import UserError

from .card import DOWNLOAD, annotations_path


def answer_vocabulary(data: Path, min_count: int = MIN_COUNT) -> list[str]:
    """Return the answers in label order.

    They are the normalised `multiple_choice_answer`s of train2014, then val2014, that occur
    `min_count` times or more, in the order of their first appearance.

    Raises:
        UserError: a file is missing or malformed, or no answer is frequent enough.
    """
    files = [data / annotations_path(subset) for subset in ("train2014", "val2014")]
    answers = chain(*(read_majority_answers(path, DOWNLOAD).values() for path in files))
    vocabulary = frequent_answers(answers, min_count)
    if not vocabulary:
        raise UserError(
            f"{files[0]}: no answer occurs {min_count} times in train "
            "and val together, so the vocabulary would be empty; --set min_answer_count=1 keeps "
            "every answer"
        )
    return vocabulary
