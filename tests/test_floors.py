"""The floors of the house: a file imports from lower floors and from its own folder only."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
MOUNTED = {"tasks": "evalsuite.tasks", "leaderboards": "evalsuite.leaderboards"}
# From the bottom up; a name stands for the file or the folder below `evalsuite`.
FLOORS = (
    {"records", "leaderboards"},
    {"contracts"},
    {"data", "backbones"},
    {"metrics", "heads", "tinyworld"},
    {"kinds", "engine", "report"},
    {"tasks", "catalog"},
    {"verbs"},
    {"pretraining"},
    {"cli"},
    {"", "__main__"},
)
# The command line and `import evalsuite` start without torch: verbs are imported when called.
MAY_IMPORT_LATE = {
    "evalsuite",
    "evalsuite.cli.files",
    "evalsuite.cli.models",
    "evalsuite.cli.results",
}


class Import(NamedTuple):
    """One module that a file imports, and whether that hangs on something: a function, an `if`."""

    line: int
    module: str
    is_late: bool
    is_relative: bool


def sources() -> list[Path]:
    folders = [ROOT / name for name in ("evalsuite", *MOUNTED)]
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def module_of(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join([MOUNTED.get(parts[0], parts[0]), *parts[1:]])


def folder_of(module: str) -> str:
    """Return what a module may import freely: its folder below `evalsuite`, or its task's."""
    parts = module.split(".")
    return ".".join(parts[: 3 if parts[1:2] == ["tasks"] else 2])


def floor_of(module: str) -> int:
    """Return the number of the floor, counted from the bottom."""
    room = module.split(".")[1] if "." in module else ""
    for number, rooms in enumerate(FLOORS):
        if room in rooms:
            return number
    raise AssertionError(f"{module} stands on no floor; add it to FLOORS")


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        inner
        for outer in ast.walk(tree)
        if isinstance(outer, ast.FunctionDef | ast.AsyncFunctionDef | ast.If | ast.Try)
        for inner in ast.walk(outer)
    }
    package = module_of(path) if path.stem == "__init__" else module_of(path).rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(node.lineno, alias.name, node in late, False)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *filter(None, [base])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                module = inner if is_module(inner) else base
                yield Import(node.lineno, module, node in late, node.level > 0)


def is_module(name: str) -> bool:
    parts = name.split(".")
    for folder, mounted in MOUNTED.items():
        if name.startswith(f"{mounted}."):
            parts = [folder, *parts[2:]]
    path = ROOT.joinpath(*parts)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def is_own(module: str) -> bool:
    return module == "evalsuite" or module.startswith("evalsuite.")


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_file_imports_from_lower_floors_and_its_own_folder_only(path: Path) -> None:
    module = module_of(path)
    wrong = [
        f"line {found.line}: {found.module} (floor {floor_of(found.module)})"
        for found in imports_of(path)
        if is_own(found.module)
        and folder_of(found.module) != folder_of(module)
        and floor_of(found.module) >= floor_of(module)
    ]
    assert not wrong, f"{module} stands on floor {floor_of(module)} and imports {wrong}"


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_imports_stand_at_the_top_and_are_absolute(path: Path) -> None:
    module = module_of(path)
    wrong = [
        f"line {found.line}: {found.module}"
        for found in imports_of(path)
        if (found.is_late and module not in MAY_IMPORT_LATE)
        or (found.is_relative and not module.startswith("evalsuite.tasks."))
    ]
    assert not wrong, f"{module} has late or relative imports: {wrong}"


TORCH_FREE = (
    "evalsuite.records",
    "evalsuite.metrics",
    "evalsuite.contracts.benchmark",
    "evalsuite.report",
)
HEAVY = {"torch", "torchvision", "transformers", "datasets", "accelerate"}


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_scores_and_reports_never_names_torch(path: Path) -> None:
    module = module_of(path)
    if module.startswith(TORCH_FREE) or path.name == "benchmark.py":
        assert not {found.module.split(".")[0] for found in imports_of(path)} & HEAVY


def test_the_rules_see_what_they_should() -> None:
    assert floor_of("evalsuite.tasks.vqa.task") > floor_of("evalsuite.engine.predict")
    assert folder_of("evalsuite.tasks.vqa.task") != folder_of("evalsuite.tasks.nlvr2.task")
    assert module_of(ROOT / "tasks/__init__.py") == "evalsuite.tasks"
    with pytest.raises(AssertionError, match="stands on no floor"):
        floor_of("evalsuite.utils")


def test_relative_late_and_submodule_imports_are_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "tasks/toy").mkdir(parents=True)
    (tmp_path / "evalsuite/data").mkdir(parents=True)
    (tmp_path / "evalsuite/data/index.py").touch()
    source = tmp_path / "tasks/toy/task.py"
    source.write_text(
        "from evalsuite.data import index\nfrom .files import read\ndef f():\n    import torch\n"
    )
    assert list(imports_of(source)) == [
        Import(1, "evalsuite.data.index", False, False),
        Import(2, "evalsuite.tasks.toy.files", False, True),
        Import(4, "torch", True, False),
    ]
