"""Tables of papers: published rows from the boards, a user's runs below them, ranked only alike."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from evalsuite.records.board import (
    Entry,
    board_of,
    model_on,
    protocol_of_variant,
    read_board,
    split_of,
    vocabulary,
)
from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.conditions import Conditions
from evalsuite.report.lineup import lineups
from evalsuite.report.tables.definition import Column, Definition, Row, definitions, table_names
from evalsuite.report.verdict import verdict

NOT_MEASURED = "not measured by this run"
NOT_STATED = "not comparable: how the weights came to the task is not known of this run"
KIND_NOTES = {
    "authors' code": "measured again by the authors' code",
    "re-run": "measured by others than the authors",
    "third-party": "third-party pages alone print it; look it up in the paper before citing it",
}
SEVERAL = "not comparable: measured in several regimes, and the column does not say which it holds"


@dataclass(frozen=True)
class Cell:
    """One cell: what it prints, why it is empty or what its verdict is, and its rank.

    `source` is where a published value stands. `alike` holds regime, protocol, variant and extra
    labels: only cells of equal `alike` and resolution are ranked together. Rank 1 is the best, 2
    the second, 0 any other.
    """

    text: str = ""
    note: str = ""
    value: float | None = None
    alike: tuple[str, ...] = ()
    resolution: int | None = None
    source: str = ""
    rank: int = 0


@dataclass(frozen=True)
class Line:
    """One row as printed: its label, the citation key, its facts and its cells."""

    label: str
    cite: str
    section: str
    facts: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A filled table; `transposed` prints one line per column."""

    name: str
    caption: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    facts: tuple[str, ...] = ()
    transposed: bool = False

    @property
    def sources(self) -> list[str]:
        """Where the published values stand, each place once: key in sources.bib, then locator."""
        cells = (cell for line in self.lines for cell in line.cells)
        return list(dict.fromkeys(cell.source for cell in cells if cell.source))


def filled(name: str, reports: Sequence[Report] = ()) -> Table:
    """Return a table with its published rows and one more row for every backbone of the runs.

    A backbone's second run of a benchmark stands in a row of its own.

    Raises:
        UserError: there is no table of that name.
    """
    if name not in definitions():
        raise UserError(f"no table {name!r}; there are {', '.join(table_names())}")
    asked = definitions()[name]
    lines = [_published_line(asked, row) for row in asked.rows]
    by_backbone = sorted(reports, key=lambda report: report.backbone)
    lines += [_run_line(asked, one.name, one.reports) for one in lineups(by_backbone)]
    return Table(
        name=name,
        caption=asked.caption,
        columns=asked.columns,
        lines=tuple(_ranked(lines, len(asked.columns))),
        facts=asked.facts,
        transposed=asked.transposed,
    )


def _published_line(asked: Definition, row: Row) -> Line:
    """Return the line of a published model."""
    label = row.label or row.model
    entries = [_entry(asked, row, column) for column in asked.columns]
    cells = []
    for column, entry in zip(asked.columns, entries, strict=True):
        if entry is None:
            where = f"{label} | {column.group} {column.title}".replace("|  ", "| ")
            cells.append(Cell(note=asked.missing_at.get(where, asked.missing)))
            continue
        is_named = asked.show_model and entry.model != label
        text = f"{entry.printed} ({entry.model})" if is_named else entry.printed
        note = _note(entry)
        alike = (entry.regime, entry.protocol, entry.variant, entry.extra_labels)
        value = None if entry.kind == "third-party" else entry.value
        cells.append(Cell(text, note, value, alike, entry.resolution, entry.source))
    there = [entry for entry in entries if entry is not None]
    facts = tuple(_fact(there, name) for name in asked.facts)
    return Line(label, row.cite, row.section, facts, tuple(cells))


def _note(entry: Entry) -> str:
    """Return what a reader of a published cell must know."""
    notes = [KIND_NOTES.get(entry.kind, "")]
    notes += ["other sources print another value"] if entry.conflicting else []
    if entry.model in vocabulary()["several_models"]:
        model = model_on(entry.board, entry.model)
        notes.append(f"{entry.model} stands for several models, here for {model}")
    return "; ".join(note for note in notes if note)


def _entry(asked: Definition, row: Row, column: Column) -> Entry | None:
    """Return the board's entry of a cell; of several kinds, the first in boards.toml."""
    regime = row.regime or column.regime
    variant = column.variant if row.variant is None else row.variant
    found = [
        entry
        for entry in read_board(column.board, asked.third_party)
        if (entry.metric, entry.split) == (column.metric, column.split)
        and (not row.model or entry.model == row.model)
        and entry.role == row.role
        and (not regime or entry.regime == regime)
        and (variant is None or entry.variant == variant)
        and column.extra_labels in (None, entry.extra_labels)
        and column.resolution in (None, entry.resolution)
        and (not asked.source or entry.source == asked.source)
    ]
    kinds = list(vocabulary()["kinds"])
    return min(found, key=lambda entry: kinds.index(entry.kind), default=None)


