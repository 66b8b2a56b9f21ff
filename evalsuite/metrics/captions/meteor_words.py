"""Captions in METEOR's own words (its option -norm for English), so that the jar need not do it.

The rules are those of Moses' tokenizer with METEOR's additions: quotes and dashes are unified,
words split at dashes, and acronyms lose their dots. Equal to the jar's on generated and fuzzed
captions. Source: github.com/cmu-mtlab/meteor, edu/cmu/meteor/util/Normalizer.java.
"""

import re
import zipfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

LETTERS = (
    "A-Za-z\u0160\u017d\u0161\u017e\u0178\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u017e\u0400-\u04ff"
    "\u0500-\u0527\ua640-\ua66e\ua67e-\ua697\u1d00-\u1d7f"
)
PLAIN = re.compile("[a-z0-9 ]*")
# Java's \s is ASCII's.
APART = re.compile(rf"([^0-9{LETTERS}\s.'`,\-\u2018\u2019])", re.ASCII)
DOTS = re.compile(r"\.(\.+)")
DOTS_END = re.compile(r"DOTMULTI\.([^.])", re.DOTALL)
STEPS = [
    (re.compile(pattern, re.DOTALL), replacement)
    for pattern, replacement in (
        (r"([^0-9]),([^0-9])", r"\1 , \2"),
        (r"([0-9]),([^0-9])", r"\1 , \2"),
        (r"([^0-9]),([0-9])", r"\1 , \2"),
        (r"[`\u2018\u2019]", "'"),
        (r"[\u201c\u201d]|''", ' " '),
        ("\u2013", "-"),
        ("--", "-"),
        (rf"([0-9{LETTERS}.])-([0-9{LETTERS}])", r"\1 \2"),
        (rf"([^{LETTERS}])'([^{LETTERS}])", r"\1 ' \2"),
        (rf"([^{LETTERS}0-9])'([{LETTERS}])", r"\1 ' \2"),
        (rf"([{LETTERS}])'([^{LETTERS}])", r"\1 ' \2"),
        (rf"([{LETTERS}])'([{LETTERS}])", r"\1 '\2"),
        (r"([0-9])'(s)", r"\1 '\2"),
    )
]
WORDS = re.compile("[^ \t\n\r\f]+")
LETTER = re.compile(f"[{LETTERS}]")
SPACES = re.compile("[ \u00a0\u2000-\u200a\u202f\u205f\u3000]+")
TRIMMED = "".join(map(chr, range(0x21)))  # what Java's trim() takes away
NUMERIC_ONLY = "#NUMERIC_ONLY#"


@lru_cache(maxsize=2)
def prefixes_in(jar: Path) -> Mapping[str, bool]:
    """Return METEOR's abbreviations that keep their dot; True where only before a number."""
    with zipfile.ZipFile(jar) as archive:
        lines = archive.read("nonbreaking/english.prefixes").decode().splitlines()
    fields = [line.split() for line in lines]
    return {
        words[0]: words[1:2] == [NUMERIC_ONLY]
        for words in fields
        if words and not words[0].startswith("#")
    }


def meteor_words(caption: str, prefixes: Mapping[str, bool]) -> str:
    """Return a tokenised caption in the words that METEOR compares, between single spaces."""
    if PLAIN.fullmatch(caption):
        return " ".join(caption.split())
    text = APART.sub(r" \1 ", f" {caption} ")
    text = DOTS.sub(r" DOTMULTI\1", text)
    while "DOTMULTI." in text:
        text = DOTS_END.sub(r"DOTDOTMULTI \1", text).replace("DOTMULTI.", "DOTDOTMULTI")
    for pattern, replacement in STEPS:
        text = pattern.sub(replacement, text)
    words = WORDS.findall(text)
    behind = [*words[1:], ""]
    pairs = zip(words, behind, strict=True)
    text = " ".join(_with_final_dot(word, after, prefixes) for word, after in pairs)
    while "DOTDOTMULTI" in text:
        text = text.replace("DOTDOTMULTI", "DOTMULTI.")
    return SPACES.sub(" ", text.replace("DOTMULTI", ".")).strip(TRIMMED)


def _with_final_dot(word: str, after: str, prefixes: Mapping[str, bool]) -> str:
    """Return a word whose final dot is kept, dropped with the others, or split off."""
    if len(word) < 2 or not word.endswith("."):
        return word
    stem = word[:-1]
    if "." in stem and LETTER.search(stem):
        return word.replace(".", "")
    is_before_lower, is_before_number = "a" <= after[:1] <= "z", "0" <= after[:1] <= "9"
    is_kept = is_before_lower or (stem in prefixes and (is_before_number or not prefixes[stem]))
    return word if is_kept else f"{stem} ."
