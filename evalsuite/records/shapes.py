"""Whether a JSON value fits a type; if not, where and why, in words."""

from collections.abc import Sequence
from dataclasses import MISSING, fields, is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

_WORDS: dict[Any, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    NoneType: "null",
}
_AS_JSON = {Sequence: list, tuple: list, None: NoneType}
LARGEST = 2**63  # no count, seed or size of ours comes near


def misfit(value: Any, form: Any, place: str = "") -> str | None:
    """Return where a value is not of a form and what was expected there, None where it is.

    Args:
        form: `Any`, a type of JSON, a list, dictionary or union of forms, a `Literal`, or a class
            whose fields are keys: a `TypedDict`, which may hold others, or a dataclass, which may
            not. A whole number is a number, too.
        place: the keys that lead to the value.
    """
    if form is Any:
        return None
    origin, inner = get_origin(form), get_args(form)
    if origin in (Union, UnionType):
        found = [misfit(value, one, place) for one in inner]
        return None if None in found else found[0]
    if origin is Literal:
        return (
            None if value in inner else f"{place or 'it'} is none of {', '.join(map(str, inner))}"
        )
    has_keys = is_typeddict(form) or is_dataclass(form)
    kind: Any = dict if has_keys else _AS_JSON.get(origin or form, origin or form)
    if not _is(value, kind) or (origin is tuple and len(value) != len(inner)):
        return f"{place or 'it'} is not {_WORDS[kind]}"
    parts: list[tuple[str, Any, Any]] = []
    if has_keys:
        hints = get_type_hints(form)
        absent = [key for key in _required(form) if key not in value]
        unknown = [] if is_typeddict(form) else [key for key in value if key not in hints]
        if absent or unknown:
            what = f"lacks {absent[0]}" if absent else f"has the unknown key {unknown[0][:40]}"
            return f"{place or 'it'} {what}"
        parts = [(key, value[key], hint) for key, hint in hints.items() if key in value]
    elif kind is dict and inner:
        parts = [(key, one, inner[1]) for key, one in value.items()]
    elif kind is list:
        parts = [(str(number), one, inner[0]) for number, one in enumerate(value)]
    within = (misfit(one, hint, f"{place}.{key}".lstrip(".")) for key, one, hint in parts)
    return next(filter(None, within), None)


def _required(form: Any) -> list[str]:
    """Return the keys that must be there, in the order of the class."""
    if is_typeddict(form):
        return [key for key in get_type_hints(form) if key in form.__required_keys__]
    plain = [one for one in fields(form) if one.default is MISSING]
    return [one.name for one in plain if one.default_factory is MISSING]


def _is(value: Any, kind: Any) -> bool:
    if kind in (int, float):
        if isinstance(value, bool) or not isinstance(value, int | kind):
            return False
        return not isinstance(value, int) or abs(value) < LARGEST
    return isinstance(value, kind)