def _fact(entries: Sequence[Entry], name: str) -> str:
    """Return what the entries of a line state of a fact, all of it where they differ."""
    stated = dict.fromkeys(str(getattr(entry, name) or "") for entry in entries)
    return ", ".join(value for value in stated if value) or "not stated"


def _run_line(asked: Definition, backbone: str, reports: Sequence[Report]) -> Line:
    """Return the line of one backbone's runs."""
    cells = [_run_cell(asked, column, reports) for column in asked.columns]
    sizes = {Conditions.of(report).resolution for report in reports} - {None}
    stated = {"resolution": ", ".join(map(str, sorted(size for size in sizes if size)))}
    facts = tuple(stated.get(name) or "not stated" for name in asked.facts)
    return Line(f"{backbone} (this suite)", "", "your runs", facts, tuple(cells))


def _run_cell(asked: Definition, column: Column, reports: Sequence[Report]) -> Cell:
    """Return what the runs measured for a column, on its own split where they have it."""
    siblings = [one for one in asked.columns if (one.board, one.metric) == _place(column)]
    measured: dict[str, tuple[Score, Conditions]] = {}
    regimes = set()
    reason = NOT_MEASURED
    for report in reports:
        conditions = Conditions.of(report)
        if board_of(conditions.task) != column.board:
            continue
        if None in (conditions.regime, conditions.protocol):
            reason = NOT_STATED
        elif _fits(column, conditions):
            regimes.add((conditions.regime, conditions.protocol))
            for score in report.scores:
                if score.name == column.metric:
                    measured[split_of(column.board, conditions.split)] = score, conditions
    if len(regimes) > 1:
        return Cell(note=SEVERAL)
    elsewhere = measured.keys() - {one.split for one in siblings}
    if column.split in measured:
        return _measured_cell(*measured[column.split], column)
    if elsewhere and column is siblings[0]:
        return _measured_cell(*measured[min(elsewhere)], column)
    return Cell(note=reason)


def _fits(column: Column, conditions: Conditions) -> bool:
    """Whether a run answered as the values of a column were reached."""
    protocol = protocol_of_variant(column.variant)
    return column.regime in ("", conditions.regime) and protocol in (None, conditions.protocol)


def _place(column: Column) -> tuple[str, str]:
    return column.board, column.metric


def _measured_cell(score: Score, conditions: Conditions, column: Column) -> Cell:
    """Return a measured score with its interval and verdict; unlike data take no rank."""
    text = f"{score.value:.2f}"
    if score.interval is not None:
        text += f" [{score.interval[0]:.2f}, {score.interval[1]:.2f}]"
    result = verdict(score, conditions)
    note = f"{result.status}: {result.reason}"
    if split_of(column.board, conditions.split) != column.split:
        note = f"measured on {conditions.split}; {note}"
        return Cell(text, note)
    if not conditions.is_official:
        return Cell(text, note)
    # A released checkpoint has seen what its published row says; a run here, the training set.
    labels = result.expected.extra_labels if result.expected else ""
    answering = (conditions.regime or "", conditions.protocol or "")
    alike = (*answering, column.variant or "", labels)
    return Cell(text, note, score.value, alike, conditions.resolution)


def _ranked(lines: Sequence[Line], count: int) -> list[Line]:
    """Return the lines with best and second marked in every column, among cells that are alike."""
    columns = [_ranked_column([line.cells[index] for line in lines]) for index in range(count)]
    by_line = zip(*columns, strict=True) if columns else ()
    return [replace(line, cells=tuple(cells)) for line, cells in zip(lines, by_line, strict=True)]


def _ranked_column(cells: Sequence[Cell]) -> list[Cell]:
    """Return a column's cells with ranks.

    Where the cells of one kind state several resolutions, each is ranked apart and a cell that
    states none is not ranked; where at most one is stated, all are ranked together.
    """
    sizes: dict[tuple[str, ...], set[int]] = {}
    for cell in cells:
        if cell.value is not None:
            sizes.setdefault(cell.alike, set()).update({cell.resolution or 0} - {0})

    def group(cell: Cell) -> tuple[tuple[str, ...], int | None] | None:
        if cell.value is None:
            return None
        several = len(sizes[cell.alike]) > 1
        return (
            None
            if several and not cell.resolution
            else (
                cell.alike,
                cell.resolution if several else None,
            )
        )

    ranked = []
    for cell in cells:
        rivals = sorted({c.value for c in cells if c.value is not None and group(c) == group(cell)})
        rank = 0
        if group(cell) is not None and len(rivals) > 1 and cell.value in rivals[-2:]:
            rank = 1 if cell.value == rivals[-1] else 2
        ranked.append(replace(cell, rank=rank))
    return ranked
