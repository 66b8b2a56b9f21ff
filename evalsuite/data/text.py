"""BEiT-3's tokenizer: SentencePiece pieces under fairseq's ids."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import sentencepiece

from evalsuite.records.errors import UserError

BOS, PAD, EOS, UNKNOWN = 0, 1, 2, 3
# A file's own first ids are 0 unknown, 1 <s>, 2 </s>; fairseq has <s>, <pad>, </s>, unknown first.
SHIFT = 1
NUM_FILE_SPECIALS = 3


class Tokenizer:
    """Words to ids and back, equal to transformers' slow XLMRobertaTokenizer on the same file.

    Attributes:
        bos_id, pad_id, eos_id, unknown_id, mask_id: the special ids.
        vocab_size: ids are below it; BEiT-3's 64002 is less than its embedding's 64010 rows.
        sha256: of the file.
    """

    bos_id = BOS
    pad_id = PAD
    eos_id = EOS
    unknown_id = UNKNOWN

    def __init__(self, path: Path) -> None:
        """Read a SentencePiece model file (`beit3.spm`).

        Raises:
            UserError: the file is missing, damaged, or its first pieces are not those expected.
        """
        if not path.is_file():
            raise UserError(
                f"{path}: no such file; expected BEiT-3's SentencePiece model, beit3.spm "
                "(among its released files)"
            )
        content = path.read_bytes()
        try:
            self._pieces = sentencepiece.SentencePieceProcessor()
            self._pieces.LoadFromSerializedProto(content)
        except RuntimeError:
            raise UserError(f"{path}: not a SentencePiece model; download it again") from None
        specials = [self._pieces.id_to_piece(i) for i in range(NUM_FILE_SPECIALS)]
        if specials != ["<unk>", "<s>", "</s>"]:
            raise UserError(f"{path}: begins with {specials}, expected <unk>, <s>, </s>")
        # The pieces shifted by one, and the mask after the last of them.
        self.vocab_size = self._pieces.get_piece_size() + SHIFT + 1
        self.mask_id = self.vocab_size - 1
        self.sha256 = hashlib.sha256(content).hexdigest()

    def encode(self, text: str, max_tokens: int) -> list[int]:
        """Return `<s>`, the text's ids cut to fit, `</s>`: at most `max_tokens`, never padded.

        An empty text is `<s> </s>`; the official loader stops there instead.

        Raises:
            ValueError: there is no room for the two specials.
        """
        if max_tokens < 2:
            raise ValueError(f"max_tokens {max_tokens}: <s> and </s> alone take 2")
        ids = [UNKNOWN if i == 0 else i + SHIFT for i in self._pieces.encode(text)]
        return [BOS, *ids[: max_tokens - 2], EOS]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text of ids, specials and ids without a piece left out."""
        last = self._pieces.get_piece_size() + SHIFT
        text: str = self._pieces.decode([i - SHIFT for i in ids if UNKNOWN < i < last])
        return text
