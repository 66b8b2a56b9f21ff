"""What becomes of a token's text: the actions that the PTB tokenizer's rules name."""

import re
from collections.abc import Callable

NEWLINE = "*NL*"  # what the tokenizer prints a new line for

Action = Callable[[str], str]


def _without_soft_hyphens(text: str) -> str:
    return (text.replace("\u00ad", "") or "-") if "\u00ad" in text else text


def _quotes(text: str, single: str, double: str) -> str:
    text = text.replace("&apos;", single).replace("'", single)
    text = text.replace('"', double).replace("&quot;", double)
    return text.translate(CURLY_QUOTES)


def _open_quotes(text: str) -> str:
    return _quotes(text, "`", "``")


def _close_quotes(text: str) -> str:
    return _quotes(text, "'", "''")


def _without_parentheses(text: str) -> str:
    return text.replace("(", "-LRB-").replace(")", "-RRB-")


CURLY_QUOTES = str.maketrans(
    dict.fromkeys("\u0091\u2018\u201b\u2039", "`")
    | dict.fromkeys("\u0092\u2019\u203a", "'")
    | dict.fromkeys("\u0093\u201c\u00ab", "``")
    | dict.fromkeys("\u0094\u201d\u00bb", "''")
)
CURRENCIES = str.maketrans(
    {"\u00a2": "cents", "\u00a3": "#"} | dict.fromkeys("\u0080\u00a4\u20a0\u20ac", "$")
)
FRACTIONS = str.maketrans(
    {"\u00bc": "1/4", "\u00bd": "1/2", "\u00be": "3/4", "\u2153": "1/3", "\u2154": "2/3"}
)
BRACKETS = {"{": "-LCB-", "}": "-RCB-", "[": "-LSB-", "]": "-RSB-", "(": "-LRB-", ")": "-RRB-"}
AMPERSAND = re.compile("&amp;", re.IGNORECASE)

# How many characters of a match are read again.
RETURNED = {"split_2": 2, "split_3": 3, "repeat_period": 1}
ACTIONS: dict[str, Action] = {
    "join_spaces": lambda text: text.replace(" ", "\u00a0"),
    "dash": lambda text: "--",
    "ampersand": lambda text: AMPERSAND.sub("&", text),
    "soft_hyphens": _without_soft_hyphens,
    "open_quotes": _open_quotes,
    "close_quotes": _close_quotes,
    "fraction_sign": lambda text: text.translate(FRACTIONS),
    "currency": lambda text: text.translate(CURRENCIES),
    "phone": lambda text: _without_parentheses(text.replace(" ", "\u00a0")),
    "drop": lambda text: "",
    "less": lambda text: "<",
    "greater": lambda text: ">",
    "faces": _without_parentheses,
    "brackets": BRACKETS.__getitem__,
    "hyphens": lambda text: "--" if 3 <= len(text) <= 4 else text,
    "ellipsis": lambda text: "...",
    "newline": lambda text: NEWLINE,
}
