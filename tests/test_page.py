"""The page of a run: whole, safe, small, and alive in a browser."""

import base64
import io
import json
import shutil
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from saved_runs import answers, report_in, saved_run

from evalsuite.catalog import benchmark_named
from evalsuite.contracts.benchmark import Sample
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.records.score import Score
from evalsuite.report.pages.page import page
from evalsuite.report.pages.run import shown_run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.run_files import report_of


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    write_world(folder, size="mini", benchmarks=("vqa",))
    return folder


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
    shown = shown_run(run, report_in(run), benchmark_named("vqa"))
    for uri in shown.samples.pictures[:5]:
        content = io.BytesIO(_decoded(uri))
        with Image.open(content) as image:
            assert image.format == "JPEG"
            assert max(image.size) <= 288


def _decoded(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def test_the_value_of_a_score_without_interval_is_shown_alone(run: Run) -> None:
    known = report_in(run)
    bare = [Score(name="box_ap_large", value=-1.0, unit="percent", n=3)]
    facts = {**known.to_json(), "scores": [one.to_json() for one in [*known.scores, *bare]]}
    shown = shown_run(run, Report.from_json(facts), benchmark_named("vqa"))
    assert "no such object" in page([shown])
