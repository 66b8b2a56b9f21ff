"""The parts of a page that one run fills: scores, breakdowns, provenance, failures, commands."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evalsuite.records.board import in_words, vocabulary
from evalsuite.records.report import Report
from evalsuite.records.score import Score
from evalsuite.report.from_scratch import PREFIX
from evalsuite.report.pages.markup import Html, element, fragment

CLASSES = {"as published": "good", "above": "good", "below": "bad", "not comparable": "apart"}
SIGNS = {"as published": "=", "above": "▲", "below": "▼", "not comparable": "≠"}
MOST_FAILURES = 200
OPEN_GROUPS = 8  # a longer breakdown is folded


def title_of(name: str) -> str:
    """Return a score's name in words, where the boards know it."""
    metric, _, part = name.partition("/")
    title = str(vocabulary()["metrics"].get(metric, {}).get("title", _spelled(metric)))
    if part in vocabulary()["metrics"] or name.startswith(PREFIX):
        part = title_of(part)
    group, slash, name = part.partition("/")
    # The first half of "question_type/what is" is a group; "yes/no" is one name, with a slash.
    part = f"{group}: {name}" if slash and "_" in group else part
    return f"{title}, {part.replace('_', ' ')}" if part else title


def _spelled(metric: str) -> str:
    """Return a metric's name as papers write it: `box_ap50` is box AP50, `bleu_1` BLEU-1."""
    words = metric.replace("bleu_", "bleu-").replace("rouge_l", "rouge-l").split("_")
    short = ("ap", "ar", "bleu", "rouge")
    known = {"macc": "mAcc", "aacc": "aAcc"}
    return " ".join(
        word.upper() if word.startswith(short) else known.get(word, word) for word in words
    )


def value_of(score: Score) -> str:
    """Return a value as text."""
    return f"{score.value:.2f}" if score.is_measured else "no such object"


def badge(report: Report) -> Html:
    """Return the verdict's status as a mark that does not live by its colour alone."""
    status = report.verdict.get("status", "not comparable")
    sign = element("span", SIGNS[status], aria_hidden="true")
    return element("span", sign, f" {status}", class_=f"badge {CLASSES[status]}")


def score_block(report: Report) -> Html:
    """Return the headline, the table of scores with the baselines, and the breakdowns."""
    if not report.scores:
        text = f"The ground truth is held back. To get a score, submit {report.submission}."
        return element("p", text)
    plain = [score for score in report.scores if "/" not in score.name]
    parts = [_headline(report), _score_table(plain, report.baselines)]
    if report.from_scratch:
        parts.append(element("p", report.from_scratch))
    for group, scores in _groups(report.scores).items():
        table = _score_table(scores, (), strip=group)
        if len(scores) > OPEN_GROUPS:
            summary = element("summary", f"{title_of(group)}: {len(scores)} parts")
            parts.append(element("details", summary, table))
        else:
            parts += [element("h4", f"{title_of(group)} in parts"), table]
    return fragment(*parts)


def verdict_block(report: Report) -> Html:
    """Return the verdict with its reason and what is published."""
    expected = report.expected
    known = None
    if expected is not None:
        known = element(
            "p",
            f"Published: {expected['printed']} by {expected['model']}, {expected['split']} "
            f"({expected['source']}).",
        )
    reason = element("p", badge(report), " ", report.verdict.get("reason", ""))
    looked_at = report.verdict.get("compared")
    compared = element("p", f"Compared: {looked_at}.", class_="about") if looked_at else None
    return element("div", reason, known, compared, class_="verdict")


def failures_block(report: Report) -> Html:
    """Return the samples that could not be read; a sentence where there is none."""
    if not report.failures:
        return element("p", "Every sample was read and is in the score.")
    rows = [
        element("li", element("code", name), f": {reason}")
        for name, reason in list(report.failures.items())[:MOST_FAILURES]
    ]
    left = len(report.failures) - len(rows)
    text = f"{len(report.failures):,} samples could not be read and are in no score."
    more = element("p", f"{left:,} more are in report.json.") if left else None
    return fragment(element("p", text), element("ul", *rows), more)


