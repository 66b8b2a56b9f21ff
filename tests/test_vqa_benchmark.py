"""VQAv2's files, splits, vocabulary, baselines and submissions."""

import hashlib
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from evalsuite.tasks.vqa.answers import answer_vocabulary
from evalsuite.tasks.vqa.benchmark import BENCHMARK, minival_images
from evalsuite.tasks.vqa.official import CHECKOUT
from make_vqa import real_predictions

from evalsuite.kinds.answering import index
from evalsuite.kinds.answering.index import load_references
from evalsuite.kinds.answering.vocabulary import soft_target
from evalsuite.records.errors import UserError

REAL = Path(__file__).parents[2] / "shared/data/official_samples/vqav2"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason=f"no real VQAv2 records in {REAL}")
TWO_WAYS = ["red"] * 4 + ["Red", "dark red", "crimson", "red.", "red", "pink"]
HEADING = {
    "info": {},
    "license": {},
    "data_type": "mscoco",
    "task_type": "Open-Ended",
    "data_subtype": "",
}


def record(
    question_id: int, answers: list[str], question_type: str = "what color"
) -> dict[str, Any]:
    return {
        "question_id": question_id,
        "image_id": question_id // 10,
        "question_type": question_type,
        "answer_type": "other",
        "multiple_choice_answer": answers[0],
        "answers": [
            {"answer": answer, "answer_confidence": "yes", "answer_id": human}
            for human, answer in enumerate(answers, 1)
        ],
    }


