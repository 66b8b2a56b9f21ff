"""NLVR2 accuracy and consistency against the official scripts' recorded verdicts."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from evalsuite.tasks.nlvr2.benchmark import BENCHMARK
from evalsuite.tasks.nlvr2.official import CHECKOUT
from make_nlvr2 import real_predictions

from evalsuite.metrics.nlvr2 import Nlvr2References, nlvr2_scores, paired_nlvr2_accuracy
from evalsuite.records.errors import UserError

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("nlvr2.json").read_text())
CASES = GOLDEN["cases"]
REAL = Path(__file__).parents[2] / "shared/data/official_samples/nlvr2/dev.json"
needs_real = pytest.mark.skipif(not REAL.is_file(), reason=f"no real NLVR2 file {REAL}")
LINES = [
    {"identifier": "dev-1-0-0", "sentence": "Two dogs.", "label": "True"},
    {"identifier": "dev-1-1-0", "sentence": "Two dogs.", "label": "False"},
    {"identifier": "dev-2-0-1", "sentence": "A cat.", "label": "True"},
]
TRAIN = [
    {"identifier": "train-1-0-0", "sentence": "A cat.", "label": "True", "directory": 7},
    {"identifier": "train-2-0-0", "sentence": "A dog.", "label": "False", "directory": 12},
    {"identifier": "train-3-0-0", "sentence": "A cow.", "label": "False", "directory": 12},
]


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_lines(tmp_path / "nlvr2/data/dev.json", LINES)
    write_lines(tmp_path / "nlvr2/data/train.json", TRAIN)
    return tmp_path


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_trap_f_golden_cases_are_scored_as_officially(case: dict[str, Any]) -> None:
    identifiers = [name for name, _ in case["examples"]]
    references = Nlvr2References(
        identifiers=identifiers,
        labels=[label for _, label in case["examples"]],
        subsets={"balanced": frozenset(identifiers)},
    )
    said = dict(tuple(line) for line in case["predictions"])
    values = {score.name: score.value for score in nlvr2_scores(said, references)}
    assert values["accuracy"] == 100 * case["accuracy"]
    assert values["consistency"] == 100 * case["consistency"]
    assert values["accuracy/balanced"] == case["filtered"]


def test_a_result_file_of_a_split_holds_all_its_examples(data: Path) -> None:
    said = {line["identifier"]: "True" for line in LINES}
    path = data / "results.csv"
    BENCHMARK.write_predictions(said, path, data=data, split="dev")
    assert BENCHMARK.read_predictions(path) == said
    first = next(iter(said))
    with pytest.raises(UserError, match=f"no prediction for {first} "):
        BENCHMARK.write_predictions(
            {name: label for name, label in said.items() if name != first},
            path,
            data=data,
            split="dev",
        )
    with pytest.raises(UserError, match="prediction for dev-0, which is not among"):
        BENCHMARK.write_predictions({**said, "dev-0": "True"}, path, data=data, split="dev")


@pytest.mark.data
@needs_real
def test_the_real_development_split_is_scored_as_officially(tmp_path: Path) -> None:
    (tmp_path / "nlvr2/data").mkdir(parents=True)
    shutil.copy(REAL, tmp_path / "nlvr2/data/dev.json")
    samples = list(BENCHMARK.samples(tmp_path, "dev"))
    said = real_predictions([(str(one.id), one.target["label"]) for one in samples])
    BENCHMARK.write_predictions(said, tmp_path / "results.csv")
    read = BENCHMARK.read_predictions(tmp_path / "results.csv")
    accuracy, consistency = BENCHMARK.score(read, BENCHMARK.references(tmp_path, "dev"))
    assert (accuracy.value, accuracy.n) == (100 * GOLDEN["real_dev"]["accuracy"], 6982)
    assert consistency.value == 100 * GOLDEN["real_dev"]["consistency"]
    assert samples[0].id == "dev-850-0-0"
    assert samples[0].images[1] == "nlvr2/images/dev/dev-850-0-img1.png"


@pytest.mark.skipif(CHECKOUT not in os.environ, reason=f"{CHECKOUT} names no official checkout")
def test_official_scores_stand_beside_ours(data: Path) -> None:
    said = {line["identifier"]: "True" for line in LINES}
    BENCHMARK.write_predictions(said, data / "results.csv")
    ours = BENCHMARK.score(said, BENCHMARK.references(data, "dev"), interval=False)
    assert BENCHMARK.official_scores(data / "results.csv", data, "dev") == ours


def test_without_a_checkout_there_are_no_official_scores(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(CHECKOUT, raising=False)
    assert BENCHMARK.official_scores(data / "results.csv", data, "dev") is None
    assert CHECKOUT in BENCHMARK.official_hint


def test_training_images_lie_in_their_directory(data: Path) -> None:
    first = next(BENCHMARK.samples(data, "train"))
    assert first.images == (
        "nlvr2/images/train/7/train-1-0-img0.png",
        "nlvr2/images/train/7/train-1-0-img1.png",
    )
    assert (first.text, first.target) == ("A cat.", {"label": "True"})


def test_the_balanced_part_gets_its_own_accuracy_where_its_file_is(data: Path) -> None:
    write_lines(data / "nlvr2/data/balanced/balanced_dev.json", LINES[:2])
    said = {"dev-1-0-0": "True", "dev-1-1-0": "True", "dev-2-0-1": "True"}
    scores = BENCHMARK.score(said, BENCHMARK.references(data, "dev"))
    assert [(score.name, round(score.value, 1), score.n) for score in scores] == [
        ("accuracy", 66.7, 3),
        ("consistency", 50.0, 2),
        ("accuracy/balanced", 50.0, 2),
    ]


def test_baselines_look_at_the_training_labels_and_sentences_only(data: Path) -> None:
    majority, text_only = BENCHMARK.baselines(data, "dev")
    assert (majority.name, round(majority.value, 1)) == ("majority_label", 33.3)  # "False"
    assert (text_only.name, round(text_only.value, 1)) == ("text_only", 66.7)  # the cat is known
    assert BENCHMARK.baselines(data, "dev", only=["dev-2-0-1"])[1].value == 100.0


def test_without_training_file_baselines_are_left_out_with_a_warning(data: Path) -> None:
    (data / "nlvr2/data/train.json").unlink()
    with pytest.warns(UserWarning, match=r"train.json: not found"):
        assert BENCHMARK.baselines(data, "dev") == []


def test_a_paired_difference_has_an_interval() -> None:
    names = [f"dev-{number}-0-0" for number in range(100)]
    references = Nlvr2References(identifiers=names, labels=["True"] * 100)
    second = {name: "True" if number < 80 else "False" for number, name in enumerate(names)}
    difference = paired_nlvr2_accuracy(dict.fromkeys(names, "True"), second, references)
    assert (difference.value, difference.unit) == (20.0, "percentage points")
    assert difference.interval == pytest.approx((12.2, 27.8), abs=1.5)  # 20 +- 1.96 * 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dev-1-0-0,True\ndev-1-1-0\n", r"line 2 is 'dev-1-1-0'"),
        ("dev-1-0-0, True\ndev-1-1-0,1\n", r"line 1 is 'dev-1-0-0, True' \(2 of 2 such\)"),
        ("dev-1-0-0,True\ndev-1-0-0,True\n", "dev-1-0-0 appears more than once"),
    ],
)
def test_prediction_files_that_are_not_of_the_format_are_refused(
    text: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "results.csv").write_text(text)
    with pytest.raises(UserError, match=message):
        BENCHMARK.read_predictions(tmp_path / "results.csv")


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"dev-1-0-0": "True"}, r"no prediction for dev-1-1-0 \(2 of 3 missing\)"),
        ({"dev-9-0-0": "True"}, r"dev-9-0-0, which is not among the 3 examples .* \(1 such\)"),
        ({"dev-1-0-0": 1}, r"dev-1-0-0 is 1 \(1 such\); expected True or False"),
    ],
)
def test_predictions_that_do_not_match_are_refused(
    said: dict[str, Any], message: str, data: Path
) -> None:
    with pytest.raises(UserError, match=message):
        BENCHMARK.score(said, BENCHMARK.references(data, "dev"))


def test_a_file_that_is_cut_short_is_refused_with_its_line(data: Path) -> None:
    path = data / "nlvr2/data/dev.json"
    path.write_text(path.read_text()[:-20])
    with pytest.raises(
        UserError, match=r"dev.json: line 3 of 3 is not an NLVR2 example.*\(1 such\)"
    ):
        BENCHMARK.references(data, "dev")


def test_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"test1.json: no such file; .*github.com/lil-lab/nlvr"):
        BENCHMARK.references(tmp_path, "test1")
    with pytest.raises(UserError, match="no split 'test'; there are train, dev, test1, test2"):
        BENCHMARK.references(tmp_path, "test")
