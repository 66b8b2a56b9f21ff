"""The page of a run: whole, safe, small, and alive in a browser."""

import base64
import io
import json
import shutil
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, DRIVER, REASON, Browser, browser
from huggingface_hub import ModelCard
from PIL import Image

from evalsuite.benchmark import Sample
from evalsuite.catalog import benchmark_named
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.records.score import Score
from evalsuite.records.training import TrainingPoint, note_training
from evalsuite.report.page import page
from evalsuite.report.page_run import shown_run
from evalsuite.reporting import compare, report
from evalsuite.scoring import report_of
from evalsuite.tinyworld.write import write_world

HOSTILE = "</script><script>document.title = 'taken'</script><img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("vqa",))
    return folder


def saved_run(runs: Path, world: Path, seed: int, said: dict[Any, Any], split: str = "val") -> Run:
    """A run folder as `evaluate` leaves it, with given predictions."""
    identity = {
        "task": "vqa",
        "backbone": "beit3_tiny",
        "weights": None,
        "recipe": {"source": "none", "batch_size": 8, "lr": 0.1, "epochs": 1, "image_size": 32},
        "seed": seed,
        "limit": None,
        "data": "0" * 64,
    }
    sessions: dict[str, Any] = {
        "command": "evalsuite eval vqa --data <here>",
        "started": "now",
        "commit": None,
    }
    sessions |= {"device": "cpu", "processes": 1, "precision": "no", "versions": {"torch": "2"}}
    run = Run.continue_or_create(runs, identity, sessions)
    origin = {"origin": "from scratch, seed 0", "sha256": None, "fine_tuned_here": True}
    data = {"folder": str(world), "name": "tinyworld", "fingerprint": "1" * 64}
    run.facts.update(weights={**origin, "keys": None}, phases={}, split=split)
    run.facts["splits"] = {split: {**data, "num_samples": len(said)}}
    run.save()
    with run.journal(split, 0) as journal:
        journal.add(said, {})
    for step in range(10, 200, 10):
        note_training(run.training_log, TrainingPoint(step, 3 * 0.98**step, 1e-3))
    return run


def answers(world: Path, split: str = "val") -> dict[Any, str]:
    """Half of the questions answered as people do, the others by something hostile."""
    samples = list(benchmark_named("vqa").samples(world, split))
    usual = [sample.target["multiple_choice_answer"] or "yes" for sample in samples]
    return {
        sample.id: answer if place % 2 else HOSTILE
        for place, (sample, answer) in enumerate(zip(samples, usual, strict=True))
    }


