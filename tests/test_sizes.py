"""What is read in one go stays small: files, and functions."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINES_OF_A_FILE = 300
LINES_OF_A_TEST_FILE = 400  # its cases come with it
LINES_OF_A_FUNCTION = 39  # but for its docstring
# Typer takes a command's options from its parameters, a line each.
MANY_OPTIONS = {
    "evalsuite/cli/models.py: evaluate",
    "evalsuite/cli/models.py: pretrain",
    "evalsuite/cli/results.py: score",
}


def sources(*folders: str) -> list[str]:
    paths = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in paths)


def size_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of a function without its docstring."""
    first = function.body[0]
    has_docstring = ast.get_docstring(function, clean=False) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


@pytest.mark.parametrize("name", sources("evalsuite", "tasks", "leaderboards"))
def test_a_file_and_its_functions_are_read_in_one_go(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_OF_A_FILE
    sizes = {
        f"{name}: {node.name}": size_of(node)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {one for one in sizes if sizes[one] > LINES_OF_A_FUNCTION} <= MANY_OPTIONS


@pytest.mark.parametrize("name", sources("tests", "benchmarks"))
def test_a_file_of_tests_is_not_huge(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES_OF_A_TEST_FILE


def test_a_docstring_is_no_part_of_a_functions_size() -> None:
    (function,) = ast.parse('def one():\n    """First.\n\n    More.\n    """\n    return 1\n').body
    assert isinstance(function, ast.FunctionDef) and size_of(function) == 2
