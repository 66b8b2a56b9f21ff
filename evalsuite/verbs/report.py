"""The verb `report`: finished runs as Markdown, JSON, a page, a model card and submissions.

Imported when it is called: drawing takes a second to start.
"""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from zipfile import ZIP_DEFLATED, ZipFile

from evalsuite.catalog import benchmark_named
from evalsuite.contracts.benchmark import Benchmark
from evalsuite.records.difference import Difference
from evalsuite.records.errors import UserError
from evalsuite.records.files import write_json, write_text, written_whole
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.report.comparison import Comparison, compared_samples, comparison_markdown
from evalsuite.report.markdown import markdown, overview
from evalsuite.report.model_card import model_card
from evalsuite.report.pages.page import comparison_page, page
from evalsuite.report.pages.radar import radar_svg
from evalsuite.report.pages.run import WHOLE_PAGE, shown_run
from evalsuite.report.pages.samples import AnsweredSplit, sample_table, sample_views
from evalsuite.verbs.run_files import report_of
from evalsuite.verbs.run_report import SUBMISSION, judged, read_report, result_name
from evalsuite.verbs.score import ScoreRequest, paired_difference, scorable

SUBMISSIONS = "submissions"


class FinishedRun(NamedTuple):
    """A run with its report and its benchmark."""

    run: Run
    report: Report
    benchmark: Benchmark


def report(folders: Sequence[Path], out: Path | None = None, *, data: Path | None = None) -> Path:
    """Write the reports of finished runs and return the page's path.

    One run's go into its own folder where no other is named; several runs' into `out` or `report`:
    report.md, report.json, report.html, README.md (a model card) and, where ground truth is held
    back, submissions/ with a folder for each run and a line for each server.

    Args:
        data: the official files, where they have moved since.

    Raises:
        UserError: a folder holds no run, or a run has predicted nothing.
    """
    if not folders:
        raise UserError("name one run folder or more, as runs/vqa-beit3_tiny-20260101-0123abcd")
    known = [finished_run(folder) for folder in folders]
    target = out or (folders[0] if len(folders) == 1 else Path("report"))
    reports = [one.report for one in known]
    room = WHOLE_PAGE.shared_by(len(known))
    shown = [shown_run(*one, room=room, data=data) for one in known]
    write_text(target / "report.html", page(shown, radar_svg(reports)))
    write_json(target / "report.json", _contents(reports))
    write_text(target / "report.md", _markdown(reports))
    cards = [(one.report, one.benchmark.card) for one in known]
    write_text(target / "README.md", model_card(cards))
    _collect(known, target / SUBMISSIONS)
    return target / "report.html"


def compare(
    first: Path, second: Path, out: Path | None = None, *, data: Path | None = None
) -> Difference:
    """Write comparison.md, .json and .html of two runs; return the paired difference.

    Args:
        data: the official files, where they have moved since.

    Raises:
        UserError: they are of different benchmarks or splits, or answer different samples.
    """
    both = (finished_run(first), finished_run(second))
    splits = [f"{one.report.task} {one.report.split}" for one in both]
    if splits[0] != splits[1]:
        raise UserError(f"{first} is of {splits[0]} and {second} of {splits[1]}: expected the same")
    split = both[0].report.split
    found = scorable(
        ScoreRequest(target=str(first), other=second, split=split, data=data, paired=True)
    )
    names = (first.resolve().name, second.resolve().name)
    difference = paired_difference(found, names)
    comparison = Comparison(first=both[0].report, second=both[1].report, difference=difference)
    seen = [
        sample_views(
            AnsweredSplit(found.benchmark, predictions, found.references, found.data, split),
            WHOLE_PAGE.rows,
        )
        for predictions in found.sets
    ]
    merged = compared_samples(*seen)
    samples = sample_table(merged, len(found.sets[0]), found.data, WHOLE_PAGE)
    target = out or Path("report")
    write_text(target / "comparison.md", comparison_markdown(comparison))
    write_text(target / "comparison.html", comparison_page(comparison, samples))
    content = {"runs": list(names), "difference": difference.score.to_json()}
    write_json(target / "comparison.json", {**content, "paired": difference.to_json()})
    return difference


