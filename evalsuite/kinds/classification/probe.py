"""Features of a frozen backbone, computed once and then read instead of the images."""

from collections.abc import Callable, Sequence
from tempfile import NamedTemporaryFile

import torch
from torch import Tensor

from evalsuite.contracts.benchmark import SampleId


class FeatureStore:
    """One vector a training sample, in a temporary file that reading processes share.

    They are forked after this is made, and see at once what the training process writes. A killed
    run computes them again.
    """

    def __init__(self, ids: Sequence[SampleId], width: int) -> None:
        self._slots = {name: slot for slot, name in enumerate(ids)}
        # A mapped file, because 1.3 million vectors are more than most /dev/shm hold; without a
        # name it vanishes with the last process.
        with NamedTemporaryFile(prefix="evalsuite-features-") as file:
            size = len(ids) * width
            vectors = torch.from_file(file.name, shared=True, size=size, dtype=torch.float32)
        self._vectors_ND = vectors.view(len(ids), width)
        self._known_N = torch.zeros(len(ids), dtype=torch.bool)
        self._known_N.share_memory_()  # type: ignore[no-untyped-call]

    def slot(self, name: SampleId) -> int:
        """Return the place of a sample."""
        return self._slots[name]

    def holds(self, slot: int) -> bool:
        """Return whether a sample's vector is known."""
        return bool(self._known_N[slot])

    def filled(
        self, slot_B: Tensor, image_BCHW: Tensor, compute: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """Return the vectors `[B, D]` of samples, computed from their images where not known."""
        slots = slot_B.cpu()
        new_B = ~self._known_N[slots]
        if new_B.any():
            with torch.no_grad():
                computed = compute(image_BCHW[new_B.to(image_BCHW.device)])
            self._vectors_ND[slots[new_B]] = computed.float().cpu()
            self._known_N[slots[new_B]] = True
        return self._vectors_ND[slots].to(image_BCHW.device)
