r"""A lexer's automaton: rules as patterns in, longest match out; built lazily, state by state.

Semantics are those of JFlex: at every position the longest match over all rules wins, its trailing
context included, and the earliest rule breaks ties. Patterns know literals (matched in any case),
classes `[...]` (matched as written), groups, `|`, `*`, `+`, `?`, `{m}` and `{m,n}`, and `{name}`
for a named part; in a class `\l` is a letter, `\d` a digit and `\u` an upper-case letter.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from evalsuite.metrics.captions.ptb_unicode import is_digit, is_letter, is_upper

Membership = Callable[[str], bool]
NAMED_CLASSES: dict[str, Membership] = {"l": is_letter, "d": is_digit, "u": is_upper}
# JFlex closes a caseless literal under Unicode case folding, the Turkish i included.
FOLDED = {"i": "iI\u0130\u0131", "k": "kK\u212a", "s": "sS\u017f"}
COUNT = re.compile(r"\{(\d+)(?:,(\d+))?\}")
NAME = re.compile(r"\{([a-z_0-9]+)\}")


class Part(NamedTuple):
    """A piece of a pattern: positions as bits; can it be empty, where can it begin and end."""

    is_nullable: bool
    first: int
    last: int


class Rule(NamedTuple):
    """A compiled rule: its pattern's two halves, the second being trailing context."""

    body: Part
    context: Part | None
    end: int


EMPTY = Part(True, 0, 0)


def bits(mask: int) -> Iterator[int]:
    """Yield the positions in a mask."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


class State(dict[str, "State"]):
    """A state of the automaton: the next state for each character; the dead state is empty."""

    def __init__(self, automaton: "Automaton", mask: int) -> None:
        super().__init__()
        self.automaton = automaton
        self.follow = automaton.followers(mask)
        self.rule = automaton.rule_at(mask)

    def __missing__(self, char: str) -> "State":
        state = self[char] = self.automaton.state(self.follow & self.automaton.positions(char))
        return state


class Automaton:
    """The rules' position automaton, made deterministic as far as the text asks for."""

    def __init__(self, rules: Sequence[tuple[str, str]], names: Mapping[str, str]) -> None:
        """Compile rules given as (pattern, trailing context or empty)."""
        self.follow: list[int] = []
        self.char_positions: dict[str, int] = {}
        self.class_positions: dict[str, int] = {}
        parser = PatternParser(self, names)
        self.rules: list[Rule] = []
        self.ends: dict[int, int] = {}
        for index, (pattern, context) in enumerate(rules):
            body = parser.parse(pattern)
            rest = parser.parse(context) if context else None
            whole = body if rest is None else self.sequence(body, rest)
            self.rules.append(Rule(body, rest, whole.last))
            for position in bits(whole.last):
                self.ends[position] = min(index, self.ends.get(position, index))
        self.end_mask = _union(1 << position for position in self.ends)
        self.memberships = [(membership(text), mask) for text, mask in self.class_positions.items()]
        self.char_masks: dict[str, int] = {}
        self.states: dict[int, State] = {}
        self.start = self.state_of_first(_union(rule.body.first for rule in self.rules))

    def add_class(self, text: str) -> Part:
        """Return a new position that reads one character of a class."""
        bit = self._new_position()
        self.class_positions[text] = self.class_positions.get(text, 0) | bit
        return Part(False, bit, bit)

    def add_literal(self, text: str) -> Part:
        """Return a new position that reads one character in any case."""
        bit = self._new_position()
        for char in FOLDED.get(text.lower(), {text, text.lower(), text.upper()}):
            self.char_positions[char] = self.char_positions.get(char, 0) | bit
        return Part(False, bit, bit)

    def _new_position(self) -> int:
        self.follow.append(0)
        return 1 << (len(self.follow) - 1)

    def sequence(self, left: Part, right: Part) -> Part:
        """Return `left` then `right`."""
        for position in bits(left.last):
            self.follow[position] |= right.first
        return Part(
            left.is_nullable and right.is_nullable,
            left.first | (right.first if left.is_nullable else 0),
            right.last | (left.last if right.is_nullable else 0),
        )

    def repeated(self, part: Part) -> Part:
        """Return one or more of `part`."""
        for position in bits(part.last):
            self.follow[position] |= part.first
        return part

    def positions(self, char: str) -> int:
        """Return the positions that read the character."""
        mask = self.char_masks.get(char)
        if mask is None:
            mask = self.char_positions.get(char, 0)
            for belongs, positions in self.memberships:
                if belongs(char):
                    mask |= positions
            self.char_masks[char] = mask
        return mask

    def followers(self, mask: int) -> int:
        """Return the positions that may come next."""
        return _union(self.follow[position] for position in bits(mask))

    def rule_at(self, mask: int) -> int | None:
        """Return the earliest rule that ends at one of the positions."""
        ended = [self.ends[position] for position in bits(mask & self.end_mask)]
        return min(ended) if ended else None

    def state(self, mask: int) -> State:
        """Return the state that has just read these positions."""
        state = self.states.get(mask)
        if state is None:
            state = self.states[mask] = State(self, mask)
        return state

    def state_of_first(self, first: int) -> State:
        """Return the state in which nothing is read yet."""
        state = State(self, 0)
        state.follow = first
        return state

    def body_length(self, index: int, text: str) -> int:
        """Return how much of a rule's match is its body, the longest body that leaves context."""
        rule = self.rules[index]
        if rule.context is None:
            return len(text)
        ends = self._ends(rule.body, text)
        for length in reversed(ends):
            rest = text[length:]
            if len(rest) in self._ends(rule.context, rest):
                return length
        raise AssertionError(f"rule {index} does not match {text!r}")

    def _ends(self, part: Part, text: str) -> list[int]:
        """Return the lengths at which the part may end when it begins at the text's start."""
        reachable, found = part.first, []
        for length, char in enumerate(text, 1):
            read = reachable & self.positions(char)
            if read & part.last:
                found.append(length)
            reachable = self.followers(read)
        return found


