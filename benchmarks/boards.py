"""Compares the boards with a collection of published numbers, cell by cell.

python benchmarks/boards.py FOLDER

FOLDER holds the collection: *.yaml and *.csv. Prints Markdown: how many numbers of each file stand
on the boards as they are, how many under other labels, and how many were left out; then each of
these with the reason. Ends with 1 where one was left out or relabelled without a reason.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from collected import Collected, collected

from evalsuite.records.board import Entry, board_names, read_board

DIGITS = "with its zeros"
# Why a number of the collection stands on no board, by what its source is called.
LEFT_OUT = {
    "results-imagenet.csv": "the file itself prints 98.318 for BEiT-L/16, and so does the board",
}
# Why a row says something else than the collection, where its note does not tell.
RELABELLED = {
    ("value", DIGITS): "the source prints these zeros; YAML drops them",
    ("confidence", "verified"): "of the second document nobody wrote down which one it was",
    ("kind", "third-party"): "third-party pages alone print it",
    ("confidence", "unlocated"): "no document that prints it was found again",
}


class Compared(NamedTuple):
    """A number of a collection, the row that holds it, and what the row says differently."""

    theirs: Collected
    ours: Entry | None
    changes: dict[str, tuple[str, str]]

    @property
    def status(self) -> str:
        """Whether the number stands on the boards as collected, relabelled, or not at all."""
        return "left out" if self.ours is None else "relabelled" if self.changes else "as collected"

    @property
    def reason(self) -> str:
        """Why it differs, empty where nobody wrote it down."""
        if self.ours is None:
            return next((why for name, why in LEFT_OUT.items() if name in self.theirs.source), "")
        known = [RELABELLED.get((name, new), "") for name, (_, new) in self.changes.items()]
        return "; ".join(dict.fromkeys(filter(None, known))) or self.ours.note


def compared(numbers: Sequence[Collected]) -> list[Compared]:
    """Return every number of a collection beside the row of the boards that holds it.

    A row holds one number. Rows that agree in most labels are given away first.
    """
    free: dict[tuple[str, str, float | str], list[Entry]] = {}
    for name in board_names():
        for entry in read_board(name, third_party=True):
            free.setdefault(_key(name, entry.model, entry.printed), []).append(entry)
    results: dict[int, Compared] = {}
    for most in range(len(Entry.__dataclass_fields__)):
        for index, theirs in enumerate(numbers):
            rivals = free.get(_key(theirs.board, theirs.model, theirs.printed), [])
            fits = [one for one in rivals if theirs.metric in ("", one.metric)]
            if index in results or not fits:
                continue
            nearest = min(fits, key=lambda one: len(_changes(theirs, one)))
            if len(_changes(theirs, nearest)) <= most:
                rivals.remove(nearest)
                results[index] = Compared(theirs, nearest, _changes(theirs, nearest))
    return [results.get(index, Compared(one, None, {})) for index, one in enumerate(numbers)]


def page(results: Sequence[Compared]) -> str:
    """Return the comparison as Markdown."""
    files = dict.fromkeys(one.theirs.file for one in results)
    counts = Counter((one.theirs.file, one.status) for one in results)
    statuses = ("as collected", "relabelled", "left out")
    lines = [f"| file | numbers | {' | '.join(statuses)} |", "|---|" + "--:|" * 4]
    for file in files:
        cells = [counts[file, status] for status in statuses]
        lines.append(f"| {file} | {sum(cells)} | {' | '.join(map(str, cells))} |")
    lines += ["", _row("number", "collected", "on the boards", "why"), "|---|---|---|---|"]
    told: dict[tuple[str, ...], int] = Counter(map(_line, filter(_differs, results)))
    for (number, *others), count in told.items():
        lines.append(_row(number + (f" ({count})" if count > 1 else ""), *others))
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str]) -> int:
    """Print the comparison of a folder; return 1 where a number is missing without a reason."""
    if len(arguments) != 1 or not Path(arguments[0]).is_dir():
        print(__doc__, file=sys.stderr)
        return 2
    results = compared(list(collected(Path(arguments[0]))))
    print(page(results), end="")
    return int(any(_differs(one) and not one.reason for one in results))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _key(board: str, model: str, printed: str) -> tuple[str, str, float | str]:
    try:
        return board, model, float(printed)
    except ValueError:  # a fact such as 1.9B
        return board, model, printed


def _changes(theirs: Collected, ours: Entry) -> dict[str, tuple[str, str]]:
    """Return the labels that differ, by column: the collection's word and the board's."""
    own = {name: str(getattr(ours, name) or "") for name in theirs.stated}
    changes = {name: (word, own[name]) for name, word in theirs.stated.items() if word != own[name]}
    if theirs.printed != ours.printed:
        changes["value"] = ("short", DIGITS)  # the key holds equal numbers only
    return changes


def _differs(one: Compared) -> bool:
    return one.status != "as collected"


def _line(one: Compared) -> tuple[str, ...]:
    """Return the cells of a number that differs; equal lines are counted, not repeated."""
    model = f"{one.theirs.board}: {one.theirs.model}"
    if one.ours is None:
        what = f"{model}, {one.theirs.metric} {one.theirs.printed}"
        return what, one.theirs.source, "left out", one.reason or "no reason stated"
    before = ", ".join(f"{name} {old or 'none'}" for name, (old, _) in one.changes.items())
    after = ", ".join(f"{name} {new or 'none'}" for name, (_, new) in one.changes.items())
    return model, before, after, one.reason


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
