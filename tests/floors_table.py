"""The table of floors in CONTRIBUTING.md, written from FLOORS and the first line of each docstring.

python tests/floors_table.py        writes it anew
"""

import ast
from pathlib import Path

from test_floors import FLOORS, MOUNTED, ROOT

PAGE = ROOT / "CONTRIBUTING.md"
START = "<!-- floors: written by `python tests/floors_table.py` -->"
END = "<!-- end of floors -->"


def with_table(page: str) -> str:
    """Return the page with the table between its two markers made anew."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{_table()}\n{END}{after}"


def _table() -> str:
    """Return one row for each room, the lowest floor first."""
    rows = ["| floor | room | what lives there |", "|--:|---|---|"]
    for number, rooms in enumerate(FLOORS, start=1):
        for room in sorted(rooms):
            name, source = _place(room)
            text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
            rows.append(f"| {number} | `{name}` | {text.partition(chr(10))[0]} |")
    return "\n".join(rows)


def _place(room: str) -> tuple[str, Path]:
    """Return how a room is named from the root, and the file whose docstring describes it."""
    path = ROOT / room if room in MOUNTED else ROOT / "evalsuite" / room
    if not room:
        return "evalsuite/__init__.py", path / "__init__.py"
    if path.is_dir():
        return f"{path.relative_to(ROOT).as_posix()}/", path / "__init__.py"
    file = path.with_suffix(".py")
    return file.relative_to(ROOT).as_posix(), file


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
