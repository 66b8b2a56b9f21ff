"""The page in headless Chromium: no complaint, searched, filtered, read aloud."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from browser import CHROMIUM, DRIVER, REASON, Browser, browser
from saved_runs import HOSTILE, answers, report_in, saved_run

from evalsuite.records.run import Run
from evalsuite.tinyworld.write import write_world
from evalsuite.verbs.report import compare
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
    total = len(report_in(run).scores) and report_in(run).scores[0].n
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
