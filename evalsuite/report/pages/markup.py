"""HTML that is escaped by construction: text becomes markup only where it was made here."""

import html
import json
from typing import Any

VOID = frozenset({"br", "img", "meta", "path", "line", "rect", "circle"})


class Html(str):
    """Markup that is safe to stand in a page; any other text is escaped on its way in."""


def element(tag: str, *children: object, **attributes: object) -> Html:
    """Return an element; children that are no `Html` are escaped, None is left out.

    Attribute names have "_" for "-", and a "_" at the end where Python needs one: `class_`,
    `data_label`. False and None leave an attribute out, True gives it no value.
    """
    opening = tag
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        opening += f" {name.rstrip('_').replace('_', '-')}"
        opening += "" if value is True else f'="{html.escape(str(value))}"'
    if tag in VOID:
        return Html(f"<{opening}>" if tag in ("br", "img", "meta") else f"<{opening}/>")
    return Html(f"<{opening}>{fragment(*children)}</{tag}>")


def fragment(*children: object) -> Html:
    """Return children one after the other, escaped where they are no `Html`."""
    return Html("".join(_escaped(child) for child in children if child is not None))


def data_block(id: str, value: Any) -> Html:
    """Return a block of JSON that a script reads; no text in it can end the block."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Html(f'<script type="application/json" id="{html.escape(id)}">{text}</script>')


def _escaped(child: object) -> str:
    return child if isinstance(child, Html) else html.escape(str(child))
