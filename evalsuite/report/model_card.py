"""A Hugging Face model card whose `model-index` holds the scores of runs."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from evalsuite.contracts.benchmark import Card
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.markdown import overview
from evalsuite.tinyworld.marker import TINY_WORLD

LIBRARY = "evalsuite"


def model_card(runs: Sequence[tuple[Report, Card]]) -> str:
    """Return the README.md of a model repository: metadata that the Hub reads, then the scores.

    Source: huggingface.co/docs/hub/model-cards, "Specifying a model's evaluation results".
    """
    name = runs[0][0].backbone
    tags = [LIBRARY, *dict.fromkeys(card.hub_task for _, card in runs)]
    results = [_result(*run) for run in runs if run[0].scores]
    # JSON is YAML, and needs no library to be written safely.
    metadata = [f"library_name: {LIBRARY}", f"tags: {json.dumps(tags)}", "model-index:"]
    metadata += [f"- name: {json.dumps(name)}", "  results:" if results else "  results: []"]
    metadata += [f"  - {json.dumps(result)}" for result in results]
    reports = [report for report, _ in runs]
    commands = dict.fromkeys(str(report.environment.get("command", "")) for report in reports)
    licences = [f"- {card.title}: {card.data_licence}" for _, card in runs]
    lines = [
        "\n".join(["---", *metadata, "---"]),
        f"# {name}",
        "Scores by evalsuite, which agrees with the benchmarks' official scorers.",
        overview(reports),
        "## How to reproduce",
        "\n".join(["```", *commands, "```"]),
        "## Licences of the data",
        "\n".join(dict.fromkeys(licences)),
    ]
    return "\n\n".join(lines) + "\n"


def _result(report: Report, card: Card) -> Mapping[str, Any]:
    """Return one result of a `model-index`; drawn data is named as such."""
    is_tiny = report.data["name"] == TINY_WORLD
    title = f"{card.title} (drawn tiny world, not the official data)" if is_tiny else card.title
    return {
        "task": {"type": card.hub_task, "name": card.title},
        "dataset": {
            "type": f"{card.name}-{TINY_WORLD}" if is_tiny else card.name,
            "name": title,
            "split": report.split,
        },
        "metrics": [_metric(score, report) for score in report.scores if _is_headline(score)],
    }


def _is_headline(score: Score) -> bool:
    """Whether a score is no part of another, and of an object that is there."""
    return "/" not in score.name and score.is_measured


def _metric(score: Score, report: Report) -> Mapping[str, Any]:
    facts: dict[str, Any] = {"n": score.n, "unit": score.unit}
    facts |= {"regime": report.regime, "protocol": report.protocol}
    if score.interval is not None:
        facts["interval"] = [round(bound, 4) for bound in score.interval]
    return {
        "type": score.name,
        "name": score.name.replace("_", " "),
        "value": round(score.value, 4),
        "args": facts,
        "verified": False,
    }
