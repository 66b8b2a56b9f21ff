"""The page of one or several runs: one HTML file that needs nothing else and no network."""

from collections import Counter
from collections.abc import Sequence

from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.comparison import Comparison, comparison_block
from evalsuite.report.from_scratch import parted
from evalsuite.report.pages.curve import loss_curve
from evalsuite.report.pages.document import document, samples_block
from evalsuite.report.pages.markup import Html, element, fragment
from evalsuite.report.pages.parts import (
    badge,
    commands_block,
    failures_block,
    provenance_block,
    score_block,
    title_of,
    verdict_block,
)
from evalsuite.report.pages.run import ShownRun
from evalsuite.report.pages.samples import SampleTable

COLUMNS = (
    *("benchmark", "backbone", "regime", "protocol", "score", "95% interval"),
    *("without looking", "verdict"),
)


def page(runs: Sequence[ShownRun], radar: Html | None = None) -> str:
    """Return the page of runs.

    Args:
        radar: stands above the table of several runs (radar.py).
    """
    titles = list(dict.fromkeys(run.report.title for run in runs))
    title = f"evalsuite: {', '.join(titles)}" if len(titles) < 4 else f"evalsuite: {len(runs)} runs"
    ids = [f"run-{number}" for number in range(1, len(runs) + 1)]
    is_only = len(runs) == 1
    return document(
        title,
        fragment(element("h1", _heading(runs), id="title"), _contents(runs, ids)),
        fragment(
            None if is_only else _overview(runs, ids, radar),
            *(_section(run, id, is_only=is_only) for run, id in zip(runs, ids, strict=True)),
        ),
        {id: run.samples for run, id in zip(runs, ids, strict=True)},
    )


def comparison_page(comparison: Comparison, samples: SampleTable) -> str:
    """Return the page of two runs side by side."""
    title = f"{comparison.first.title}, {comparison.first.split}: two runs"
    main = fragment(
        comparison_block(comparison),
        element("h2", "Samples"),
        element("p", "Worst first: where A loses most against B.", class_="about"),
        samples_block(samples, "both", title, order="worst"),
    )
    return document(title, element("h1", title, id="title"), main, {"both": samples})


def _heading(runs: Sequence[ShownRun]) -> str:
    if len(runs) == 1:
        report = runs[0].report
        return f"{report.title}, {report.split}: {report.backbone}"
    backbones = list(dict.fromkeys(run.report.backbone for run in runs))
    number = len({run.report.task for run in runs})
    return f"{', '.join(backbones)} on {number} benchmark{'s' if number > 1 else ''}"


def _names(runs: Sequence[ShownRun]) -> list[str]:
    """Return what tells the runs apart: the benchmark, and the run where there are several."""
    titles = Counter(run.report.title for run in runs)
    return [
        run.report.title
        if titles[run.report.title] == 1
        else f"{run.report.title}, {run.report.split}, {run.report.backbone} {run.name[-8:]}"
        for run in runs
    ]


def _contents(runs: Sequence[ShownRun], ids: Sequence[str]) -> Html | None:
    if len(runs) == 1:
        return None
    links = [
        element("li", element("a", name, href=f"#{id}"))
        for name, id in zip(_names(runs), ids, strict=True)
    ]
    return element("nav", element("ul", *links), aria_label="Benchmarks")


def _overview(runs: Sequence[ShownRun], ids: Sequence[str], radar: Html | None) -> Html:
    rows = [
        _overview_row(run.report, name, id)
        for run, name, id in zip(runs, _names(runs), ids, strict=True)
    ]
    head = element("tr", *(element("th", name, scope="col") for name in COLUMNS))
    table = element("table", element("thead", head), element("tbody", *rows), class_="overview")
    return element(
        "section",
        element("h2", "Overview", id="overview"),
        radar,
        element("div", table, class_="scroll"),
        aria_labelledby="overview",
    )


def _overview_row(report: Report, title: str, id: str) -> Html:
    score = report.scores[0] if report.scores else None
    best = max(_rivals(report), key=lambda one: one.value, default=None)
    name = fragment(element("a", title, href=f"#{id}"), element("small", report.split))
    value = "held back"
    if score is not None:
        value = fragment(
            element("strong", f"{score.value:.2f}"), element("small", title_of(score.name))
        )
    looked = f"{best.value:.2f}" if best else "none"
    interval = score.interval_text if score else "none"
    answering = [report.regime or "not known", report.protocol or "not known"]
    cells = [report.backbone, *answering, value, interval, looked, badge(report)]
    return element(
        "tr",
        element("th", name, scope="row"),
        *(
            element("td", cell, data_label=label)
            for cell, label in zip(cells, COLUMNS[1:], strict=True)
        ),
    )


def _rivals(report: Report) -> list[Score]:
    """Return the headline's own baselines: `chance/ir_at_10` is none of tr_at_1, scratch looks."""
    headline = report.scores[0].name if report.scores else ""
    parts = [(score, score.name.partition("/")[2]) for score in parted(report.baselines)[0]]
    return [score for score, metric in parts if metric in ("", headline)]


def _section(run: ShownRun, id: str, *, is_only: bool) -> Html:
    report, card = run.report, run.card
    about = fragment(
        f"{card.paper} · ", element("span", card.homepage), f" · data: {card.data_licence}"
    )
    sessions = f"{run.num_sessions} (continued)" if run.num_sessions > 1 else "1"
    curve = loss_curve(run.training)
    nothing = element("p", "No loss curve: this run did not fine-tune, or took too few steps.")
    parts = (
        ("Scores", fragment(score_block(report), verdict_block(report))),
        ("Loss", curve or nothing),
        ("Samples", samples_block(run.samples, id, report.title, run.notice)),
        ("Failures", failures_block(report)),
        ("How to reproduce", commands_block(report, run.name)),
        ("Provenance", provenance_block(report, {"run": run.name, "sessions": sessions})),
    )
    return element(
        "section",
        element(
            "h2", f"{report.title}, {report.split}", id=id, class_="unseen" if is_only else None
        ),
        element("p", about, class_="about"),
        *(fragment(element("h3", title), content) for title, content in parts),
        aria_labelledby=id,
        class_="only" if is_only else "run",
    )
