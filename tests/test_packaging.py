"""The wheel that is built from the sdist holds the whole house, and nothing beside it."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "evalsuite": "evalsuite",
    "tasks": "evalsuite/tasks",
    "leaderboards": "evalsuite/leaderboards",
}
FILES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")


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