def provenance_block(report: Report, facts: Mapping[str, str]) -> Html:
    """Return where the number comes from: weights, recipe, data, versions, phases."""
    weights, data = report.weights, report.data
    said = {
        "regime": in_words("regimes", report.regime),
        "protocol": in_words("protocols", report.protocol),
        "weights": f"{weights['origin']}"
        + (", fine-tuned here" if weights.get("fine_tuned_here") else ", not trained here"),
        "sha256 of the weights": str(weights.get("sha256") or "none: drawn from the seed"),
        "data": f"{data['name']}: {data['num_samples']:,} samples of {report.split} in "
        f"{data['folder']}",
        "fingerprint of the data": data["fingerprint"],
        "samples asked for": "all" if report.limit is None else f"the first {report.limit:,}",
        "seed": str(report.seed),
        **({} if report.near_ties is None else {"near-ties": str(report.near_ties)}),
        **facts,
    }
    for name, phase in report.phases.items():
        said[name] = ", ".join(f"{_words(key)} {value:,.1f}" for key, value in phase.items())
    for name, value in report.environment.items():
        if name != "command":
            said[name] = _said(value)
    recipe = {key: _said(value) for key, value in report.recipe.items()}
    return fragment(
        _facts(said),
        element("details", element("summary", "Every setting of the recipe"), _facts(recipe)),
    )


def commands_block(report: Report, name: str) -> Html:
    """Return the commands that repeat the run."""
    environment = report.environment
    command = str(environment.get("command", ""))
    commit, version = environment.get("commit"), environment.get("versions", {}).get("evalsuite")
    text = f"Made with evalsuite {version}" + (f", commit {commit}" if commit else "")
    note = f"{text}. The hashes below identify the data and weights."
    return fragment(
        element("p", note),
        _command(command, "the run"),
        element("p", "Score its predictions again, without the weights:"),
        _command(f"evalsuite score runs/{name}", "scoring"),
    )


def _command(text: str, what: str) -> Html:
    button = element("button", "Copy", type="button", class_="copy", aria_label=f"Copy: {what}")
    return element("div", element("pre", element("code", text), tabindex="0"), button, class_="cmd")


def _headline(report: Report) -> Html:
    score = report.scores[0]
    return element(
        "p",
        element("span", f"{score.value:.2f}", class_="big"),
        element("span", f" {title_of(score.name)}, {score.unit}", class_="unit"),
        element("br"),
        f"95% interval {score.interval_text}, {score.n:,} samples",
        class_="headline",
    )


def _groups(scores: Sequence[Score]) -> dict[str, list[Score]]:
    """Return the breakdowns: `a/b` by `a`, `a/b/c` by `a/b` where that has several parts."""
    parts = [score for score in scores if "/" in score.name]
    sizes = Counter(score.name.rpartition("/")[0] for score in parts)
    groups: dict[str, list[Score]] = {}
    for score in parts:
        group = score.name.rpartition("/")[0]
        # A lone "yes/no" is one part of `a`, not a group of its own.
        group = group if sizes[group] > 1 else group.partition("/")[0]
        groups.setdefault(group, []).append(score)
    return groups


def _score_table(scores: Sequence[Score], baselines: Sequence[Score], strip: str = "") -> Html:
    top = max([100.0, *(score.value for score in [*scores, *baselines])])
    head = element("tr", *(element("th", one, scope="col") for one in _COLUMNS))
    rows = [_score_row(score, top, strip, "") for score in scores]
    rows += [_score_row(score, top, strip, "baseline") for score in baselines]
    table = element("table", element("thead", head), element("tbody", *rows), class_="scores")
    return element("div", table, class_="scroll")


_COLUMNS = ("score", "value", "95% interval", "n", "")


def _score_row(score: Score, top: float, strip: str, kind: str) -> Html:
    name = score.name.removeprefix(f"{strip}/").replace("_", " ") if strip else title_of(score.name)
    note = " recorded" if score.name.startswith(PREFIX) else " without looking"
    mark = element("i") if score.interval else None
    low, high = (max(0.0, one) for one in score.interval or (score.value, score.value))
    style = f"--v:{score.value / top:.4f};--l:{low / top:.4f};--h:{high / top:.4f}"
    return element(
        "tr",
        element("th", name, element("small", note) if kind else None, scope="row"),
        element("td", value_of(score)),
        element("td", score.interval_text),
        element("td", f"{score.n:,}"),
        element("td", element("span", mark, class_="bar", style=style), aria_hidden="true"),
        class_=kind or None,
    )


def _facts(said: Mapping[str, str]) -> Html:
    return element("dl", *_terms(said), class_="facts")


def _terms(said: Mapping[str, str]) -> Iterator[Html]:
    for name, value in said.items():
        yield element("div", element("dt", _words(name)), element("dd", value))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value)
