"""A statement about two photographs as a reader sees it."""

from collections.abc import Callable

from evalsuite.contracts.benchmark import Mark, Picture, Predictions, Sample, SampleDisplay


def showing(predictions: Predictions) -> Callable[[Sample], SampleDisplay]:
    """Return what shows an example; without a label the prediction stands alone."""

    def show(sample: Sample) -> SampleDisplay:
        left, right = sample.images
        pictures = (Picture(left, "left"), Picture(right, "right"))
        predicted, label = str(predictions[sample.id]), str(sample.target["label"])
        lines = {"statement": sample.text, "predicted": predicted}
        if not label:
            return SampleDisplay(lines, pictures=pictures)
        is_right = predicted.lower() == label.lower()
        mark: Mark = "right" if is_right else "wrong"
        lines["label"] = label
        return SampleDisplay(lines, float(is_right), mark, mark, {"label": label}, pictures)

    return show
