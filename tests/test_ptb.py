import json
import re
import struct
import zipfile
from pathlib import Path
from typing import Any

import pytest
from caption_pieces import PIECES, SEPARATORS, fuzzed_captions
from hypothesis import given, settings
from hypothesis import strategies as st

from evalsuite.metrics.captions.java import jar
from evalsuite.metrics.captions.official import is_installed, official_tokens
from evalsuite.metrics.captions.ptb import SPLIT_WORDS, Lexer, tokenize
from evalsuite.metrics.captions.ptb_automaton import State

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("captions.json").read_text())
SAMPLES = Path(__file__).parent.parent.parent / "shared/data/official_samples/coco"
LEXER = Lexer()
CHARACTERS = st.characters(exclude_categories=["Cs", "Cn"])
needs_jar = pytest.mark.skipif(not is_installed(), reason="needs pycocoevalcap and Java")


@pytest.mark.parametrize("name", GOLDEN["lines"])
def test_tokens_equal_the_jars(name: str) -> None:
    case = GOLDEN["lines"][name]
    assert tokenize(case["lines"]) == case["tokens"]


def test_trap_b1_brackets_survive_in_lower_case() -> None:
    assert tokenize(["A sign (STOP)!"]) == ["a sign -lrb- stop -rrb-"]


def test_trap_b1_only_single_marks_are_dropped() -> None:
    assert tokenize(["Wow!! no? yes?! 'a'; b -- cat."]) == ["wow !! no yes ?! a b cat"]


def test_trap_b1_assimilations_are_split_and_currency_is_renamed() -> None:
    assert tokenize(["I cannot, gonna pay £5 or €6"]) == ["i can not gon na pay # 5 or $ 6"]


def test_trap_b2_tokens_depend_on_the_next_line() -> None:
    # Before a capital the dot of "U.S." is a sentence's as well; the tokens differ nowhere else.
    assert tokenize(["made in the U.S.", "The end"]) == ["made in the u.s.", "the end"]
    assert tokenize(["a dog, etc.", "a cat"])[0] == "a dog etc."
    assert tokenize(["see fig.", "9 on the wall"]) != tokenize(["see fig.", "on the wall"])


def test_trap_b2_a_newline_within_a_caption_is_a_space() -> None:
    assert tokenize(["one\ntwo", "three"]) == ["one two", "three"]


def test_empty_captions_keep_their_place() -> None:
    assert tokenize(["", "a", "", " ", "."]) == ["", "a", "", "", ""]
    assert tokenize([]) == []


@needs_jar
def test_tokens_of_fuzzed_captions_equal_the_jars() -> None:
    captions = fuzzed_captions(seed=0, count=4000)
    assert tokenize(captions) == official_tokens({0: captions})[0]


@needs_jar
def test_other_line_separators_shift_captions_as_in_the_jar() -> None:
    captions = fuzzed_captions(seed=1, count=400, pieces=(*PIECES, *SEPARATORS))
    assert tokenize(captions) == official_tokens({0: captions})[0]


@needs_jar
@settings(max_examples=5, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_categories=["Cs", "Cn"])), min_size=100, max_size=300)
)
def test_tokens_of_any_text_equal_the_jars(captions: list[str]) -> None:
    # The known differences: whether a capital sigma within a token is final, and new letters.
    captions = [caption.replace("\u03a3", "S") for caption in captions]
    assert tokenize(captions) == official_tokens({0: captions})[0]


@needs_jar
@pytest.mark.data
def test_tokens_of_official_captions_equal_the_jars() -> None:
    if not SAMPLES.is_dir():
        pytest.skip(f"needs the official samples in {SAMPLES}")
    captions = []
    for path in sorted(SAMPLES.glob("captions_*.json")):
        content = json.loads(path.read_text())
        records = content["annotations"] if isinstance(content, dict) else content
        captions += [record["caption"] for record in records]
    assert len(captions) > 1000
    assert tokenize(captions) == official_tokens({0: captions})[0]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join), min_size=1))
def test_remembered_chunks_change_no_token(captions: list[str]) -> None:
    text = "\n".join(caption.replace("\n", " ") for caption in captions)
    if max(text, default="") < "\ud800":
        assert tokenize(captions) == LEXER.all_lines(text)


