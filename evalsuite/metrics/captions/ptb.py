"""Captions as the official scorers tokenise them: CoreNLP's PTBTokenizer, lower case, no Java.

Equal to pycocoevalcap's PTBTokenizer: stanford-corenlp-3.4.1 with `-preserveLines -lowerCase`, then
its list of dropped punctuation. The automaton was compared with the jar's own state by state, and
the tokens with the jar's on generated and fuzzed captions. Its oddities are kept: brackets stay as
"-lrb-", a token depends on the beginning of the next line ("etc."), and a line separator such as
U+2028 within a caption shifts all captions after it.

Two differences are known, both in the lower case of a letter: of a capital sigma that ends a part
of a token with digits or hyphens in it (Java asks its own word boundaries whether it is final), and
of letters that are newer than the Unicode version of either the Java or the Python at hand.
"""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import accumulate

from evalsuite.metrics.captions.ptb_actions import ACTIONS, NEWLINE, RETURNED
from evalsuite.metrics.captions.ptb_automaton import Automaton
from evalsuite.metrics.captions.ptb_grammar import PARTS, RULES

# pycocoevalcap/tokenizer/ptbtokenizer.py PUNCTUATIONS. The brackets in it are dead: tokens are
# lower case by then.
# fmt: off
DROPPED = frozenset([
    "''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-",
    ".", "?", "!", ",", ":", "-", "--", "...", ";",
])
# fmt: on
# Words that one rule splits; every other word of plain letters is one token whatever follows.
SPLIT_WORDS = frozenset(["cannot", "gonna", "gotta", "lemme", "gimme", "wanna"])
UNDECIDED = "\ufdd0"  # marks a line whose tokens depend on more than one chunk
OTHER_SEPARATOR = re.compile("[\r\u000b\u000c\u0085\u2028\u2029]")
ASTRAL = re.compile("[\U00010000-\U0010ffff]")
SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")


def tokenize(captions: Sequence[str]) -> list[str]:
    """Return every caption's tokens, separated by single spaces, punctuation dropped.

    The captions are one text to the tokenizer, in the order given: an abbreviation at the end of
    one is read in the light of the next.
    """
    if not captions:
        return []
    text = "\n".join(caption.replace("\n", " ") for caption in captions)
    lexer = _lexer()
    if ASTRAL.search(text):
        lines = tokenize_units(lexer, ASTRAL.sub(_pair, text))
        # Only now do letters beyond the basic plane find their lower case.
        return [_joined_pairs(line).lower() for line in lines[: len(captions)]]
    return tokenize_units(lexer, text)[: len(captions)]


def tokenize_units(lexer: "Lexer", text: str) -> list[str]:
    """Return the tokens of each line of a text of UTF-16 units."""
    if OTHER_SEPARATOR.search(text):
        return lexer.all_lines(text)
    chunks = text.replace("\n", "\n ").split(" ")
    # The last line has no newline, so that its tokens are found on their own below.
    marked = "".join(map(lexer.chunks.__getitem__, chunks[:-1])) + UNDECIDED
    lines = marked.replace(" \n", "\n").split("\n")
    starts = [0, *accumulate(len(line) + 1 for line in text.split("\n"))]
    for index in _marked_lines(marked):
        line = lexer.line(text, starts[index])
        if line is None:
            return lexer.all_lines(text)
        lines[index] = line
    return lines


def _marked_lines(marked: str) -> Iterator[int]:
    """Yield the numbers of the lines with an undecided chunk, the last line among them."""
    index, before, at = -1, 0, marked.find(UNDECIDED)
    while at >= 0:
        passed = marked.count("\n", before, at)
        if passed or index < 0:
            index = max(index, 0) + passed
            yield index
        before, at = at, marked.find(UNDECIDED, at + 1)


