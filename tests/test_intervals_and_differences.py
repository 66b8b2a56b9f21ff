"""Intervals of shares at their ends, and paired differences that say what they compare."""

import json
import sys
from pathlib import Path
from subprocess import run
from typing import Any

import numpy as np
import pytest
from saved_runs import answers, saved_run
from scipy.stats import binomtest

from evalsuite.__main__ import main
from evalsuite.catalog import benchmark_named
from evalsuite.metrics.bootstrap import mean_interval, share_interval
from evalsuite.metrics.retrieval import Ranks, recall_scores
from evalsuite.tinyworld.write import write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    tasks = ("vqa", "nlvr2", "imagenet", "retrieval_flickr30k", "detection")
    write_world(folder, size="mini", benchmarks=tasks)
    return folder


@pytest.fixture
def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def command(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["evalsuite", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        assert end.value.code in (None, 0)
        return capsys.readouterr().out

    return command


@pytest.mark.parametrize("size", [1, 10, 720, 50_000])
@pytest.mark.parametrize("is_all", [True, False])
def test_a_share_at_its_end_has_the_interval_of_wilson(size: int, is_all: bool) -> None:
    found = share_interval(np.full(size, 100.0 * is_all), whole=100.0)
    official = binomtest(size * is_all, size).proportion_ci(method="wilson")
    assert found == pytest.approx((100 * official.low, 100 * official.high), abs=1e-9)


def test_ten_of_ten_are_wilsons_formula_by_hand() -> None:
    # z = 1.96: n / (n + z^2) = 10 / 13.8416
    assert share_interval(np.ones(10)) == pytest.approx((0.72246, 1.0), abs=1e-5)


def test_a_share_between_its_ends_keeps_the_bootstrap() -> None:
    hits = np.array([1.0] * 719 + [0.0])
    assert share_interval(hits) == mean_interval(hits)


def test_perfect_and_hopeless_classes_are_not_certain(
    world: Path, tmp_path: Path, printed: Any
) -> None:
    samples = list(benchmark_named("imagenet").samples(world, "val"))
    labels = [one.target["label"] for one in samples]
    # The right class comes first, then fifth.
    for shift, ends in ((0, {"top_1": 100, "top_5": 100}), (5, {"top_1": 0, "top_5": 100})):
        said = [[(label + shift + step) % 24 for step in (0, 23, 22, 21, 19)] for label in labels]
        file = tmp_path / "best.json"
        file.write_text(json.dumps({one.id: best for one, best in zip(samples, said, strict=True)}))
        words = ("score", "imagenet", "--predictions", file, "--data", world, "--json")
        for one in json.loads(printed(*words))["scores"]:
            official = binomtest(one["n"] * ends[one["name"]] // 100, one["n"])
            wilson = official.proportion_ci(method="wilson")
            assert one["interval"] == pytest.approx([100 * wilson.low, 100 * wilson.high])


def test_a_recall_at_its_end_counts_images() -> None:
    owners = np.repeat(np.arange(40), 5)
    perfect = Ranks(np.zeros(40, np.int64), np.zeros(200, np.int64))
    low = 100 * binomtest(40, 40).proportion_ci(method="wilson").low
    for one in recall_scores(perfect, owners, interval=True):
        assert one.interval == pytest.approx((low, 100))


def test_consistency_counts_sentences(world: Path, tmp_path: Path, printed: Any) -> None:
    samples = list(benchmark_named("nlvr2").samples(world, "dev"))
    file = tmp_path / "labels.csv"
    file.write_text("".join(f"{one.id},{one.target['label']}\n" for one in samples))
    words = ("score", "nlvr2", "--predictions", file, "--data", world, "--split", "dev")
    scores = json.loads(printed(*words, "--json"))["scores"]
    found = {one["name"]: one for one in scores}
    sentences = {tuple(str(one.id).split("-")[:2] + str(one.id).split("-")[3:]) for one in samples}
    assert found["consistency"]["n"] == len(sentences) < found["accuracy"]["n"]
    for one in found.values():
        low = binomtest(one["n"], one["n"]).proportion_ci(method="wilson").low
        assert one["interval"] == pytest.approx([100 * low, 100])


def test_two_runs_say_which_is_a_and_who_is_better(
    world: Path, tmp_path: Path, printed: Any
) -> None:
    said = answers(world)
    good = saved_run(tmp_path / "runs", world, 0, said).folder
    bad = saved_run(tmp_path / "runs", world, 1, dict.fromkeys(said, "no")).folder
    lines = printed("score", good, bad, "--paired").splitlines()
    assert lines[:2] == [f"A: {good}", f"B: {bad}"]
    assert lines[2].startswith("vqa_accuracy, A minus B: +")
    assert lines[2].endswith("A is better than B: the interval does not contain 0.")
    content = json.loads(printed("score", bad, good, "--paired", "--json"))
    assert content["scores"][0]["value"] < 0
    assert content["paired"]["A"] == str(bad)
    assert (content["paired"]["difference"], content["paired"]["better"]) == ("A minus B", "B")
    same = printed("report", good, good, "--compare", "-o", tmp_path / "both", "--json")
    assert json.loads(same)["better"] is None
    assert json.loads(same)["conclusion"].startswith("No difference is shown")


def test_two_files_say_which_is_a(world: Path, tmp_path: Path, printed: Any) -> None:
    samples = list(benchmark_named("nlvr2").samples(world, "dev"))
    files = [tmp_path / "first.csv", tmp_path / "second.csv"]
    files[0].write_text("".join(f"{one.id},{one.target['label']}\n" for one in samples))
    files[1].write_text("".join(f"{one.id},True\n" for one in samples))
    named = [word for file in files for word in ("--predictions", file)]
    out = printed("score", "nlvr2", *named, "--data", world, "--split", "dev", "--paired")
    assert out.splitlines()[:2] == [f"A: {files[0]}", f"B: {files[1]}"]
    assert "accuracy, A minus B: +" in out
    assert "A is better than B" in out


def test_one_file_has_nothing_to_be_compared_with(world: Path, tmp_path: Path) -> None:
    samples = benchmark_named("nlvr2").samples(world, "dev")
    (tmp_path / "labels.csv").write_text("".join(f"{one.id},True\n" for one in samples))
    words = ["score", "nlvr2", "--predictions", str(tmp_path / "labels.csv"), "--paired"]
    command = [sys.executable, "-m", "evalsuite", *words, "--data", str(world), "--split", "dev"]
    done = run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("evalsuite: --paired compares two runs, or two --predictions")


def test_a_difference_without_an_interval_ranks_nobody(
    world: Path, tmp_path: Path, printed: Any
) -> None:
    truth = json.loads((world / "coco/annotations/instances_val2017.json").read_text())
    boxes = [
        {key: one[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.5}
        for one in truth["annotations"]
        if not one["iscrowd"]
    ]
    files = [tmp_path / "all.json", tmp_path / "none.json"]
    files[0].write_text(json.dumps(boxes))
    files[1].write_text(json.dumps(boxes[:3]))
    named = [word for file in files for word in ("--predictions", file)]
    out = printed("score", "detection", *named, "--data", world, "--paired")
    assert out.rstrip().endswith(
        "No difference is shown: there are too few samples for an interval."
    )
