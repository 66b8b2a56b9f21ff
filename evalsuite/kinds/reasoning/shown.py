"""A statement about two photographs as a reader sees it."""

from collections.abc import Callable

from evalsuite.contracts.benchmark import Mark, Picture, Predictions, Sample, Shown


def showing(predictions: Predictions) -> Callable[[Sample], Shown]:
    """Return what shows an example; without a label the prediction stands alone."""

    def show(sample: Sample) -> Shown:
        left, right = sample.images
        pictures = (Picture(left, "left"), Picture(right, "right"))
        predicted, label = str(predictions[sample.id]), str(sample.target["label"])
        lines = {"statement": sample.text, "predicted": predicted}
        if not label:
            return Shown(lines, pictures=pictures)
        is_right = predicted.lower() == label.lower()
        mark: Mark = "right" if is_right else "wrong"
        lines["label"] = label
        return Shown(lines, float(is_right), mark, mark, {"label": label}, pictures)

    return show
