# ruff: noqa: RUF001 - odd characters are what these cases are for
"""Make captions.json: captions with the tokens and scores of pycocoevalcap and its jars.

Needs Java; the METEOR jar takes some ten seconds for each set. No caption is of a real data set.
Run `python tests/golden/make_captions.py`.
"""

import json
from pathlib import Path
from typing import Any

from evalsuite.metrics.captions.official import Captions, official_scores, official_tokens

# Each is one text to the tokenizer: tokens depend on the next line.
LINES = {
    "brackets": ["a sign (left) [and] {right} <b>bold</b> -LRB- x", "((a)) [b](c)"],
    "punctuation": [
        "Wow!! What?! a dog, a cat; and: so - well -- yes...",
        ". . . end ....",
        "a.b.c",
    ],
    "contractions": ["don't can't isn't cannot gonna y'all it's dogs' 'tis o'clock", "rock'n'roll"],
    "quotes": ["\"hello\" 'world' ``x'' “curly” ‘one’ «two» it’s", "5'10\" tall", "the '90s"],
    "line ends": [
        "food etc.",
        "The end.",
        "by U.S.",
        "the man",
        "of Mr.",
        "Smith Jr.",
        "etc. Inc.",
    ],
    "next line lower": ["food etc.", "and more"],
    "abbreviations": [
        "St. John Ave. in the U.S. The dog. Dr. No. 5 vs. Mt. Rt. 66 a.m. P.M. e.g. x"
    ],
    "numbers": [
        "1,000.50 -3 +4 1/2 2 1/2 3.14.15 10:30 5th 1990s 12/25/2014",
        "555-123-4567",
        "½ 5½",
    ],
    "currency": ["$5 £6 €7 ¥8 5¢ US$9 #3 10% & &amp; AT&T R&D"],
    "hyphens": ["t-shirt well-known co-op 5-year-old pro-life anti-war x--y -- --- ----- – — a -b"],
    "links": ["http://a.com/b?c=d, www.foo.co.uk foo.com x@y.org @me #tag a.jpg. and/or a/b/c w/o"],
    "faces": [":) :-( ;D =P ^_^ (-_-) :o x:D", "8) <3 :)x"],
    "unicode": [
        "café naïve Ñandú Straße 中文 日本語 한국 ١٢٣ ™ ® © ° ×",
        "İstanbul ſ \u212a \u00ad co\u00adop",
    ],
    "emoji": ["a dog 😀 and 👍🏽cat🐈", "😀", "\U0001d400bc \u200d\ufe0f"],
    "spaces": [
        "  two  spaces ",
        "a\tb",
        "no\u00a0break 1\u00a01/2",
        "",
        " ",
        "line\nbreak",
        "\u3000x\u200b",
    ],
    "symbols": [
        "a + b = c * d ~ e ^ f | g \\ h _ __ @@ ## \x00 \x7f ... …",
        "<a href='x'>y</a> a<b>c",
    ],
    "separators": ["one\rtwo", "three\u2028four", "five", "six\r", "seven"],
}
SETS: dict[str, tuple[list[list[str]], list[str]]] = {
    "plain": (
        [
            ["A man rides a big wave on a surfboard.", "A surfer riding on the ocean."],
            ["Two dogs play with a ball in the park.", "Dogs are playing outside.", "A park."],
            ["A woman is cutting a cake at the table.", "The lady slices cake."],
            ["A red bus driving down the street.", "A bus drives on a city road.", "Red coach"],
        ],
        [
            "a man riding a wave on a surfboard",
            "two dogs playing with a ball in a park",
            "a person slicing a pie on a table",
            "a cat sleeps on a bed",
        ],
    ),
    "one image": ([["a dog runs", "the dog is running"]], ["a dog runs"]),
    "empty captions": (
        [["", "a dog"], ["a cat"], [".", ""], ["", ""]],
        ["", "", "a bird", "..."],
    ),
    "repeated words": (
        [["the the the cat", "the cat the cat"], ["a a b b a a", "b a"], ["x x x x x x", "x"]],
        ["the the the the the the", "a a a b a a b b a", "x x x"],
    ),
    "ties of length": (
        [["a b c", "a b c d e"], ["a b c d e f g", "a b c"], ["q r s t", "q r s t"]],
        ["a b c d", "a b c d e", "q r s t"],
    ),
    "identical": (
        [["a man on a horse"], ["two birds in the sky"], ["a plate of food"]],
        ["a man on a horse", "two birds in the sky", "a plate of food"],
    ),
    "nothing shared": ([["a dog"], ["some food"], ["the sky"]], ["xyz", "qqq www", "zzz"]),
    "long captions": (
        [["the dog " * 40 + "ends", "a short one"], ["w " * 30, "v w " * 50], ["a b", "c"]],
        ["a dog and the dog " * 20, "w v " * 45, "a b " * 16],
    ),
    "odd tokens": (
        [
            ["2 1/2 cups of U.S. flour, don't spill", "1 1/2 cups (left) of co-op flour"],
            ["x@y.org and http://a.com/b ||| c", "a|||b 5'10 -lrb- '90s e.g. no. 5 i.e. vs."],
            ["the man's t-shirt says «stop» £5", "p.m. 10:30 ... etc."],
        ],
        [
            "2 1/2 cups of us flour (left)",
            "http://a.com/b ||| x@y.org no. 5 vs. e.g. x",
            "mans t-shirt says 'stop' etc. . . p.m.",
        ],
    ),
}


def main() -> None:
    """Write the golden file beside this script."""
    tokens = {name: official_tokens({0: lines})[0] for name, lines in LINES.items()}
    lines = {name: {"lines": LINES[name], "tokens": tokens[name]} for name in LINES}
    sets = {name: _scored(*captions) for name, captions in SETS.items()}
    content = json.dumps({"lines": lines, "sets": sets}, indent=1)
    Path(__file__).with_name("captions.json").write_text(content + "\n")


def _scored(references: list[list[str]], hypotheses: list[str]) -> dict[str, Any]:
    groups: Captions = official_tokens(dict(enumerate(references)))
    said: Captions = official_tokens({name: [one] for name, one in enumerate(hypotheses)})
    scores: dict[str, Any] = {}
    for name in ("bleu_1", "rouge_l", "cider", "meteor"):
        for score, found in official_scores(name, groups, said).items():
            scores[score] = {"corpus": found.corpus, "images": found.per_image_N.tolist()}
    return {"references": references, "hypotheses": hypotheses, "scores": scores}


if __name__ == "__main__":
    main()
