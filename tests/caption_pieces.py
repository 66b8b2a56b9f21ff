"""Pieces of captions on which tokenizers differ, and captions fuzzed from them."""
# ruff: noqa: RUF001 - odd characters are what this is for

import random
from collections.abc import Sequence

SEPARATORS = ("\r", "\r\n", "\u2028", "\u000b", "\u000c", "\u0085", "a\r", ".\r")
SPACES = ("\u00a0", "\u2003", "\u3000", "\t", "\u200b", "\ufeff", " ", "")
SIGNS = ("\u00ad", "\x7f", "\0", "\x01", "A\u00adB", "co\u00adop-ed", "\u212aelvin")
TEXT = r"""
a The dog cannot GONNA don't can't it's dogs' 'tis 'Twas y'all U.S. U.S u.s. St. Ave. Mr. Mrs Jr.
etc. etc Inc. Corp. Ltd. pty. co. Jan. Mon. fig. ca. no. Prop. 1 1/2 3 1,000 10.5 .5 -3 +4 2
12/25/2014 12-25-14 (555) 555-1234 555.555.1234 $ $5 US$ £ € ¥ ¢5 ½ ⅛ 5½ % & &amp; AT&T R&D
&quot; &apos; &lt; &gt; &nbsp; &mdash; &#39; &aacute; ( ) [ ] { } < > << >> <a> </b> <br/>
<a_href='x> <b c='d'> " ' ` '' `` “ ” ‘ ’ « » … . .. ... .... ...... ? ! ?! !! , ; : :) ;-) :D
=P ^_^ (-_-) - -- --- ---- ----- – — _ __ @ @me #tag # * ** / \ and/or a/b www.foo.co.uk
http://a.com/x?y=1, foo.com x@y.org <x@y.org> foo.jpg a.b.C.D t-shirt e-mail pro-life anti-war
S&P-500 Cap'n c'est l'eau d'Arc O'Neil rock'n'roll '90s 90's '05 don’t it’s n't 's 'll o'clock
li'l s'mores 'em 'til I. A. B. Z.The He It In A I é Ñandú ÉCOLE Straße İstanbul ıŞ ſ 中文 日本語
한국어 עברית ٣ 😀 👍🏽 𝐀 ® ™ © ° x² ₂ † ~ ^ | + = c++ C# f# a&b xx.[^x=y x.[^x= -LRB- -rrb- C.D.s
Ph.D. Ed.D. a.k.a. vs. P.M. a.m. Canada-U.S. non-U.S. U.S.-U.K. well-known x-ray. 5-year-old 3-D
A-1 y.x, !x a.b.c. ’90s ‘’ "A "" '"'
"""
PIECES = (*TEXT.split(), *SPACES, *SIGNS)
LETTERS = "abzAIUSt.,'\"-/:;!?()[]{}<>&@#$%*_ 019\\=^~|+`\u00ad’“é"


def fuzzed_captions(seed: int, count: int, pieces: Sequence[str] = PIECES) -> list[str]:
    """Return made captions: pieces with and without spaces, random letters, random characters."""
    generator = random.Random(seed)
    return [_fuzzed(generator, pieces) for _ in range(count)]


def _fuzzed(generator: random.Random, pieces: Sequence[str]) -> str:
    kind = generator.random()
    if kind < 0.5:
        return " ".join(generator.choices(pieces, k=generator.randint(0, 9)))
    if kind < 0.7:
        count = generator.randint(1, 8)
        return "".join(
            generator.choice(pieces) + generator.choice(("", " ", "", ". ")) for _ in range(count)
        )
    if kind < 0.95:
        return "".join(generator.choices(LETTERS, k=generator.randint(1, 25)))
    ends = (0x250, 0x3000, 0xD800, 0xD800)
    codes = [generator.randrange(0x20, generator.choice(ends)) for _ in range(12)]
    # A sigma's lower case within a token is the known difference, and the others shift captions.
    return "".join(chr(code) for code in codes if chr(code) not in "\u03a3\u0085\u2028\u2029")
