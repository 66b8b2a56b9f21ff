"""The files of a run's report: report.json, report.md, report.html, and what servers take."""

from evalsuite.contracts.benchmark import NamesResults
from evalsuite.records.files import write_json, write_text
from evalsuite.records.report import Report
from evalsuite.records.run import Run
from evalsuite.report.markdown import markdown
from evalsuite.report.pages.page import page
from evalsuite.report.pages.run import shown_run
from evalsuite.verbs.run_report import SUBMISSION, Answers, answers_of, result_name, scored


def report_of(run: Run, split: str | None = None) -> Report:
    """Score what a run has journaled, write its reports, and return the record.

    Raises:
        UserError: the run has not predicted the split, or its data has moved.
    """
    answers = answers_of(run, split)
    report = scored(run, answers)
    write_files(run, answers, report)
    return report


def write_files(run: Run, answers: Answers, report: Report) -> None:
    """Write a report and the results that a server or the person wants into the run's folder.

    Raises:
        UserError: the predictions are not what the server takes.
    """
    benchmark, predictions = answers.benchmark, answers.predictions
    is_kept = isinstance(benchmark, NamesResults) and benchmark.keeps_results(predictions)
    if answers.is_held_back or is_kept:
        path = run.folder / SUBMISSION / result_name(benchmark, report.split, report.backbone)
        path.parent.mkdir(exist_ok=True)
        known = answers.data if answers.is_whole else None
        benchmark.write_predictions(predictions, path, data=known, split=report.split)
    write_json(run.folder / "report.json", report.to_json())
    write_text(run.folder / "report.md", markdown(report))
    shown = shown_run(run, report, benchmark, answers.references)
    write_text(run.folder / "report.html", page([shown]))