class Lexer:
    """Finds tokens in a text; remembers what every chunk between two spaces gave."""

    def __init__(self) -> None:
        self.automaton = Automaton([(rule.pattern, rule.context) for rule in RULES], PARTS)
        self.actions = [ACTIONS.get(rule.action) for rule in RULES]
        self.returned = [RETURNED.get(rule.action, 0) for rule in RULES]
        self.has_context = [bool(rule.context) for rule in RULES]
        self.chunks = Chunks(self)

    def tokens(
        self, text: str, at: int, stop: int, *, is_whole: bool
    ) -> tuple[list[str], int] | None:
        """Return the tokens that begin in text[at:stop], and where the last one ends.

        Returns None where they may depend on what follows a text that is not whole.
        """
        found: list[str] = []
        start, size = self.automaton.start, len(text)
        while at < stop:
            state, end, rule, ahead = start, at, -1, at
            while True:
                if ahead == size:
                    if not is_whole:
                        return None
                    break
                state = state[text[ahead]]
                ahead += 1
                if state.rule is not None:
                    end, rule = ahead, state.rule
                if not state.follow:
                    break
            at = self._take(found, rule, text, at, end)
        return found, at

    def _take(self, found: list[str], rule: int, text: str, at: int, end: int) -> int:
        """Append what a match becomes; return where the next begins."""
        match = text[at:end]
        if self.has_context[rule]:
            match = match[: self.automaton.body_length(rule, match)]
        end = at + len(match) - self.returned[rule]
        if RULES[rule].action == "acronym_end":
            # "I." before a capital is a word and a period; of a longer acronym the period is
            # read a second time.
            end = at + len(match) - 1
            match = match[:1] if len(match) == 2 else match
        elif RULES[rule].action.startswith("split"):
            match = text[at:end]
        action = self.actions[rule]
        token = match if action is None else action(match)
        if token:
            found.append(token)
        return end

    def line(self, text: str, start: int) -> str | None:
        """Return the kept tokens of the line at `start`; None if a token crosses its end.

        Any token's end is as good a beginning as the line's: the chunks that are decided keep
        their tokens, and only the others are read in the light of what follows.
        """
        stop = text.find("\n", start)
        stop = len(text) if stop < 0 else stop
        found: list[str] = []
        at = start
        while at < stop:
            end = text.find(" ", at, stop)
            chunk = text[at:end] if end >= 0 else text[at : stop + 1]
            end = stop if end < 0 else end
            value = self.chunks[chunk] if end < len(text) else UNDECIDED
            if value.startswith(UNDECIDED):
                tokens, at = self._tokens_to(text, at, end)
                if at > stop:
                    return None
                if tokens and tokens[-1] != tokens[-1].rstrip():
                    tokens, _ = self._tokens_to(text, start, stop)
                    return kept(" ".join(tokens).lower())
                found += [token for token in map(str.lower, tokens) if token not in DROPPED]
            else:
                found.append(value.rstrip(" \n"))
                at = end + 1
        return " ".join(filter(None, found))

    def _tokens_to(self, text: str, at: int, stop: int) -> tuple[list[str], int]:
        result = self.tokens(text, at, stop, is_whole=True)
        assert result is not None
        return result

    def all_lines(self, text: str) -> list[str]:
        """Return the kept tokens of each line that the official tokenizer prints for a text."""
        tokens, _ = self._tokens_to(text, 0, len(text))
        printed: list[str] = []
        separator = ""
        for token in tokens:
            if token == NEWLINE:
                printed.append("\n")
                separator = ""
            else:
                printed += [separator, token.lower()]
                separator = " "
        return [kept(line) for line in "".join(printed).split("\n")]


class Chunks(dict[str, str]):
    """The tokens of a text between two spaces, each with a space behind it.

    The last chunk of a line has its newline, kept in the value. A value is UNDECIDED where the
    tokens depend on more than the chunk and the space behind it.
    """

    def __init__(self, lexer: Lexer) -> None:
        super().__init__()
        self.lexer = lexer

    def __missing__(self, chunk: str) -> str:
        value = self[chunk] = self._value(chunk)
        return value

    def _value(self, chunk: str) -> str:
        body = chunk.removesuffix("\n")
        newline = chunk[len(body) :]
        if body.isalpha() and body.isascii():
            word = body.lower()
            if word not in SPLIT_WORDS:
                return word + " " + newline
        result = self.lexer.tokens(body + (newline or " "), 0, len(body), is_whole=False)
        if result is None or result[1] > len(body):
            return UNDECIDED + newline
        tokens = [token.lower() for token in result[0]]
        if tokens and tokens[-1] != tokens[-1].rstrip():
            return UNDECIDED + newline
        return "".join(token + " " for token in tokens if token not in DROPPED) + newline


def kept(line: str) -> str:
    """Return a printed line without the dropped tokens, as pycocoevalcap reads it."""
    return " ".join([token for token in line.rstrip().split(" ") if token not in DROPPED])


@cache
def _lexer() -> Lexer:
    return Lexer()


def _pair(match: re.Match[str]) -> str:
    """Return a character beyond the basic plane as the two units that Java sees."""
    offset = ord(match[0]) - 0x10000
    return chr(0xD800 + (offset >> 10)) + chr(0xDC00 + (offset & 0x3FF))


def _joined_pairs(line: str) -> str:
    """Return a line with pairs joined; Java prints half a pair as a question mark."""

    def character(match: re.Match[str]) -> str:
        units = match[0]
        if len(units) == 1:
            return "?"
        return chr(0x10000 + ((ord(units[0]) - 0xD800) << 10) + (ord(units[1]) - 0xDC00))

    return SURROGATES.sub(character, line)
