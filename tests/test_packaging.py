"""The wheel that is built from the sdist holds the whole house, and nothing beside it.

It runs here as in an environment of its own: beside what its base dependencies bring.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from importlib.metadata import Distribution, packages_distributions, requires
from pathlib import Path

import pytest
from fuzz_subjects import RUNS
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from evalsuite.cli.faults import TRAIN

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "evalsuite": "evalsuite",
    "tasks": "evalsuite/tasks",
    "leaderboards": "evalsuite/leaderboards",
}
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MODULES = {"pillow": "PIL"}  # others are named as their distribution
# Runs commands where none of the modules `absent` is installed; prints their exit statuses last.
BARE = """
import json, sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
absent, commands = json.load(sys.stdin)
class Without:
    def find_spec(self, name, path=None, target=None):
        return None if name in absent else PathFinder.find_spec(name, path, target)
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, Without()]
from evalsuite.__main__ import main
statuses = []
for command in commands:
    sys.argv = ["evalsuite", *command]
    try:
        main()
    except SystemExit as end:
        statuses.append(end.code or 0)
print(json.dumps(statuses))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel, built from a copy so that the checkout stays clean."""
    copy = tmp_path_factory.mktemp("packaging")
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    for folder in (*FOLDERS, "tests", "benchmarks"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=ignored)
    for file in FILES:
        shutil.copy(ROOT / file, copy)
    call(copy, "-m", "build", "--no-isolation", "--outdir", "dist")
    return copy / "dist"


@pytest.fixture(scope="module")
def installed(built: Path) -> Path:
    """A folder in which the wheel is installed, without its dependencies."""
    target = built.parent / "installed"
    wheel = next(built.glob("*.whl"))
    call(built, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target",
         str(target), str(wheel))  # fmt: skip
    return target


@pytest.fixture(scope="module")
def absent(installed: Path) -> list[str]:
    """The modules that a base installation of the wheel does not bring."""
    wheel = Distribution.at(next(installed.glob("*.dist-info")))
    names, lines = {"evalsuite"}, list(wheel.requires or ())
    while lines:
        needed = Requirement(lines.pop())
        name = canonicalize_name(needed.name)
        if name not in names and (needed.marker is None or needed.marker.evaluate({"extra": ""})):
            names.add(name)
            lines += requires(name) or ()
    owners = packages_distributions().items()
    return [module for module, of in owners if names.isdisjoint(map(canonicalize_name, of))]


def call(folder: Path, *arguments: str, **environment: str) -> str:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    return finished.stdout


def bare(
    folder: Path, installed: Path, absent: Sequence[str], *commands: Iterable[str | Path]
) -> tuple[list[int], str]:
    """Run commands in the bare environment; return their exit statuses and all they printed."""
    finished = subprocess.run(
        [sys.executable, "-c", BARE],
        input=json.dumps([absent, [list(map(str, command)) for command in commands]]),
        cwd=folder,
        # Nothing is measured here, and compiling takes numba half a minute.
        env={**os.environ, "PYTHONPATH": str(installed), "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-2000:]
    *_, statuses = finished.stdout.splitlines()
    return json.loads(statuses), finished.stdout + finished.stderr


def modules(requirements: Iterable[str]) -> set[str]:
    names = (Requirement(line).name for line in requirements)
    return {MODULES.get(name, name) for name in names}


def imports(node: ast.AST) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or ""] if node.level == 0 else []
    return [alias.name for alias in node.names] if isinstance(node, ast.Import) else []


def sources() -> set[str]:
    return {
        f"{inside}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, inside in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }


def test_the_wheel_holds_every_file_of_the_house_and_no_other(built: Path) -> None:
    names = zipfile.ZipFile(next(built.glob("*.whl"))).namelist()
    assert {name for name in names if ".dist-info/" not in name} == sources()


def test_the_sdist_holds_the_tests(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"setup.py", "tests/test_packaging.py", "tests/conftest.py"} <= names


def test_an_installed_wheel_has_no_other_top_level_name(installed: Path) -> None:
    found = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert found - {"bin"} == {"evalsuite"}


def test_an_installed_wheel_lists_its_tasks(installed: Path, tmp_path: Path) -> None:
    environment = {"PYTHONPATH": str(installed)}
    code = "import evalsuite.tasks as t; print(t.__file__)"
    assert call(tmp_path, "-c", code, **environment).startswith(str(installed))
    assert "vqa" in call(tmp_path, "-m", "evalsuite", "tasks", **environment)


def test_the_checkout_is_installed_editable_under_the_same_names(tmp_path: Path) -> None:
    code = "import evalsuite.tasks as t, evalsuite.leaderboards as l; print(t.__file__, l.__file__)"
    tasks, boards = call(tmp_path, "-c", code).split()
    assert Path(tasks) == ROOT / "tasks/__init__.py"
    assert Path(boards) == ROOT / "leaderboards/__init__.py"
    missing = "import importlib.util as u, sys; sys.exit(u.find_spec('tasks') is not None)"
    call(tmp_path, "-c", missing)


def test_the_tiny_world_lists_tables_and_the_radar_need_the_base_alone(
    installed: Path, absent: list[str], tmp_path: Path
) -> None:
    assert {*TRAIN, "pandas", "timm", "yaml"} <= set(absent)
    commands = ["--help", "tasks", "table", "table beit3/4", "radar -o r.png"]
    commands += ["tinyworld world --size mini", "doctor imagenet --data world"]
    statuses, printed = bare(tmp_path, installed, absent, *map(str.split, commands))
    assert statuses == [0] * len(commands), printed
    assert (tmp_path / "r.png").stat().st_size > 10_000


def test_runs_of_every_kind_are_scored_drawn_and_reported_by_the_base_alone(
    installed: Path, absent: list[str], tmp_path: Path
) -> None:
    for kind, write in RUNS.items():
        (tmp_path / kind).mkdir()
        write(tmp_path / kind)
    runs = sorted(tmp_path.glob("*/runs/*"))
    commands = [*([verb, run] for run in runs for verb in ("score", "report"))]
    commands += [["table", "beit3/1", *runs], ["radar", *runs]]
    statuses, printed = bare(tmp_path, installed, absent, *commands)
    assert (len(runs), statuses) == (len(RUNS), [0] * len(commands)), printed


def test_what_trains_says_in_one_line_what_to_install(
    installed: Path, absent: list[str], tmp_path: Path
) -> None:
    commands = ["eval vqa", "eval all", "finetune vqa", "pretrain", "reproduce beit3"]
    commands += ["convert a.pth b.safetensors"]
    statuses, printed = bare(tmp_path, installed, absent, *map(str.split, commands))
    advice = 'is not installed; run pip install "evalsuite[train]"'
    assert statuses == [2] * len(commands)
    lines = [line for line in printed.splitlines() if line.startswith("evalsuite: ")]
    assert len(lines) == len(commands) == printed.count("\n") - 1
    assert all(line.endswith(advice) for line in lines)


def test_only_what_the_extra_brings_is_advised(
    installed: Path, absent: list[str], tmp_path: Path
) -> None:
    with pytest.raises(AssertionError, match="ModuleNotFoundError: No module named 'hotcoco'"):
        bare(tmp_path, installed, [*absent, "hotcoco"], ["doctor", "detection", "--data", "."])


def test_the_wheel_asks_for_what_its_code_imports_and_for_nothing_else() -> None:
    assert modules(PROJECT["optional-dependencies"]["train"]) == TRAIN
    imported = {
        name.partition(".")[0]
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imports(node)
    }
    others = imported - sys.stdlib_module_names - {"evalsuite"}
    assert others == modules(PROJECT["dependencies"]) | TRAIN