class PatternParser:
    """Turns patterns into positions of an automaton."""

    def __init__(self, automaton: Automaton, names: Mapping[str, str]) -> None:
        self.automaton = automaton
        self.names = names

    def parse(self, pattern: str) -> Part:
        """Return the whole pattern as a part."""
        part, end = self._alternatives(pattern, 0)
        assert end == len(pattern), (pattern, end)
        return part

    def _alternatives(self, text: str, at: int) -> tuple[Part, int]:
        part, at = self._items(text, at)
        while text[at : at + 1] == "|":
            other, at = self._items(text, at + 1)
            part = Part(
                part.is_nullable or other.is_nullable,
                part.first | other.first,
                part.last | other.last,
            )
        return part, at

    def _items(self, text: str, at: int) -> tuple[Part, int]:
        part = EMPTY
        while at < len(text) and text[at] not in "|)":
            item, at = self._item(text, at)
            part = self.automaton.sequence(part, item)
        return part, at

    def _item(self, text: str, start: int) -> tuple[Part, int]:
        """Return an atom with its repetition; a counted atom is parsed again for every copy."""
        part, at = self._atom(text, start)
        if count := COUNT.match(text, at):
            least = int(count[1])
            most = int(count[2] or least)
            part = Part(least == 0 or part.is_nullable, part.first, part.last)
            for copy in range(1, most):
                again, _ = self._atom(text, start)
                again = Part(copy >= least or again.is_nullable, again.first, again.last)
                part = self.automaton.sequence(part, again)
            return part, count.end()
        operator = text[at : at + 1]
        if operator in ("*", "+"):
            part = self.automaton.repeated(part)
        if operator in ("*", "?"):
            part = Part(True, part.first, part.last)
        return part, at + (operator in ("*", "+", "?") and operator != "")

    def _atom(self, text: str, at: int) -> tuple[Part, int]:
        char = text[at]
        if char == "(":
            part, end = self._alternatives(text, at + 1)
            return part, end + 1
        if char == "[":
            end = _class_end(text, at)
            return self.automaton.add_class(text[at:end]), end
        if char == "{" and (name := NAME.match(text, at)):
            return self.parse(self.names[name[1]]), name.end()
        if char == "\\":
            return self.automaton.add_literal(text[at + 1]), at + 2
        return self.automaton.add_literal(char), at + 1


def _class_end(text: str, at: int) -> int:
    at += 1
    while text[at] != "]":
        at += 2 if text[at] == "\\" else 1
    return at + 1


@cache
def membership(text: str) -> Membership:
    r"""Return the test for a class such as `[a-z\d]` or `[^ ]`."""
    inner = text[1:-1]
    is_negated = inner.startswith("^")
    inner = inner[1:] if is_negated else inner
    named = [NAMED_CLASSES[name] for name in re.findall(r"\\([ldu])", inner)]
    plain = re.sub(r"\\[ldu]", "", inner)
    matches = re.compile(f"[{plain}]", re.DOTALL).match if plain else None

    def belongs(char: str) -> bool:
        inside = bool(matches and matches(char)) or any(test(char) for test in named)
        return inside != is_negated

    return belongs


def _union(masks: Iterator[int]) -> int:
    whole = 0
    for mask in masks:
        whole |= mask
    return whole