def test_no_word_of_plain_letters_depends_on_what_follows() -> None:
    lexer = Lexer()
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
    states, seen = [lexer.automaton.start], {id(lexer.automaton.start)}
    while states:
        state = states.pop()
        after = [state[letter] for letter in letters]
        for reached in after:
            assert not reached[" "].follow and not reached["\n"].follow
        new = [reached for reached in after if reached.follow and id(reached) not in seen]
        seen.update(map(id, new))
        states += new
    assert all(tokenize([word]) != [word] for word in SPLIT_WORDS)


@needs_jar
@pytest.mark.slow
def test_the_automaton_is_the_jars_state_by_state() -> None:
    theirs = JarTables()
    ours = Lexer().automaton
    classes: dict[tuple[int, int], str] = {}
    for code in range(1 << 16):
        classes.setdefault((theirs.class_of[code], ours.positions(chr(code))), chr(code))
    start = (theirs.start, ours.start)
    seen: dict[tuple[int, int], str] = {(start[0], id(start[1])): ""}
    waiting: list[tuple[int, State]] = [start]
    actions: dict[int, set[int]] = {}
    while waiting:
        number, state = waiting.pop()
        for (kind, _), char in classes.items():
            next_number, reached = theirs.next_state(number, kind), state[char]
            path = seen[number, id(state)] + char
            is_dead = not reached.follow and reached.rule is None
            assert (next_number < 0) == is_dead, path
            action = theirs.action(next_number)
            assert (action is None) == (reached.rule is None), path
            if action is not None and reached.rule is not None:
                actions.setdefault(reached.rule, set()).add(action)
            if not is_dead and (next_number, id(reached)) not in seen:
                seen[next_number, id(reached)] = path
                waiting.append((next_number, reached))
    assert len(seen) > 6000
    # The jar shares an action between rules of equal code; a rule of ours has one action only.
    assert all(len(found) == 1 for found in actions.values())


class JarTables:
    """The tables that JFlex packed into the constants of the jar's PTBLexer."""

    start = 2  # of the state for traditional treebank tokens

    def __init__(self) -> None:
        path = jar("tokenizer", "stanford-corenlp-3.4.1.jar")
        with zipfile.ZipFile(path) as archive:
            constants = _long_strings(archive.read("edu/stanford/nlp/process/PTBLexer.class"))
        action, rows, *transitions, attributes, classes = constants
        self.class_of = _unpacked(classes)
        self._actions, self._attributes = _unpacked(action), _unpacked(attributes)
        self._rows = [high << 16 | low for high, low in zip(rows[::2], rows[1::2], strict=True)]
        self._next = [value - 1 for part in transitions for value in _unpacked(part)]

    def next_state(self, state: int, kind: int) -> int:
        """Return the state after a character of a kind; -1 if there is none."""
        return self._next[self._rows[state] + kind]

    def action(self, state: int) -> int | None:
        """Return what happens to a match that ends here."""
        return self._actions[state] if state >= 0 and self._attributes[state] & 1 else None


def _unpacked(packed: list[int]) -> list[int]:
    return [v for n, v in zip(packed[::2], packed[1::2], strict=True) for _ in range(n)]


def _long_strings(content: bytes) -> list[list[int]]:
    """Return the long string constants of a class file as UTF-16 units, in their order."""
    at, left, found = 10, struct.unpack(">H", content[8:10])[0] - 1, []
    sizes = {3: 5, 4: 5, 5: 9, 6: 9, 7: 3, 8: 3, 15: 4, 16: 3}
    while left > 0:
        kind = content[at]
        left -= 2 if kind in (5, 6) else 1
        if kind == 1:
            size = struct.unpack(">H", content[at + 1 : at + 3])[0]
            if size > 2000:
                found.append(_units(content[at + 3 : at + 3 + size]))
            at += 3 + size
        else:
            at += sizes.get(kind, 5)
    return found


def _units(content: bytes) -> list[int]:
    """Return the units of Java's modified UTF-8."""
    pattern = rb"[\x01-\x7f]|[\xc0-\xdf].|[\xe0-\xef].."
    units: list[int] = []
    for match in re.finditer(pattern, content, re.DOTALL):
        first, *rest = match[0]
        value: Any = first if not rest else first & (0x1F if len(rest) == 1 else 0x0F)
        for byte in rest:
            value = value << 6 | byte & 0x3F
        units.append(value)
    return units
