"""VQA accuracy: 214,354 questions with ten answers each, official JSON files on disk to scores.

The official evaluator is read from a checkout that $EVALSUITE_VQA_ORACLE names.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from evalsuite.tasks.vqa.benchmark import BENCHMARK
from evalsuite.tasks.vqa.official import CHECKOUT, HINT, official_evaluation
from harness import Bench, Engine, Floor, main

from evalsuite.metrics.vqa.accuracy import mean_scores, question_accuracies

NUM_QUESTIONS = 214_354  # of val2014
QUESTIONS_PER_IMAGE = 5
NUM_COMMON, NUM_RARE = 3129, 70_000  # the real classifier's answers; about the real distinct ones
QUESTION_TYPES = [f"what is {word}" for word in ["the", "a", "this", "that", "on", "in"]] + [
    f"{verb} {word}"
    for verb in ["is", "are", "does", "do", "can", "how"]
    for word in ["it", "the", "he"]
]
SPLIT, SUBSET = "val", "val2014"


def make_inputs(folder: Path, seed: int) -> None:
    """Write the questions, the annotations with humans who disagree, and results.json."""
    generator = np.random.default_rng(seed)
    words = _answers(generator)
    (folder / "vqav2").mkdir(parents=True, exist_ok=True)
    questions, annotations, results = [], [], []
    for number in range(NUM_QUESTIONS):
        image_id = 42 + 7 * (number // QUESTIONS_PER_IMAGE)
        question_id = image_id * 1000 + number % QUESTIONS_PER_IMAGE
        said = next(words)
        annotations.append(
            {
                "question_type": QUESTION_TYPES[number % len(QUESTION_TYPES)],
                "multiple_choice_answer": said[0],
                "answers": [
                    {"answer": answer, "answer_confidence": "yes", "answer_id": human}
                    for human, answer in enumerate(said, 1)
                ],
                "image_id": image_id,
                "answer_type": ("yes/no", "number", "other")[number % 3],
                "question_id": question_id,
            }
        )
        question = f"What is the thing number {number % 977} on the left of the picture?"
        questions.append({"image_id": image_id, "question": question, "question_id": question_id})
        guess = said[int(generator.integers(10))] if generator.random() < 0.85 else next(words)[0]
        results.append({"question_id": question_id, "answer": guess})
    heading = {"info": {}, "license": {}, "data_subtype": SUBSET, "data_type": "mscoco"}
    heading["task_type"] = "Open-Ended"
    _write(
        folder / f"vqav2/v2_OpenEnded_mscoco_{SUBSET}_questions.json", heading, questions=questions
    )
    _write(folder / f"vqav2/v2_mscoco_{SUBSET}_annotations.json", heading, annotations=annotations)
    (folder / "results.json").write_text(json.dumps(results))


def _answers(generator: np.random.Generator) -> Iterator[list[str]]:
    """Yield ten human answers again and again; a quarter of the questions are unanimous."""
    common = ["yes", "no", "2", "1", "3", "white"] + [f"thing {word}" for word in range(NUM_COMMON)]
    marks = [
        "{}",
        "{}",
        "{}",
        "a {}",
        "{}.",
        "the {}",
        "{}'s",
        "{}, {}",
        "{}-{}",
        "{}/{}",
        "two {}",
    ]
    while True:
        main_answer = common[min(int(generator.zipf(1.3)), len(common)) - 1]
        said = [main_answer] * 10
        if generator.random() > 0.25:
            for human in np.flatnonzero(generator.random(10) < 0.35):
                rare = f"rare {int(generator.integers(NUM_RARE))}"
                other = common[min(int(generator.zipf(1.3)), len(common)) - 1]
                word = rare if generator.random() < 0.06 else other
                said[human] = marks[int(generator.integers(len(marks)))].format(word, main_answer)
        yield said


def _write(path: Path, heading: dict[str, Any], **records: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps({**heading, **records}))


def _official(folder: Path) -> dict[str, Any]:
    """Return the official scores and a hash of every question's."""
    checkout = os.environ.get(CHECKOUT)
    if not checkout:
        raise SystemExit(HINT)
    evaluator = official_evaluation(Path(checkout), folder, SUBSET, folder / "results.json")
    ids = evaluator.params["question_id"]
    scores = {"vqa_accuracy": evaluator.accuracy["overall"]}
    for prefix, key in (("", "perAnswerType"), ("question_type/", "perQuestionType")):
        for name, value in evaluator.accuracy[key].items():
            scores[f"vqa_accuracy/{prefix}{name}"] = value
    return _comparable(scores, [evaluator.evalQA[number] for number in ids])


def _ours(folder: Path) -> dict[str, Any]:
    """Return our scores and a hash of every question's."""
    references = BENCHMARK.references(folder, SPLIT)
    predictions = BENCHMARK.read_predictions(folder / "results.json")
    each = question_accuracies(predictions, references)
    scores = mean_scores(each, references, interval=False)
    return _comparable({score.name: score.value for score in scores}, (100 * each).tolist())


def _comparable(scores: dict[str, float], each: list[float]) -> dict[str, Any]:
    digest = hashlib.sha256(np.array(each, np.float64).tobytes()).hexdigest()
    return {**dict(sorted(scores.items())), "questions_sha256": digest}


def _without_index(folder: Path) -> Path:
    """Return the folder, with nothing saved of it."""
    os.environ["EVALSUITE_CACHE"] = tempfile.mkdtemp(dir=folder)
    return folder


def _with_index(folder: Path) -> Path:
    """Return the folder, its references saved by an earlier process."""
    os.environ["EVALSUITE_CACHE"] = str(folder / "index")
    BENCHMARK.references(folder, SPLIT)
    return folder


BENCH = Bench(
    name="vqa",
    title="VQA accuracy",
    size=f"{NUM_QUESTIONS:,} questions x 10 answers",
    make_inputs=make_inputs,
    engines={
        "official": Engine(warm=lambda: None, load=lambda folder: folder, score=_official),
        "ours": Engine(warm=lambda: None, load=_without_index, score=_ours),
        "ours, saved index": Engine(warm=lambda: None, load=_with_index, score=_ours),
    },
    floors={"ours": Floor(15, 0.5), "ours, saved index": Floor(40, 0.5)},
)

if __name__ == "__main__":
    main(BENCH)
