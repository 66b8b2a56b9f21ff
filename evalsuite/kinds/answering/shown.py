"""A question as a reader sees it: what was said, and what ten people said."""

from collections import Counter
from collections.abc import Callable, Mapping

from evalsuite.contracts.benchmark import Mark, Predictions, Sample, SampleDisplay, SampleId
from evalsuite.metrics.vqa.exact import fitting_values
from evalsuite.metrics.vqa.references import VqaReferences


def showing(
    predictions: Predictions, references: VqaReferences | None
) -> Callable[[Sample], SampleDisplay]:
    """Return what shows a question; without references the answer stands alone."""
    accuracies: Mapping[SampleId, float] = {}
    if references is not None:
        values = fitting_values(predictions, references)
        ids = references.question_ids
        accuracies = dict(zip(ids, values.tolist(), strict=True))

    def show(sample: Sample) -> SampleDisplay:
        lines = {"question": sample.text, "predicted": str(predictions[sample.id])}
        accuracy = accuracies.get(sample.id)
        if accuracy is None:
            return SampleDisplay(lines)
        said = Counter(sample.target["answers"]).most_common()
        lines["people said"] = ", ".join(f"{answer} ({count})" for answer, count in said)
        groups = {"answer type": sample.target["answer_type"]}
        groups["question type"] = sample.target["question_type"]
        return SampleDisplay(
            lines, accuracy, f"accuracy {100 * accuracy:.0f}", _mark(accuracy), groups
        )

    return show


def _mark(accuracy: float) -> Mark:
    if accuracy == 0:
        return "wrong"
    return "right" if accuracy > 1 - 1e-9 else "partly right"
