import hashlib
import io
import subprocess
import sys
from pathlib import Path

import pytest
import sentencepiece
from transformers import XLMRobertaTokenizer

from evalsuite.data.text import Tokenizer
from evalsuite.records.errors import UserError

SENTENCES = [
    "A man in a red shirt is riding a brown horse.",
    "Two dogs, one of them black, run along the beach!",
    "What colour is the umbrella that she holds?",
    "There are three open umbrellas in the left image and none in the right one.",
    "the  cat   sat\ton the mat ",
    "Größe 東京 ☂ never seen",
    "",
]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model as BEiT-3's: unigram, cased, 0 unknown, 1 <s>, 2 </s>."""
    folder = tmp_path_factory.mktemp("spm")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES[:4] * 20),
        model_writer=model,
        vocab_size=120,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    # transformers finds a slow tokenizer's file by this name only.
    path = folder / "sentencepiece.bpe.model"
    path.write_bytes(model.getvalue())
    return path


@pytest.mark.parametrize("sentence", SENTENCES)
def test_ids_and_text_equal_transformers(model_file: Path, sentence: str) -> None:
    ours = Tokenizer(model_file)
    theirs = XLMRobertaTokenizer.from_pretrained(model_file.parent)
    ids = ours.encode(sentence, 64)
    assert ids == theirs(sentence)["input_ids"]
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)


def test_special_ids_are_fairseqs(model_file: Path) -> None:
    tokenizer = Tokenizer(model_file)
    theirs = XLMRobertaTokenizer.from_pretrained(model_file.parent)
    ours = (tokenizer.bos_id, tokenizer.pad_id, tokenizer.eos_id, tokenizer.unknown_id)
    assert ours == (0, 1, 2, 3)
    assert (tokenizer.mask_id, tokenizer.vocab_size) == (theirs.mask_token_id, len(theirs))


def test_long_text_is_cut_and_keeps_its_end_mark(model_file: Path) -> None:
    tokenizer = Tokenizer(model_file)
    whole = tokenizer.encode(SENTENCES[0], 64)
    assert tokenizer.encode(SENTENCES[0], 8) == [*whole[:7], tokenizer.eos_id]


def test_an_empty_text_is_begin_and_end(model_file: Path) -> None:
    assert Tokenizer(model_file).encode("", 64) == [0, 2]


def test_ids_without_a_piece_are_left_out_of_text(model_file: Path) -> None:
    tokenizer = Tokenizer(model_file)
    ids = tokenizer.encode("red horse", 64)
    assert tokenizer.decode([*ids, 1, 1, tokenizer.mask_id, 64_009]) == "red horse"


def test_fewer_than_two_tokens_are_refused(model_file: Path) -> None:
    with pytest.raises(ValueError, match="alone take 2"):
        Tokenizer(model_file).encode("red", 1)


def test_the_file_is_known_by_its_sha256(model_file: Path) -> None:
    digest = hashlib.sha256(model_file.read_bytes()).hexdigest()
    assert Tokenizer(model_file).sha256 == digest


def test_missing_and_damaged_files_are_named(model_file: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.spm: no such file"):
        Tokenizer(tmp_path / "absent.spm")
    for name, content in (("cut.spm", model_file.read_bytes()[:200]), ("empty.spm", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=name):
            Tokenizer(tmp_path / name)


def test_reading_text_needs_neither_torch_nor_transformers() -> None:
    check = "import sys, evalsuite.data.text; print({'torch', 'transformers'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True)
    assert shown.stdout.strip() == "set()"
