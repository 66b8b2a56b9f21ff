"""The tiny world's own sentencepiece model: every word of its texts is one piece.

To train it again (after a new word): `python -m evalsuite.tinyworld.tokenizer`.
"""

import io
import string
from pathlib import Path

import numpy as np
import sentencepiece

from evalsuite.tinyworld.captions import captions
from evalsuite.tinyworld.files import write_bytes
from evalsuite.tinyworld.humans import words_said
from evalsuite.tinyworld.questions import question
from evalsuite.tinyworld.scene import scene
from evalsuite.tinyworld.statements import claim, worded

SPACE = "\u2581"  # sentencepiece's mark of a word's beginning
# The model holds whole words and single characters, so that other text is spelt, not lost.
CHARACTERS = string.ascii_letters + string.digits + string.punctuation + SPACE
NUM_SCENES = 3000  # enough for every wording to come up many times
TRAINING_STREAM = 0  # no image folder's
# Words that no text of today holds, kept whole for the texts of tomorrow.
SPARE_WORDS = """
zero four five six seven eight nine ten none nothing many some any all other same different only
not orange pink black white brown dark light striped plain tiny medium huge bigger smaller larger
than more fewer less boxes blocks circles hoops pyramids shapes lines stripes row column diagonal
opposite neither either every as for from into up down far close next was were it its they their
tree house stone road wall floor star stars photos pictured showing seen lying standing floating
bright pale colorful simple single pair couple group few under behind front between near beside
around middle center side inside outside photo photograph drawing image images picture pictures
scene sky sun cloud road crowd dots colour color colors this that these those here which who why
what how does do has have can you see show shows with without
"""


def tokenizer_path() -> Path:
    """Return the path of the shipped model."""
    return Path(__file__).with_name("tokenizer.spm")


def training_texts() -> list[str]:
    """Return the texts that the model is trained on: questions, captions, statements."""
    rng = np.random.default_rng(TRAINING_STREAM)
    texts: list[str] = []
    for index in range(NUM_SCENES):
        one = scene(0, TRAINING_STREAM, index)
        texts += [question(one, rng).text, worded(claim(rng), rng), *captions(one)]
    return texts


def whole_words(texts: list[str]) -> list[str]:
    """Return the words that are one piece each: of texts, answers and the spare ones."""
    words = {word for text in texts for word in text.translate(NO_MARKS).split()}
    words |= {word for said in words_said() for word in said.split()}
    return sorted(words | set(SPARE_WORDS.split()))


def train_tokenizer() -> bytes:
    """Return a newly trained model; the same bytes on every run with the same sentencepiece."""
    texts = training_texts()
    words = whole_words(texts)
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts + words),
        model_writer=model,
        model_type="bpe",
        # Three special ids as beit3.spm has them: 0 <unk>, 1 <s>, 2 </s>.
        vocab_size=3 + len(words) + len(CHARACTERS),
        user_defined_symbols=[SPACE + word for word in words],
        normalization_rule_name="identity",
        required_chars=CHARACTERS,
        unk_id=0,
        bos_id=1,
        eos_id=2,
        pad_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


NO_MARKS = str.maketrans("", "", ",.?")

if __name__ == "__main__":
    write_bytes(tokenizer_path(), train_tokenizer())
