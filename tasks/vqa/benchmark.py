"""VQAv2 for `evalsuite tasks`, `doctor` and `score`: official files in, official accuracy out.

Splits: `minival` is a fixed part of val, all questions on the images whose ids have the smallest
sha256: 1,000 of the 40,504 real val2014 images, as many as BEiT-3 held out, and the same share of
any other file. `trainval` is train and the rest of val.
"""

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from evalsuite.contracts.benchmark import Sample, SampleId
from evalsuite.data.reading import shortened
from evalsuite.kinds.answering.benchmark import AnsweringBenchmark, inside
from evalsuite.kinds.answering.files import (
    read_annotations,
    read_majority_answers,
    read_questions,
)
from evalsuite.kinds.answering.index import load_references
from evalsuite.metrics.vqa.references import VqaReferences
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

from . import official
from .card import (
    CARD,
    DOWNLOAD,
    HELD_BACK,
    NUM_IMAGES,
    PARTS,
    annotations_path,
    image_path,
    questions_path,
)

NUM_MINIVAL_IMAGES = 1000  # unilm beit3/datasets.py @6996194, which shuffles without a seed


def questions(data: Path, split: str) -> Iterator[Sample]:
    """Yield the questions of a split in the order of the official files.

    Raises:
        UserError: a file is missing or malformed.
    """
    for subset, half in PARTS[split]:
        asked = read_questions(data / questions_path(subset), DOWNLOAD)
        chosen = _chosen(half, (question.image_id for question in asked))
        targets = {} if split in HELD_BACK else _targets(data, subset)
        for question in asked:
            if question.image_id not in chosen:
                continue
            number = question.question_id
            if split not in HELD_BACK and number not in targets:
                path = data / annotations_path(subset)
                raise UserError(f"{path}: no annotation of question {shortened(number)}")
            yield Sample(
                id=number,
                images=(image_path(subset, question.image_id),),
                text=question.question,
                target=targets.get(number) or _target([], "", "", ""),
            )


def people(data: Path, split: str) -> VqaReferences:
    """Return the ten human answers to each question of a split.

    Raises:
        UserError: a file is missing or malformed, or the split is of several files.
    """
    parts = PARTS[split]
    if len(parts) > 1:
        raise UserError(f"VQAv2 {split} is for training; score train, val or minival")
    references = load_references(data / annotations_path(parts[0].subset), DOWNLOAD)
    if parts[0].half == "all":
        return references
    chosen = _chosen(parts[0].half, references.image_ids)
    return references.take(inside(references.image_ids, chosen))


def official_scores(predictions: Path, data: Path, split: str) -> list[Score] | None:
    """Return what the official evaluator says of a results file; None where it is not here.

    Raises:
        UserError: the split is no whole file.
    """
    if split not in ("train", "val"):
        raise UserError(f"the official evaluator scores whole files, train or val, not {split}")
    return official.official_scores(predictions, data, PARTS[split][0].subset)


def minival_images(image_ids: Iterable[SampleId]) -> set[SampleId]:
    """Return the images of `minival` among those of a val file (see the top of this file)."""
    images = set(image_ids)
    count = max(1, round(NUM_MINIVAL_IMAGES * len(images) / NUM_IMAGES["val2014"]))
    return set(sorted(images, key=lambda one: hashlib.sha256(str(one).encode()).digest())[:count])


def _chosen(half: str, image_ids: Iterable[SampleId]) -> set[SampleId]:
    """Return the images of one half of a file."""
    images = set(image_ids)
    if half == "all":
        return images
    minival = minival_images(images)
    return minival if half == "minival" else images - minival


def _targets(data: Path, subset: str) -> dict[SampleId, dict[str, Any]]:
    """Return the target of every question of a subset."""
    path = data / annotations_path(subset)
    majority = read_majority_answers(path, DOWNLOAD)
    return {
        one.question_id: _target(
            list(one.answers), one.question_type, one.answer_type, majority[one.question_id]
        )
        for one in read_annotations(path, DOWNLOAD)
    }


def _target(
    answers: list[str], question_type: str, answer_type: str, majority: str
) -> dict[str, Any]:
    return {
        "answers": answers,
        "question_type": question_type,
        "answer_type": answer_type,
        "multiple_choice_answer": majority,
    }


BENCHMARK = AnsweringBenchmark(
    card=CARD,
    questions=questions,
    people=people,
    official=official_scores,
    official_hint=official.HINT,
)