@pytest.fixture(scope="module")
def run(world: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = saved_run(tmp_path_factory.mktemp("runs"), world, 0, answers(world))
    report_of(run)
    return run


class Elements(HTMLParser):
    """Every element of a page with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def text_of(run: Run) -> str:
    return (run.folder / "report.html").read_text("utf-8")


def test_a_page_needs_nothing_but_itself(run: Run) -> None:
    for tag, attributes in Elements(text_of(run)).found:
        assert tag not in ("link", "iframe", "object", "base")
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or ""
            assert value.startswith(("#", "data:")) or not value, (tag, value)


def test_markup_in_predictions_and_commands_stays_text(run: Run) -> None:
    scripts = [attributes for tag, attributes in Elements(text_of(run)).found if tag == "script"]
    assert [one.get("type") for one in scripts] == ["application/json", None]
    assert not any("onerror" in attributes for _, attributes in Elements(text_of(run)).found)
    assert "evalsuite eval vqa --data &lt;here&gt;" in text_of(run)
    assert "<here>" not in text_of(run)


def test_a_page_says_score_interval_verdict_and_command(run: Run) -> None:
    known = Report.from_json(json.loads((run.folder / "report.json").read_text()))
    assert f"{known.scores[0].value:.2f}" in text_of(run)
    assert known.scores[0].interval is not None
    assert "not comparable" in text_of(run)
    assert "prior per type" in text_of(run)
    assert "question type" in text_of(run)
    assert "loss 2.45 at step 10" in text_of(run)  # 3 x 0.98^10


def test_without_the_data_the_predictions_stand_alone(run: Run, tmp_path: Path) -> None:
    shutil.copytree(run.folder, tmp_path / "run")
    facts = json.loads((tmp_path / "run" / "report.json").read_text())
    facts["data"]["folder"] = "gone"
    bare = shown_run(Run.open(tmp_path / "run"), Report.from_json(facts), benchmark_named("vqa"))
    assert len(bare.samples.rows) == len(answers(Path(run.facts["splits"]["val"]["folder"])))
    assert "gone" in page([bare])
    found = shown_run(
        Run.open(tmp_path / "run"),
        Report.from_json(facts),
        benchmark_named("vqa"),
        data=Path(run.facts["splits"]["val"]["folder"]),
    )
    assert not found.notice
    assert found.samples.num_pictured


def test_a_run_is_reported_with_a_model_card_that_the_hub_reads(run: Run) -> None:
    assert report([run.folder]) == run.folder / "report.html"
    card = ModelCard.load(run.folder / "README.md")
    found = card.data.eval_results
    assert {(one.metric_type, one.dataset_type) for one in found} == {
        ("vqa_accuracy", "vqa-tinyworld")
    }
    stored = json.loads((run.folder / "report.json").read_text())["scores"][0]
    assert found[0].metric_value == pytest.approx(stored["value"], abs=1e-4)
    assert card.data.model_name == "beit3_tiny"


def test_held_back_splits_are_collected_for_their_servers(world: Path, tmp_path: Path) -> None:
    split = "test-dev"
    held = saved_run(tmp_path / "runs", world, 0, answers(world, split), split)
    report([held.folder], tmp_path / "out")
    folder = tmp_path / "out" / "submissions"
    results = json.loads((folder / f"beit3_tiny_vqa_{split}.json").read_text())
    assert {one["question_id"] for one in results} == set(answers(world, split))
    assert "eval.ai" in (folder / "README.md").read_text()


def test_two_runs_are_compared_in_pairs(world: Path, run: Run, tmp_path: Path) -> None:
    said = {name: "yes" for name in answers(world)}
    other = saved_run(tmp_path / "runs", world, 1, said)
    difference = compare(run.folder, other.folder, tmp_path)
    benchmark = benchmark_named("vqa")
    references = benchmark.references(world, "val")
    assert difference == benchmark.paired(answers(world), said, references)
    assert difference.value > 0
    written = (tmp_path / "comparison.md").read_text()
    assert f"A minus B: {difference.value:+.2f}" in written
    assert "| seed | 0 | 1 |" in written
    assert compare(run.folder, run.folder, tmp_path).value == 0
    assert "cannot be told apart" in (tmp_path / "comparison.html").read_text()


def test_runs_of_different_splits_are_not_compared(world: Path, run: Run, tmp_path: Path) -> None:
    other = saved_run(tmp_path / "runs", world, 0, answers(world, "train"), "train")
    with pytest.raises(UserError, match="vqa train: expected the same"):
        compare(run.folder, other.folder, tmp_path)


class Photographs:
    """A benchmark of photograph-sized images that shows its samples in the general way."""

    card = benchmark_named("vqa").card

    def samples(self, data: Path, split: str) -> Iterator[Sample]:
        for number in range(5000):
            target = {"answers": f"an answer of some length, as people write {number}"}
            yield Sample(number, (f"{number % 300}.jpg",), "What is in the picture? " * 4, target)


def test_a_run_of_5000_photographs_stays_below_10_megabytes(run: Run, tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    for number in range(300):
        # Blurred noise: at 50 kB a file, what a photograph of COCO takes at half its size.
        noise = Image.fromarray(draw.integers(0, 255, (60, 80, 3), dtype=np.uint8))
        noise.resize((320, 240)).save(tmp_path / f"{number}.jpg", quality=95)
    known = Report.from_json(json.loads((run.folder / "report.json").read_text()))
    folder = tmp_path / "run"
    shutil.copytree(run.folder, folder)
    with Run.open(folder).journal("val", 1) as journal:
        journal.add({number: f"a predicted answer {number}" for number in range(5000)}, {})
    facts = {**known.to_json(), "scores": [], "baselines": []}
    facts["data"] = {**facts["data"], "folder": str(tmp_path)}
    started = time.process_time()
    shown = shown_run(Run.open(folder), Report.from_json(facts), Photographs())  # type: ignore[arg-type]
    text = page([shown])
    assert time.process_time() - started < 15
    assert len(shown.samples.rows) >= 4900
    assert shown.samples.num_pictured == 200
    assert 1_000_000 < len(text.encode()) < 10_000_000


def test_pictures_are_small_jpegs(run: Run, world: Path) -> None:
    shown = shown_run(run, _report(run), benchmark_named("vqa"))
    for uri in shown.samples.pictures[:5]:
        content = io.BytesIO(_decoded(uri))
        with Image.open(content) as image:
            assert image.format == "JPEG"
            assert max(image.size) <= 288


def _report(run: Run) -> Report:
    return Report.from_json(json.loads((run.folder / "report.json").read_text()))


def _decoded(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip(REASON)
    with browser(tmp_path_factory.mktemp("profile")) as window:
        yield window


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_a_browser_shows_it_without_complaint(
    run: Run, window: Browser, width: int, dark: bool
) -> None:
    window.open(run.folder / "report.html", width, dark=dark)
    window.run("document.querySelector('.samples').scrollIntoView()")
    window.wait("return document.querySelectorAll('.card').length === 24")
    assert window.log() == []
    assert window.run("return document.documentElement.scrollWidth") <= width
    assert window.run("return document.title").startswith("evalsuite")
    ground = window.run("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") != dark


def test_samples_are_searched_filtered_and_enlarged(run: Run, window: Browser) -> None:
    window.open(run.folder / "report.html", 1280)
    window.run("document.querySelector('.samples').scrollIntoView()")
    window.wait("return document.querySelectorAll('.card').length")
    state = "return document.querySelector('.samples [role=status]').textContent"
    total = len(_report(run).scores) and _report(run).scores[0].n
    assert f"of {total} samples match" in window.run(state)
    choose = "const s = document.querySelector('[name=%s]'); s.value = '%s'; s.dispatchEvent(new "
    choose += "Event('%s', {bubbles: true}))"
    window.run(choose % ("outcome", "wrong", "change"))
    assert window.run(state).startswith(f"{(total + 1) // 2} of ")
    shown = window.run("return document.querySelector('.card dd + dt + dd').textContent")
    assert shown == HOSTILE
    window.run(choose % ("search", "no such words", "input"))
    window.wait("return !document.querySelectorAll('.card').length")
    window.run(choose % ("search", "", "input"))
    window.wait("return document.querySelectorAll('.card').length")
    window.run("document.querySelector('.zoom').click()")
    assert window.run("return document.querySelector('dialog').open")
    assert window.log() == []


def test_a_screen_reader_finds_names_and_headings(run: Run, window: Browser) -> None:
    window.open(run.folder / "report.html", 1280)
    window.run("document.querySelector('.samples').scrollIntoView()")
    window.wait("return document.querySelectorAll('.card').length")
    levels = window.run(
        "return [...document.querySelectorAll('h1,h2,h3,h4')].map(h => +h.tagName[1])"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    unnamed = "return [...document.querySelectorAll('input,select')].filter(e => !e.labels.length)"
    assert window.run(f"{unnamed}.length") == 0
    assert window.run("return [...document.images].filter(image => !image.alt).length") == 0
    assert window.run("return document.querySelector('.curve title').textContent").startswith(
        "loss"
    )
    nodes = window.cdp("Accessibility.getFullAXTree")["nodes"]
    buttons = [node for node in nodes if node.get("role", {}).get("value") == "button"]
    assert buttons
    assert all(node["name"]["value"] for node in buttons)


def test_a_comparison_begins_where_the_first_loses(
    world: Path, run: Run, window: Browser, tmp_path: Path
) -> None:
    other = saved_run(tmp_path / "runs", world, 1, {name: "yes" for name in answers(world)})
    compare(run.folder, other.folder, tmp_path)
    window.open(tmp_path / "comparison.html", 390)
    window.run("document.querySelector('.samples').scrollIntoView()")
    first = window.wait("return document.querySelector('.card .foot')?.textContent")
    assert "better: B" in first
    assert window.log() == []
    assert window.run("return document.documentElement.scrollWidth") <= 390


def test_the_value_of_a_score_without_interval_is_shown_alone(run: Run) -> None:
    known = _report(run)
    bare = [Score(name="box_ap_large", value=-1.0, unit="percent", n=3)]
    facts = {**known.to_json(), "scores": [one.to_json() for one in [*known.scores, *bare]]}
    shown = shown_run(run, Report.from_json(facts), benchmark_named("vqa"))
    assert "no such object" in page([shown])
