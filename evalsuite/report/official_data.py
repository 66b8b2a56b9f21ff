"""Whether the samples of a split are the official ones, as far as counts, ids and digests tell."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evalsuite.contracts.benchmark import SampleId, Split
from evalsuite.data.reading import read_bytes


def official_check(split: Split, ids: Sequence[SampleId], data: Path) -> dict[str, Any]:
    """Return what run.json says of a split's samples.

    `size` counts them, `checked` says what was compared, and `unlike` why they are not the official
    ones, or None. What an annotation file says is compared where its card has a digest. Sources
    print those of the archives oftener (torchvision of ImageNet's, ParlAI of VQAv2's questions and
    annotations, GluonCV of ADE20K's), which nobody keeps beside what came out of them; a digest of
    the files inside was not found, nor one of nocaps. There labels that somebody changed go unseen,
    and images everywhere.
    """
    known: dict[str, Any] = {"size": len(ids), "checked": f"{len(ids):,} samples", "unlike": None}
    if split.num_samples is None:
        return {**known, "unlike": "the official number of samples is not published"}
    if len(ids) != split.num_samples:
        unlike = f"{len(ids):,} samples where the official split has {split.num_samples:,}"
        return {**known, "unlike": unlike}
    if split.ids is not None:
        pattern = re.compile(split.ids.pattern)
        strange = next((one for one in ids if not pattern.fullmatch(str(one))), None)
        if strange is not None:
            name = f"{str(strange)[:60]!r}"
            unlike = f"the id {name} is not official, such as {split.ids.example}"
            return {**known, "unlike": unlike}
        known["checked"] += ", ids as in the official files"
    for file in split.files:
        if file.sha256 is None:
            continue
        found = hashlib.sha256(read_bytes(data / file.path, file.what, file.source)).hexdigest()
        if found != file.sha256:
            unlike = f"{file.path} is not the official file, whose sha256 is {file.sha256[:12]}..."
            return {**known, "unlike": unlike}
        known["checked"] += f", {file.path} by its sha256"
    return known
