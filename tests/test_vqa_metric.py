"""VQA accuracy against the official evaluator: its recorded verdicts, and itself where it is."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evalsuite.tasks.vqa.official import CHECKOUT, official_class
from hypothesis import example, given, settings
from hypothesis import strategies as st
from make_vqa import annotation, official, real_predictions

from evalsuite.kinds.answering.files import read_annotations
from evalsuite.metrics.difference import mean_difference
from evalsuite.metrics.vqa.accuracy import question_accuracies, vqa_scores
from evalsuite.metrics.vqa.normalise import REPAIRED, normalised, trimmed
from evalsuite.metrics.vqa.references import Annotation, VqaReferences, index_annotations
from evalsuite.records.errors import UserError
from evalsuite.records.score import named

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("vqa.json").read_text())
CASES = GOLDEN["cases"]
REAL = Path(__file__).parents[2] / "shared/data/official_samples/vqav2"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real VQAv2 records in {REAL}")
needs_oracle = pytest.mark.skipif(
    CHECKOUT not in os.environ, reason=f"{CHECKOUT} names no checkout of the official evaluator"
)


def same(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """Return whether numbers are identical; where sum() is another, to ten decimals."""
    made_with_compensated_sum = GOLDEN["python"] not in ("3.10", "3.11")
    if (sys.version_info >= (3, 12)) == made_with_compensated_sum:
        return list(ours) == list(theirs)
    return bool(np.array_equal(np.round(ours, 10), np.round(theirs, 10)))


def references_of(folder: Path, annotations: list[dict[str, Any]]) -> VqaReferences:
    path = folder / "annotations.json"
    path.write_text(json.dumps({"annotations": annotations}))
    return index_annotations(read_annotations(path, "SOURCE"))


def ten(*answers: str, question_id: int = 1) -> Annotation:
    """Return a question whose humans repeat the answers in turn."""
    said = [answers[human % len(answers)] for human in range(10)]
    return Annotation(question_id, question_id, "what is", "other", said)


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> VqaReferences:
    annotations = [annotation(number, case) for number, case in enumerate(CASES)]
    return references_of(tmp_path_factory.mktemp("golden"), annotations)


def test_every_golden_answer_is_normalised_as_officially() -> None:
    assert len(GOLDEN["normalised"]) > 400
    assert {text: normalised(text) for text, _ in GOLDEN["normalised"]} == dict(
        GOLDEN["normalised"]
    )


@pytest.mark.parametrize(
    "trap", ["A1", "A2", "A3", "A4", "A5", "A6", "A7", "three", "one", "twelve"]
)
def test_trap(trap: str, golden: VqaReferences) -> None:
    said = {number: case["answer"] for number, case in enumerate(CASES)}
    accuracies = question_accuracies(said, golden)
    chosen = [n for n, case in enumerate(CASES) if case.get("trap", "").startswith(trap)]
    assert chosen
    ours = [100 * float(accuracies[number]) for number in chosen]
    assert same(ours, [CASES[number]["accuracy"] for number in chosen])


def test_trap_a8_neither_lavis_nor_beit3_is_computed() -> None:
    # BEiT-3's VQAScore would drop the first question: none of its answers is in a vocabulary.
    # LAVIS normalises the prediction always: its second question would be wrong.
    asked = [ten("zyx", question_id=1), ten("the cat", question_id=2)]
    scores = vqa_scores({1: "dog", 2: "the cat"}, index_annotations(asked))
    assert (scores[0].value, scores[0].n) == (50.0, 2)


def test_every_golden_question_is_scored_as_officially(golden: VqaReferences) -> None:
    said = {number: case["answer"] for number, case in enumerate(CASES)}
    ours = 100 * question_accuracies(said, golden)
    assert same(ours.tolist(), [case["accuracy"] for case in CASES])


def test_golden_means_are_the_official_ones(golden: VqaReferences) -> None:
    said = {number: case["answer"] for number, case in enumerate(CASES)}
    ours = {score.name: score.value for score in vqa_scores(said, golden)}
    official_ones = {"vqa_accuracy": GOLDEN["overall"]}
    for prefix, key in (("", "per_answer_type"), ("question_type/", "per_question_type")):
        official_ones |= {f"vqa_accuracy/{prefix}{k}": value for k, value in GOLDEN[key].items()}
    assert ours.keys() == official_ones.keys()
    assert same([ours[name] for name in official_ones], list(official_ones.values()))


@pytest.mark.data
@needs_real
@pytest.mark.parametrize("subset", ["train2014", "val2014"])
def test_real_records_are_scored_as_officially(subset: str) -> None:
    path = REAL / f"v2_mscoco_{subset}_annotations.json"
    records = json.loads(path.read_text())["annotations"][:100]
    said = real_predictions(records)
    references = index_annotations(read_annotations(path, "SOURCE"))
    ours = 100 * question_accuracies(said, references)
    assert same(ours.tolist(), GOLDEN["real"][subset]["questions"])
    assert same([vqa_scores(said, references)[0].value], [GOLDEN["real"][subset]["overall"]])


def test_scores_carry_n_unit_and_an_interval_that_can_be_left_out() -> None:
    asked = [ten("cat", question_id=number) for number in range(100)]
    said = {number: "cat" if number < 70 else "dog" for number in range(100)}
    score = named(vqa_scores(said, index_annotations(asked)), "vqa_accuracy/other")
    assert (score.value, score.n, score.unit) == (70.0, 100, "percent")
    assert score.interval is not None
    # Normal approximation: 70 +- 1.96 * sqrt(0.7 * 0.3 / 100) = 61.0 .. 79.0
    assert score.interval == pytest.approx((61.0, 79.0), abs=1.5)
    assert vqa_scores(said, index_annotations(asked), interval=False)[0].interval is None


def test_a_paired_difference_resamples_questions_for_both_at_once() -> None:
    asked = index_annotations([ten("cat", question_id=number) for number in range(200)])
    first = {number: "cat" if number < 150 else "dog" for number in range(200)}
    second = {number: "cat" if number < 130 else "dog" for number in range(200)}
    accuracies = [question_accuracies(one, asked) for one in (first, second)]
    difference = mean_difference("vqa_accuracy", *accuracies)
    assert difference.value == pytest.approx(10.0)
    assert difference.interval is not None
    # Unpaired, the standard error would be 4.6 points; paired it is 2.1.
    assert difference.interval == pytest.approx((6.0, 14.0), abs=1.0)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({1: "cat"}, r"no prediction for question 2 \(2 of 3 missing\)"),
        ({1: "cat", 2: "x", 3: "y", 9: "z", 8: ""}, r"question 9, .* \(2 such\)"),
        ({1: "cat", 2: 7, 3: "y"}, r"question 2 is not text but 7 \(1 such\)"),
    ],
)
def test_predictions_that_do_not_match_are_refused(said: dict[int, str], message: str) -> None:
    asked = index_annotations([ten("cat", question_id=number) for number in (1, 2, 3)])
    with pytest.raises(UserError, match=message):
        vqa_scores(said, asked)


answers = st.one_of(
    st.text(max_size=12),
    st.lists(
        st.sampled_from(
            [
                *";/[]\"{}()=+\\_-><@`,?!.:' \n\t",
                "a",
                "the",
                "none",
                "two",
                "1",
                "1,0",
                "dont",
                "cat",
            ]
        ),
        max_size=8,
    ).map("".join),
)


@needs_oracle
@settings(deadline=None)
@given(answers)
@example("." * 40)
@example("1,000 a-b")
def test_any_text_is_normalised_as_officially(text: str) -> None:
    evaluator = oracle([], {})
    punctuated = evaluator.processPunctuation(trimmed(text))
    assert normalised(trimmed(text)) == evaluator.processDigitArticle(punctuated)


@needs_oracle
@settings(deadline=None)
@given(st.lists(answers, min_size=1, max_size=3), st.randoms(use_true_random=False), answers)
def test_any_question_is_scored_as_officially(meant: list[str], draw: Any, other: str) -> None:
    case = {
        "answers": [draw.choice(meant) for _ in range(10)],
        "answer_type": "",
        "question_type": "",
    }
    said = {0: draw.choice([*meant, other])}
    official_accuracy = oracle([annotation(0, case)], said).evalQA[0]
    asked = index_annotations([Annotation(0, 0, "", "", case["answers"])])
    assert 100 * question_accuracies(said, asked)[0] == official_accuracy


@needs_oracle
def test_the_table_of_contractions_is_the_official_one() -> None:
    table = oracle([], {}).contractions
    assert {
        key: word for key, word in table.items() if key == key.lower() and key != word
    } == REPAIRED


def oracle(annotations: list[dict[str, Any]], said: dict[int, str]) -> Any:
    checkout = Path(os.environ[CHECKOUT])
    if annotations:
        return official(checkout, annotations, said)
    unused = official_class(checkout, "VQA")()
    unused.dataset = {"annotations": []}
    return official_class(checkout, "VQAEval")(unused, None)
