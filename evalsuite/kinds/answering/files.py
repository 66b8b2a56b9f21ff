"""Files of VQA's form: questions, annotations and results, read fast and checked."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from evalsuite.contracts.benchmark import SampleId
from evalsuite.data.official_json import (
    fast,
    parsed,
    parsed_list,
    read_records,
    refuse_repeated,
    with_ids,
)
from evalsuite.data.reading import read_bytes, shortened
from evalsuite.metrics.vqa.references import NUM_HUMANS, Annotation
from evalsuite.records.errors import UserError

OFFICIAL_IDS = list(range(1, NUM_HUMANS + 1))
IDS = ("question_id", "image_id")
QUESTIONS_FORMAT = "the official VQA questions, an object with a list 'questions'"
ANNOTATIONS_FORMAT = "the official VQA annotations, an object with a list 'annotations'"
RESULTS_FORMAT = 'VQA results, a list of {"question_id": number, "answer": text}'


# gc=False: these hold no cycles, and the collector would walk millions of them.
class Question(msgspec.Struct, gc=False):
    """One record of a questions file."""

    question_id: SampleId
    image_id: SampleId
    question: str


class _Answer(msgspec.Struct, gc=False):
    answer: str
    answer_id: int


class _Record(msgspec.Struct, gc=False):
    question_id: SampleId
    image_id: SampleId
    question_type: str
    answer_type: str
    answers: list[_Answer]


class _Majority(msgspec.Struct, gc=False):
    question_id: SampleId
    multiple_choice_answer: str


class _RawAnnotations(msgspec.Struct):
    annotations: list[msgspec.Raw]


class _Result(msgspec.Struct, gc=False):
    question_id: SampleId
    answer: str


class _Heading(msgspec.Struct):
    """What comes before the answers in an annotation that is checked by hand."""

    question_id: SampleId
    image_id: SampleId
    question_type: str
    answer_type: str
    answers: list[dict[str, Any]]


def read_questions(path: Path, source: str) -> list[Question]:
    """Return the questions of a file, in its order.

    Args:
        source: where the file is fetched, for the message where it is not there.

    Raises:
        UserError: the file is missing, not JSON, not of the official format, or repeats an id.
    """
    content = read_bytes(path, "the VQA questions", source)
    found = read_records(
        path, content, Question, QUESTIONS_FORMAT, key="questions", what="question", ids=IDS
    )
    refuse_repeated(path, (question.question_id for question in found), "question")
    return found


def read_annotations(path: Path, source: str, content: bytes | None = None) -> Iterator[Annotation]:
    """Yield the annotations of a file, in its order; one at a time, so that they never pile up.

    Args:
        source: as of `read_questions`.
        content: the bytes of the file, where the caller has them already.

    Raises:
        UserError: the file is missing, not JSON, not of the official format, or repeats an id.
    """
    if content is None:
        content = read_bytes(path, "the VQA annotations", source)
    decoder = msgspec.json.Decoder(_Record)
    seen: set[SampleId] = set()
    for number, raw in enumerate(_raw_annotations(path, content)):
        try:
            record = decoder.decode(raw)
        except msgspec.MsgspecError:
            annotation = _unusual_annotation(path, number, raw)
        else:
            ids = [one.answer_id for one in record.answers]
            if ids != OFFICIAL_IDS and not len(ids) == len(set(ids)) == NUM_HUMANS:
                annotation = _unusual_annotation(path, number, raw)
            else:
                annotation = Annotation(
                    record.question_id,
                    record.image_id,
                    record.question_type,
                    record.answer_type,
                    [one.answer for one in record.answers],
                )
        if annotation.question_id in seen:
            twice = shortened(annotation.question_id)
            raise UserError(f"{path}: question {twice} is annotated twice")
        seen.add(annotation.question_id)
        yield annotation


def read_majority_answers(path: Path, source: str) -> dict[SampleId, str]:
    """Return the `multiple_choice_answer` of every question of an annotation file, in its order.

    Args:
        source: as of `read_questions`.

    Raises:
        UserError: the file is missing, not JSON, not of the official format, or repeats an id.
    """
    content = read_bytes(path, "the VQA annotations", source)
    found = read_records(
        path, content, _Majority, ANNOTATIONS_FORMAT, key="annotations", what="annotation", ids=IDS
    )
    refuse_repeated(path, (record.question_id for record in found), "question")
    return {record.question_id: record.multiple_choice_answer for record in found}


def read_results(path: Path) -> dict[SampleId, str]:
    """Return the answer by question id of a VQA results file.

    Raises:
        UserError: the file is missing, not JSON, not of the format, or repeats an id.
    """
    content = read_bytes(path, RESULTS_FORMAT)
    results = read_records(path, content, _Result, RESULTS_FORMAT, ids=IDS)
    answers = {result.question_id: result.answer for result in results}
    if len(answers) != len(results):
        refuse_repeated(path, (result.question_id for result in results), "question")
    return answers


def _raw_annotations(path: Path, content: bytes) -> Iterable[msgspec.Raw | bytes]:
    """Return every annotation as JSON."""
    file = fast(content, _RawAnnotations)
    if file is not None:
        return file.annotations
    # The standard library reads what msgspec refuses: NaN, lone surrogates.
    records = parsed_list(path, content, "annotations", ANNOTATIONS_FORMAT)
    return [json.dumps(record).encode() for record in records]


def _unusual_annotation(path: Path, number: int, raw: msgspec.Raw | bytes) -> Annotation:
    """Return an annotation that is not ten answers with an `answer_id` each.

    Raises:
        UserError: it cannot be scored; names the record.
    """
    value = parsed(path, bytes(raw), ANNOTATIONS_FORMAT)
    try:
        record = msgspec.convert(with_ids(value, IDS), _Heading)
    except (ValueError, RecursionError) as reason:
        raise UserError(
            f"{path}: annotation {number}, {shortened(value)}: {shortened(str(reason))}"
        ) from None
    bad = [one for one in record.answers if not isinstance(one.get("answer"), str)]
    if bad or not record.answers:
        found = f"a human answer without text: {shortened(bad[0])}" if bad else "no human answers"
        name = shortened(record.question_id)
        raise UserError(f"{path}: annotation {number} (question {shortened(name)}): {found}")
    others = [{**one, "answer": None} for one in record.answers]
    return Annotation(
        record.question_id,
        record.image_id,
        record.question_type,
        record.answer_type,
        [one["answer"] for one in record.answers],
        # The official evaluator compares whole records: what is equal but for the answer.
        [others.index(one) for one in others],
    )
