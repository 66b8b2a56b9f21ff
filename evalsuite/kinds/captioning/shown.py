"""A caption as a reader sees it: beside what people wrote, with its CIDEr."""

from collections.abc import Callable

from evalsuite.contracts.benchmark import Predictions, Sample, SampleDisplay
from evalsuite.metrics.captions.cider import CiderSums
from evalsuite.metrics.captions.ids import CaptionReferences
from evalsuite.metrics.captions.ngrams import CaptionTable, grams_of
from evalsuite.metrics.captions.scores import tokenised


def showing(
    predictions: Predictions, references: CaptionReferences | None
) -> Callable[[Sample], SampleDisplay]:
    """Return what shows an image's caption; without references it stands alone."""
    ciders: dict[int | str, float] = {}
    if references is not None:
        tokens = tokenised(predictions, references.captions)
        table = CaptionTable.of(tokens.references, tokens.hypotheses)
        sums = CiderSums(table)
        for grams in grams_of(table):
            sums.add(grams)
        ciders = dict(zip(references.captions, sums.result().per_image_N.tolist(), strict=True))

    def show(sample: Sample) -> SampleDisplay:
        lines = {"predicted": str(predictions[sample.id])}
        if references is None or sample.id not in ciders:
            return SampleDisplay(lines)
        lines["people wrote"] = "\n".join(f"• {one}" for one in references.captions[sample.id])
        cider = 100 * ciders[sample.id]
        domain = references.domains.get(sample.id)
        groups = {"domain": domain} if domain else {}
        return SampleDisplay(lines, cider, f"CIDEr {cider:.1f}", groups=groups)

    return show