def finished_run(folder: Path) -> FinishedRun:
    """Return a run with its report, scored now where its predictions are newer.

    Raises:
        UserError: the folder holds no run, or the run has predicted nothing.
    """
    run = Run.open(folder)
    benchmark = benchmark_named(run.facts["identity"]["task"])
    path = folder / "report.json"
    newest = max((one.stat().st_mtime for one in folder.glob("predictions/*/*")), default=0.0)
    if not path.is_file() or path.stat().st_mtime < newest:
        return FinishedRun(run, report_of(run), benchmark)
    return FinishedRun(run, judged(read_report(folder)), benchmark)


def _contents(reports: Sequence[Report]) -> object:
    """Return the content of report.json: the report of one run, a list of several."""
    contents = [one.to_json() for one in reports]
    return contents[0] if len(contents) == 1 else contents


def _markdown(reports: Sequence[Report]) -> str:
    if len(reports) == 1:
        return markdown(reports[0])
    return "\n".join(["# Overview", "", overview(reports), "", *map(markdown, reports)])


def _collect(known: Sequence[FinishedRun], folder: Path) -> None:
    """Copy what evaluation servers take into one folder, a run a folder, and say what goes where.

    The names of files are the servers'; the folder of a run tells runs of one backbone apart.
    """
    lines: list[str] = []
    seen: Counter[str] = Counter()
    for one in known:
        name = one.run.folder.resolve().name
        seen[name] += 1
        name = name if seen[name] == 1 else f"{name}-{seen[name]}"
        lines += [f"- {line}" for line in _handed_in(one, folder / name)]
    if lines:
        write_text(folder / "README.md", "\n".join(["# Hand in", "", *lines]) + "\n")


def _handed_in(one: FinishedRun, target: Path) -> list[str]:
    """Copy a run's files for servers into a folder; return a line for each."""
    run, report, benchmark = one
    splits = benchmark.card.splits
    sources = {
        split: run.folder / SUBMISSION / result_name(benchmark, split, report.backbone)
        for split, facts in splits.items()
        if facts.server is not None
    }
    sources = {split: source for split, source in sources.items() if source.exists()}
    part = "" if report.limit is None else f"; only {report.limit} samples: it will be refused"
    lines = []
    for split, source in sources.items():
        _copy(source, target / source.name)
        if not splits[split].archive:
            where = f"to {splits[split].server}"
            title = benchmark.card.title
            lines.append(f"`{target.name}/{source.name}`: {title}, {split}, {where}{part}")
    archives = dict.fromkeys(splits[split].archive for split in sources if splits[split].archive)
    for archive in archives:
        line = _zipped(one, archive, sources, target)
        lines.append(f"{line}, to {splits[archive[0]].server}{part}")
    return lines


def _zipped(
    one: FinishedRun, archive: Sequence[str], sources: Mapping[str, Path], target: Path
) -> str:
    """Zip the files of splits that a server takes together; return what it is, or what it lacks."""
    card = one.benchmark.card
    lacking = [split for split in archive if split not in sources]
    if lacking:
        names = [result_name(one.benchmark, split, one.report.backbone) for split in lacking]
        return (
            f"`{target.name}`: {card.title}, not complete: the server takes one zip archive with "
            f"{' and '.join(names)} too; run `evalsuite eval {card.name} --split {lacking[0]}` "
            "with the settings of this run, then report again"
        )
    first = sources[archive[0]]
    path = target / f"{first.stem if len(archive) == 1 else 'results'}.zip"
    with (
        written_whole(path) as temporary,
        ZipFile(temporary, "w", ZIP_DEFLATED) as content,
    ):
        for split in archive:
            content.write(sources[split], sources[split].name)
    return f"`{target.name}/{path.name}`: {card.title}, {' and '.join(archive)}"


def _copy(source: Path, target: Path) -> None:
    files = sorted(source.iterdir()) if source.is_dir() else [source]
    for file in files:
        place = target / file.name if source.is_dir() else target
        with written_whole(place) as temporary:
            shutil.copyfile(file, temporary)