def question(question_id: int, text: str = "What color is it?") -> dict[str, Any]:
    return {"question_id": question_id, "image_id": question_id // 10, "question": text}


def write(
    data: Path, subset: str, records: list[dict[str, Any]], questions: list[dict[str, Any]]
) -> None:
    folder = data / "vqav2"
    folder.mkdir(exist_ok=True)
    if records:
        path = folder / f"v2_mscoco_{subset}_annotations.json"
        path.write_text(json.dumps({**HEADING, "annotations": records}))
    path = folder / f"v2_OpenEnded_mscoco_{subset}_questions.json"
    path.write_text(json.dumps({**HEADING, "questions": questions}))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three training questions, forty val questions on twenty images, five test questions."""
    training = [
        record(10, ["blue"] * 10),
        record(11, ["blue"] * 10),
        record(20, ["2"] * 10, "how many"),
    ]
    asked = [question(10), question(11, "Which  color?"), question(20, "How many?")]
    write(tmp_path, "train2014", training, asked)
    ids = [10 * image + number for image in range(1, 21) for number in (0, 1)]
    write(
        tmp_path, "val2014", [record(one, TWO_WAYS) for one in ids], [question(one) for one in ids]
    )
    write(tmp_path, "test2015", [], [question(one) for one in (10, 20, 30, 40, 50)])
    write(tmp_path, "test-dev2015", [], [question(one) for one in (20, 40)])
    return tmp_path


def annotations(data: Path) -> Path:
    return data / "vqav2/v2_mscoco_val2014_annotations.json"


def results(path: Path, *pairs: tuple[Any, Any]) -> Path:
    path.write_text(json.dumps([{"question_id": one, "answer": said} for one, said in pairs]))
    return path


def test_a_sample_joins_question_annotation_and_image(data: Path) -> None:
    sample = next(BENCHMARK.samples(data, "val"))
    assert (sample.id, sample.text) == (10, "What color is it?")
    assert sample.images == ("coco/val2014/COCO_val2014_000000000001.jpg",)
    assert sample.target == {
        "answers": TWO_WAYS,
        "question_type": "what color",
        "answer_type": "other",
        "multiple_choice_answer": "red",
    }


def test_held_back_samples_have_empty_targets_of_the_same_keys(data: Path) -> None:
    sample = next(BENCHMARK.samples(data, "test-dev"))
    assert sample.images == ("coco/test2015/COCO_test2015_000000000002.jpg",)
    empty = {"answers": [], "question_type": "", "answer_type": "", "multiple_choice_answer": ""}
    assert sample.target == empty
    with pytest.raises(UserError, match=r"held back: .* EvalAI challenge 830"):
        BENCHMARK.references(data, "test-std")


def test_minival_is_chosen_by_the_hash_of_the_image_id(data: Path) -> None:
    images = range(1, 100_001, 2)
    chosen = minival_images(images)
    ordered = sorted(images, key=lambda one: hashlib.sha256(str(one).encode()).hexdigest())
    assert chosen == set(ordered[: round(1000 * 50_000 / 40_504)])
    assert {sample.id // 10 for sample in BENCHMARK.samples(data, "minival")} == {
        9
    }  # sha256("9") = 19581e27...


def test_minival_and_trainval_share_no_image_and_leave_none_out(data: Path) -> None:
    parts = {
        name: [one.images[0] for one in BENCHMARK.samples(data, name)] for name in ("train", "val")
    }
    minival = [one.images[0] for one in BENCHMARK.samples(data, "minival")]
    trainval = [one.images[0] for one in BENCHMARK.samples(data, "trainval")]
    assert not set(minival) & set(trainval)
    assert sorted(minival + trainval) == sorted(parts["train"] + parts["val"])
    assert BENCHMARK.references(data, "minival").question_ids == [90, 91]


def test_references_of_some_questions_only(data: Path) -> None:
    references = BENCHMARK.references(data, "val", only={10, 201})
    assert BENCHMARK.score({10: "red", 201: "pink"}, references)[0].value == pytest.approx(65.0)


def test_the_vocabulary_is_normalised_counted_and_in_order_of_appearance(tmp_path: Path) -> None:
    said = ["Two", "red", "2", "the red", "rare", "2."]
    rows = [record(10 * number, [answer]) for number, answer in enumerate(said)]
    write(tmp_path, "train2014", rows[:3], [])
    write(tmp_path, "val2014", rows[3:], [])
    assert answer_vocabulary(tmp_path, min_count=2) == ["2", "red"]
    assert answer_vocabulary(tmp_path, min_count=1) == ["2", "red", "rare"]
    with pytest.raises(UserError, match="no answer occurs 9 times"):
        answer_vocabulary(tmp_path)


def test_soft_targets_count_answers_as_they_were_written() -> None:
    answers = ["red"] * 5 + ["Red", "pink", "pink", "odd", "odd"]
    expected = ([0, 2], [1.0, 0.6])
    assert soft_target(answers, ["red", "2", "pink"]) == expected
    assert soft_target(answers, {"red": 0, "2": 1, "pink": 2}) == expected
    assert soft_target(["x"] * 3 + ["y"] * 7, {"x": 0}) == ([0], [0.9])
    assert soft_target(["x"] * 10, {"y": 0}) == ([], [])


def test_baselines_know_the_training_questions_and_no_image(data: Path) -> None:
    per_type, question_only = BENCHMARK.baselines(data, "train")
    assert (per_type.name, per_type.value, per_type.n) == ("prior_per_type", 100.0, 3)
    assert (question_only.name, question_only.value) == ("question_only", 100.0)
    per_type, _ = BENCHMARK.baselines(data, "val", only=[10])
    assert (per_type.value, per_type.n, per_type.interval) == (0.0, 1, (0.0, 0.0))
    assert list(BENCHMARK.baselines(data, "test-std")) == []


def test_the_question_only_baseline_falls_back_from_question_to_type(data: Path) -> None:
    training = [
        record(10, ["blue"] * 10),
        record(20, ["red"] * 10),
        record(30, ["red"] * 10),
    ]
    asked = [question(10, "What color is IT ?"), question(20, "a?"), question(30, "b?")]
    write(data, "train2014", training, asked)
    write(
        data,
        "val2014",
        [record(40, ["blue"] * 10), record(50, ["red"] * 10)],
        [question(40, "what color is it ?"), question(50, "never asked?")],
    )
    per_type, question_only = BENCHMARK.baselines(data, "val")
    assert (per_type.value, question_only.value) == (50.0, 100.0)


def test_without_training_files_baselines_are_left_out_with_a_warning(data: Path) -> None:
    (data / "vqav2/v2_mscoco_train2014_annotations.json").unlink()
    with pytest.warns(UserWarning, match="train2014_annotations.json: not found"):
        assert list(BENCHMARK.baselines(data, "val")) == []


def test_a_submission_answers_exactly_the_questions_of_its_split(data: Path) -> None:
    path = data / "submission.json"
    BENCHMARK.write_predictions({20: "yes", 40: "né"}, path, data=data, split="test-dev")
    expected = [{"question_id": 20, "answer": "yes"}, {"question_id": 40, "answer": "né"}]
    assert json.loads(path.read_text(encoding="utf-8")) == expected
    with pytest.raises(
        UserError, match=r"5 questions .* question 10 is without an answer \(3 such"
    ):
        BENCHMARK.write_predictions({20: "", 40: ""}, path, data=data, split="test-std")
    with pytest.raises(UserError, match=r"question 41 is not of the split \(1 such"):
        BENCHMARK.write_predictions({20: "", 40: "", 41: ""}, path, data=data, split="test-dev")
    with pytest.raises(UserError, match="expected a question id and text"):
        BENCHMARK.write_predictions({20: 3}, path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"question_id": 1, "answer": "ye', r"not JSON at byte 30 of 33 \(Unterminated"),
        ('{"1": "yes"}', r"holds an object with the keys 1; expected VQA results, a list"),
        (
            '[{"question_id": 1, "answer": "x"}, {"answer": "y"}, {}]',
            r'record 1 of 3, \{"answer": "y"\}: .*missing required field `question_id` \(2 such\)',
        ),
        ('[{"question_id": 1}]', r"record 0 of 1, .*missing required field `answer` \(1 such\)"),
        ('[{"question_id": true, "answer": "x"}]', r"record 0 of 1, .*true is not an id"),
        ('[{"question_id": 1, "answer": null}]', r"record 0 of 1, .*Expected `str`, got `null`"),
        (
            '[{"question_id": 1, "answer": "x"}, {"question_id": 1, "answer": "y"}]',
            r"question 1 appears more than once \(1 duplicate\(s\)\)",
        ),
        ("\xff", "not UTF-8 at byte 0"),
    ],
)
def test_bad_results_are_refused_with_one_line(content: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=message) as caught:
        BENCHMARK.read_predictions(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"answers": []}, "annotation 0 .*: no human answers"),
        ({"answers": [{"answer_id": 1}]}, "a human answer without text"),
        ({"question_id": None}, r"annotation 0, .*: null is not an id"),
        ({"question_id": 11}, "question 11 is annotated twice"),
    ],
)
def test_bad_annotations_are_refused(changed: dict[str, Any], message: str, data: Path) -> None:
    records = [{**record(10, TWO_WAYS), **changed}, record(11, TWO_WAYS)]
    annotations(data).write_text(json.dumps({"annotations": records}))
    with pytest.raises(UserError, match=message):
        BENCHMARK.references(data, "val")


def test_files_of_another_kind_and_missing_files_are_refused(data: Path) -> None:
    annotations(data).write_text('{"images": []}')
    with pytest.raises(
        UserError, match="object without 'annotations'; its keys are images; expected the official"
    ):
        BENCHMARK.references(data, "val")
    annotations(data).unlink()
    with pytest.raises(UserError, match=r"no such file; .* get it from https://visualqa.org"):
        BENCHMARK.references(data, "val")
    with pytest.raises(UserError, match="no split 'dev'; there are train, val, minival"):
        BENCHMARK.references(data, "dev")


def test_json_that_only_the_standard_library_reads_is_scored(data: Path) -> None:
    records = [record(10, ["\ud800"] * 4 + ["x"] * 6)]
    annotations(data).write_text(json.dumps({"annotations": records, "info": float("nan")}))
    said = BENCHMARK.read_predictions(results(data / "results.json", (10, "\ud800")))
    assert BENCHMARK.score(said, BENCHMARK.references(data, "val"))[0].value == 100.0


def test_a_saved_index_scores_the_same_and_follows_the_file(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "SMALLEST_KEPT", 0)
    monkeypatch.setenv("EVALSUITE_CACHE", str(data / "cache"))
    first = load_references(annotations(data), "SOURCE")
    (saved,) = (data / "cache").iterdir()
    again = load_references(annotations(data), "SOURCE")
    assert np.array_equal(first.answers, again.answers)
    assert (first.strings, first.question_types) == (again.strings, again.question_types)
    saved.write_bytes(saved.read_bytes()[:100])
    assert np.array_equal(load_references(annotations(data), "SOURCE").answers, first.answers)
    annotations(data).write_text(annotations(data).read_text().replace("crimson", "scarlet"))
    assert "scarlet" in load_references(annotations(data), "SOURCE").strings


def test_where_no_index_can_be_saved_scores_come_all_the_same(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "SMALLEST_KEPT", 0)
    (data / "occupied").write_text("a file where the folder should be")
    monkeypatch.setenv("EVALSUITE_CACHE", str(data / "occupied/cache"))
    assert len(load_references(annotations(data), "SOURCE").question_ids) == 40


@pytest.mark.data
@needs_real
def test_the_vocabulary_of_real_records_holds_what_many_said(tmp_path: Path) -> None:
    (tmp_path / "vqav2").symlink_to(REAL)
    vocabulary = answer_vocabulary(tmp_path, min_count=2)
    assert {"yes", "no", "2", "white"} <= set(vocabulary)
    assert all(answer == answer.lower() for answer in vocabulary)


@pytest.mark.data
@needs_real
def test_real_records_go_through_samples_and_scores(tmp_path: Path) -> None:
    path = REAL / "v2_mscoco_val2014_annotations.json"
    records = json.loads(path.read_text())["annotations"]
    write(
        tmp_path,
        "val2014",
        records,
        [question(one["question_id"]) | {"image_id": one["image_id"]} for one in records],
    )
    sample = next(BENCHMARK.samples(tmp_path, "val"))
    assert sample.images == ("coco/val2014/COCO_val2014_000000262148.jpg",)
    assert sample.target["answers"][:3] == ["down", "down", "at table"]
    said = real_predictions(records)
    score = BENCHMARK.score(said, BENCHMARK.references(tmp_path, "val"))[0]
    assert (score.n, round(score.value, 2)) == (len(records), 51.7)


def test_a_hundred_questions_are_scored_within_a_second(data: Path) -> None:
    ids = [10 * number for number in range(1, 101)]
    write(data, "val2014", [record(one, TWO_WAYS) for one in ids], [question(one) for one in ids])
    path = results(data / "results.json", *((one, "red") for one in ids))
    command = [sys.executable, "-m", "evalsuite", "score", "vqa", "--json"]
    command += ["--predictions", str(path), "--data", str(data)]
    seconds = []
    for _ in range(2):  # the first may have to write bytecode
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert json.loads(done.stdout)["scores"][0]["name"] == "vqa_accuracy"
    assert min(seconds) < 1.0


@pytest.mark.skipif(CHECKOUT not in os.environ, reason=f"{CHECKOUT} names no official checkout")
def test_official_scores_stand_beside_ours(data: Path) -> None:
    said = {10 * image + number: "red" for image in range(1, 21) for number in (0, 1)}
    path = results(data / "results.json", *said.items())
    ours = BENCHMARK.score(said, BENCHMARK.references(data, "val"), interval=False)
    theirs = BENCHMARK.official_scores(path, data, "val")
    assert theirs is not None
    assert {one.name: one for one in theirs} == {one.name: one for one in ours}


def test_without_a_checkout_there_are_no_official_scores(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CHECKOUT, raising=False)
    assert BENCHMARK.official_scores(data / "results.json", data, "val") is None
    assert CHECKOUT in BENCHMARK.official_hint
    with pytest.raises(UserError, match="scores whole files"):
        BENCHMARK.official_scores(data / "results.json", data, "minival")
