"""Whether the samples of a split are the official ones, as far as their number and ids tell."""

import re
from collections.abc import Sequence
from typing import Any

from evalsuite.benchmark import SampleId, Split


def official_check(split: Split, ids: Sequence[SampleId]) -> dict[str, Any]:
    """Return what run.json says of a split's samples.

    `size` counts them, `checked` says what was compared, and `unlike` why they are not the official
    ones, or None. The contents of annotation files are not compared: no public source prints
    digests of the files as they are unpacked.
    """
    known: dict[str, Any] = {"size": len(ids), "checked": f"{len(ids):,} samples", "unlike": None}
    if split.num_samples is None:
        return {**known, "unlike": "the official number of samples is not published"}
    if len(ids) != split.num_samples:
        unlike = f"{len(ids):,} samples where the official split has {split.num_samples:,}"
        return {**known, "unlike": unlike}
    if split.ids is None:
        return known
    pattern = re.compile(split.ids.pattern)
    strange = next((one for one in ids if not pattern.fullmatch(str(one))), None)
    if strange is not None:
        name = f"{str(strange)[:60]!r}"
        unlike = f"the id {name} is not official, such as {split.ids.example}"
        return {**known, "unlike": unlike}
    return {**known, "checked": f"{known['checked']}, ids as in the official files"}
