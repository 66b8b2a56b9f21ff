"""What documents and docstrings name exists, and what is generated is up to date."""

import re
from itertools import pairwise
from pathlib import Path

from floors_table import END, PAGE, START, with_table
from test_floors import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("evalsuite/weights/*.md")])
SOURCES = sorted([*ROOT.glob("evalsuite/**/*.py"), *ROOT.glob("tasks/**/*.py")])
PATH = re.compile(
    r"(?<![\w/.:<*>-])(?:[\w-]+/)+[\w.-]*\.(?:py|md|svg|png|jsonl|json|toml|csv|spm)\b"
)
FILE = re.compile(r"(?<![\w/.*>-])\w+\.py\b")
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
TOP = ("evalsuite/", "tasks/", "docs/", "tests/", "benchmarks/", "leaderboards/")
ROOMS = tuple(f"{path.name}/" for path in (ROOT / "evalsuite").iterdir() if path.is_dir())
FOREIGN = {"zero_to_fp32.py"}  # DeepSpeed leaves it beside its checkpoints
# A line, or the one above it, that names another project tells of that project's files.
ELSEWHERE = re.compile(
    r"timm|unilm|detectron2|mmseg|cocoeval|pycocoevalcap|moco-v3|transformers|torchvision|@[0-9a-f]{7}"
)


def lines_of_ours(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".md":
        return lines
    return [y for x, y in pairwise(["", *lines]) if not ELSEWHERE.search(x + y)]


def named(path: Path, pattern: re.Pattern[str]) -> set[str]:
    return {name for line in lines_of_ours(path) for name in pattern.findall(line)}


def where(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_file_of_ours_that_a_text_names_exists() -> None:
    texts = {(where(path), name) for path in PAGES + SOURCES for name in named(path, PATH)}
    ours = [(path, name) for path, name in texts if name.startswith((*TOP, *ROOMS))]
    assert sorted((path, name) for path, name in ours if not (ROOT / name).exists()) == []


def test_every_module_that_a_text_names_without_its_folder_stands_beside_it() -> None:
    unknown = [
        (where(path), name)
        for path in SOURCES
        for name in sorted(named(path, FILE) - FOREIGN)
        if not path.with_name(name).exists()
    ]
    assert unknown == []


def test_every_link_to_a_file_leads_to_one() -> None:
    links = {(path, link) for path in PAGES for link in named(path, LINK) if "://" not in link}
    assert [(where(path), link) for path, link in links if not (path.parent / link).exists()] == []


def test_the_table_of_floors_is_written_from_the_floors() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page.count(START) == page.count(END) == 1
    assert page == with_table(page), "run `.venv/bin/python tests/floors_table.py`"
