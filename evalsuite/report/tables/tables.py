"""Tables of papers as Markdown, CSV and LaTeX."""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Literal

from evalsuite.records.errors import UserError
from evalsuite.records.report import Report
from evalsuite.report.tables.data import Cell, Line, Table, filled

Format = Literal["md", "csv", "latex"]
NONE = "n/a"  # what a cell without a value prints; its reason stands in a note
NO_SOURCE = "No source was found for its values."
FACT_TITLES = {"resolution": "pixels", "params": "parameters", "extra_data": "data"}
RANKING = (
    "Best in bold, second underlined, only among rows of the same regime and protocol, of the same "
    "extra labelled data and, where several are stated, of the same resolution."
)
LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
}


def table(name: str, reports: Sequence[Report] = (), format: Format = "md") -> str:
    """Return a paper's table as text: published rows, then the runs of `reports`.

    Raises:
        UserError: there is no table or no format of that name.
    """
    if format not in FORMATS:
        raise UserError(f"no format {format!r}; there are {', '.join(FORMATS)}")
    return FORMATS[format](filled(name, reports))


def _markdown(table: Table) -> str:
    notes = _Notes()

    def cell(cell: Cell) -> str:
        text = _escaped_markdown(cell.text or NONE)
        text = {1: f"**{text}**", 2: f"<ins>{text}</ins>"}.get(cell.rank, text)
        return text + (f"<sup>{notes.number(cell.note)}</sup>" if cell.note else "")

    header, rows = _matrix(table, cell, _escaped_markdown)
    left = 2 if _has_sections(table) and not table.transposed else 1
    named = ", ".join(f"`{source}`" for source in table.sources)
    sources = f"Values from {named}." if named else NO_SOURCE
    lines = [f"**{table.name}.** {table.caption} {sources}", ""]
    lines += [_piped(header), _piped(["---"] * left + ["---:"] * (len(header) - left))]
    lines += [_piped(row) for row in rows]
    below = [RANKING] if _is_ranked(table) else []
    below += [f"<sup>{number}</sup> {note}" for number, note in notes.listed()]
    return "\n".join([*lines, "", "<br>\n".join(below)]).rstrip() + "\n"


def _csv(table: Table) -> str:
    def cell(cell: Cell) -> str:
        return cell.text if cell.text else f"{NONE}: {cell.note}"

    header, rows = _matrix(table, cell, str)
    verdicts = [_verdicts(line) for line in table.lines]
    if any(verdicts) and not table.transposed:
        header = [*header, "notes"]
        rows = [[*row, notes] for row, notes in zip(rows, verdicts, strict=True)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()


def _verdicts(line: Line) -> str:
    """Return the notes of a line's values, once each."""
    return " | ".join(dict.fromkeys(cell.note for cell in line.cells if cell.text and cell.note))


def _latex(table: Table) -> str:
    notes = _Notes()

    def cell(cell: Cell) -> str:
        text = _escaped_latex(cell.text or NONE)
        text = {1: rf"\textbf{{{text}}}", 2: rf"\underline{{{text}}}"}.get(cell.rank, text)
        return text + (rf"\textsuperscript{{{notes.number(cell.note)}}}" if cell.note else "")

    header, rows = _matrix(table, cell, _escaped_latex, cite=r"~\cite{{{}}}")
    sectioned = _has_sections(table) and not table.transposed
    left = 2 if sectioned else 1
    body = [_joined(row) for row in rows]
    heads = [_joined(header)] if table.transposed else _grouped_head(table, left)
    keys = dict.fromkeys(source.partition(" ")[0] for source in table.sources)
    sources = f"Values from \\cite{{{','.join(keys)}}}." if keys else NO_SOURCE
    caption = f"{_escaped_latex(table.caption)} {sources}"
    caption += f" {RANKING}" if _is_ranked(table) else ""
    below = [rf"\textsuperscript{{{one}}}~{_escaped_latex(note)}" for one, note in notes.listed()]
    return "\n".join(
        [
            r"% needs \usepackage{booktabs,graphicx} and \bibliography{sources}",
            r"\begin{table}[t]",
            r"\centering",
            rf"\caption{{{caption}}}",
            rf"\label{{tab:{table.name.replace('/', '-').replace('_', '-')}}}",
            # Shrunk to the line where it is wider, never enlarged.
            r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"\begin{{tabular}}{{{'l' * left}{'r' * (len(header) - left)}}}",
            r"\toprule",
            *heads,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}}",
            *([r"\par\smallskip\raggedright\footnotesize", r"\quad ".join(below)] if below else []),
            r"\end{table}",
            "",
        ]
    )


FORMATS: Mapping[str, Callable[[Table], str]] = {"md": _markdown, "csv": _csv, "latex": _latex}


class _Notes:
    """Numbers the distinct notes of a table in the order of their first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, note: str) -> int:
        return self._numbers.setdefault(note, len(self._numbers) + 1)

    def listed(self) -> list[tuple[int, str]]:
        return [(number, note) for note, number in self._numbers.items()]


def _matrix(
    table: Table, cell: Callable[[Cell], str], text: Callable[[str], str], cite: str = ""
) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table as printed text; `cite` frames a citation key."""
    names = [
        text(line.label) + (cite.format(line.cite) if cite and line.cite else "")
        for line in table.lines
    ]
    titles = [text(f"{column.group} {column.title}".strip()) for column in table.columns]
    cells = [[cell(one) for one in line.cells] for line in table.lines]
    if table.transposed:
        return ["benchmark", *names], [
            [title, *(row[index] for row in cells)] for index, title in enumerate(titles)
        ]
    groups = ["group"] if _has_sections(table) else []
    facts = [FACT_TITLES.get(name, name) for name in table.facts]
    rows = []
    for name, line, row in zip(names, table.lines, cells, strict=True):
        section = [text(line.section or "published")] if groups else []
        rows.append([*section, name, *map(text, line.facts), *row])
    return [*groups, "model", *facts, *titles], rows


def _grouped_head(table: Table, left: int) -> list[str]:
    """Return LaTeX's two header lines: groups over their columns, then titles."""
    before = left + len(table.facts)
    spans, rules, start = [""] * before, [], before + 1
    for group, members in groupby(table.columns, key=lambda column: column.group):
        width = len(list(members))
        spans.append(rf"\multicolumn{{{width}}}{{c}}{{{_escaped_latex(group)}}}")
        rules += [rf"\cmidrule(lr){{{start}-{start + width - 1}}}"] if group else []
        start += width
    titles = ["group", "model"][2 - left :]
    titles += [FACT_TITLES.get(name, name) for name in table.facts]
    titles += [_escaped_latex(column.title) for column in table.columns]
    return [_joined(spans), " ".join(rules), _joined(titles)] if rules else [_joined(titles)]


def _has_sections(table: Table) -> bool:
    return any(line.section for line in table.lines)


def _is_ranked(table: Table) -> bool:
    return any(cell.rank for line in table.lines for cell in line.cells)


def _piped(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _joined(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _escaped_markdown(text: str) -> str:
    return re.sub(r"([\\|*_<>`\[\]])", r"\\\1", text)


def _escaped_latex(text: str) -> str:
    return "".join(LATEX_SPECIAL.get(letter, letter) for letter in text)
