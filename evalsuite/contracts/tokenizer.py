"""What a task asks of a backbone's tokenizer."""

from collections.abc import Iterable
from typing import Protocol


class Tokenizer(Protocol):
    """Words to ids and back.

    Attributes:
        bos_id, pad_id, eos_id, unknown_id, mask_id: the special ids.
        vocab_size: ids are below it.
        sha256: of what the pieces were read from.
    """

    bos_id: int
    pad_id: int
    eos_id: int
    unknown_id: int
    mask_id: int
    vocab_size: int
    sha256: str

    def encode(self, text: str, max_tokens: int) -> list[int]:
        """Return the ids of a text with its specials, at most `max_tokens`, never padded."""

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, specials left out."""
