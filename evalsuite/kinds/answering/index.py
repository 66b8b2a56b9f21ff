"""References of a split, kept between calls for files that take seconds to read."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from zipfile import BadZipFile

import msgspec
import numpy as np

from evalsuite.data.reading import read_bytes
from evalsuite.kinds.answering.files import read_annotations
from evalsuite.metrics.vqa.references import VqaReferences, index_annotations
from evalsuite.records.cache import cache_folder
from evalsuite.records.files import renamed_at_the_end

VERSION = 2  # of the saved form and of the normalisation that it holds
SMALLEST_KEPT = 4 << 20  # bytes of an annotation file; smaller ones are read in no time
ARRAYS = ("answers", "unanimous", "question_type", "answer_type")
TEXTS = ("question_ids", "image_ids", "strings", "question_types", "answer_types")


def load_references(annotations: Path, source: str) -> VqaReferences:
    """Return the references of an annotation file, from the saved index where there is one.

    The index is named by the file's content, so that a changed file is read anew. It lies in
    $EVALSUITE_CACHE, or ~/.cache/evalsuite; where that cannot be written, there is none.

    Args:
        source: where the file is fetched, for the message where it is not there.

    Raises:
        UserError: the file is missing or malformed.
    """
    if not annotations.is_file() or annotations.stat().st_size < SMALLEST_KEPT:
        return index_annotations(read_annotations(annotations, source))
    with annotations.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    kept = cache_folder() / f"vqa-{VERSION}-{digest}.npz"
    references = _read(kept)
    if references is None:
        content = read_bytes(annotations, "the VQA annotations", source)
        references = index_annotations(read_annotations(annotations, source, content))
        if not references.odd:
            _write(kept, references)
    return references


def _read(path: Path) -> VqaReferences | None:
    """Return the saved references, or None where they are missing or damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as saved:
            arrays = {name: saved[name] for name in ARRAYS}
            texts = {name: msgspec.json.decode(saved[name].tobytes()) for name in TEXTS}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    return VqaReferences(**arrays, **texts, odd={})


def _write(path: Path, references: VqaReferences) -> None:
    """Save the references whole, or not at all where that fails."""
    arrays = {name: getattr(references, name) for name in ARRAYS}
    texts = {name: json.dumps(getattr(references, name)).encode() for name in TEXTS}
    saved = arrays | {name: np.frombuffer(text, np.uint8) for name, text in texts.items()}
    with suppress(OSError), renamed_at_the_end(path) as temporary, temporary.open("wb") as stream:
        np.savez(stream, **saved)
