"""Predicted captions are checked against the references before anything is scored."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from evalsuite.contracts.benchmark import SampleId
from evalsuite.data.names import other_spelling
from evalsuite.data.reading import shortened
from evalsuite.records.errors import UserError

# At these the official tokenizer begins a new line, and takes all later captions for the wrong
# images; "\n" is replaced by a space before.
LINE_SEPARATOR = re.compile("[\r\u000b\u000c\u0085\u2028\u2029]")


class CaptionReferences(NamedTuple):
    """The captions that people gave each image; `domains` where the benchmark has them."""

    captions: Mapping[SampleId, Sequence[str]]
    domains: Mapping[SampleId, str] = {}


def refuse_other_ids(predictions: Mapping[SampleId, Any], known: Collection[SampleId]) -> None:
    """Do nothing where there is one prediction for each image.

    Raises:
        UserError: an image has no caption, or a caption is of an image that is not in the split.
    """
    missing = [name for name in known if name not in predictions]
    if missing:
        raise UserError(
            f"no caption for image {shortened(missing[0])}"
            f"{other_spelling(missing[0], predictions)} ({len(missing)} of {len(known)} missing); "
            "every image of the split needs one: to score a part, leave the others out of the "
            "captions file too"
        )
    if len(predictions) > len(known):
        inside = set(known)
        extra = [name for name in predictions if name not in inside]
        raise UserError(
            f"a caption for image {shortened(extra[0])}, which is not among the "
            f"{len(known)} images of the split ({len(extra)} such); "
            "is this the split that was predicted?"
        )


def refuse_bad_captions(predictions: Mapping[SampleId, Any]) -> None:
    """Do nothing where all captions can be scored.

    Raises:
        UserError: a caption is not text, holds half a character, or breaks the line.
    """
    bad = [(name, _fault(caption)) for name, caption in predictions.items() if _fault(caption)]
    if bad:
        name, fault = bad[0]
        raise UserError(f"the caption of image {shortened(name)} {fault} ({len(bad)} such)")


def _fault(caption: Any) -> str:
    """Return what is wrong with a caption, or an empty text."""
    if not isinstance(caption, str):
        return f"is {shortened(caption)}; expected text"
    if caption.isascii() and caption.isprintable():
        return ""
    if found := LINE_SEPARATOR.search(caption):
        return f"holds the line separator {found[0]!r}; put a space in its place"
    try:
        caption.encode()
    except UnicodeEncodeError as error:
        return f"holds {caption[error.start]!r}, half of a character; remove it"
    return ""
