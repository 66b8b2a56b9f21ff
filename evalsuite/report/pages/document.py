"""What every page has: the head with its policy and style, the script, and lists of samples."""

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files

from evalsuite.report.pages.markup import Html, data_block, element, fragment
from evalsuite.report.pages.samples import SampleTable

FOLDER = "evalsuite.report.pages"


def document(title: str, header: Html, main: Html, samples: Mapping[str, SampleTable]) -> str:
    """Return a page that loads nothing; `samples` are what its lists show, by the list's id."""
    body = fragment(
        element("a", "Skip to the results", href="#main", class_="skip"),
        element("header", header),
        element("main", main, id="main"),
        element("footer", element("p", f"Made by evalsuite {_version()}. One file, no network.")),
        *(data_block(f"{id}-data", table.to_json()) for id, table in samples.items()),
        Html(f"<script>{_file('page.js')}</script>"),
    )
    return f"<!doctype html>\n{element('html', _head(title), element('body', body), lang='en')}\n"


def samples_block(
    table: SampleTable, id: str, title: str, notice: str = "", order: str = "any"
) -> Html:
    """Return where the page's script lists samples, and what it says without one.

    Args:
        order: which the list begins with: any, worst, best or file.
    """
    listed, is_part = len(table.rows), len(table.rows) < table.total
    text = f"{listed:,} of {table.total:,} samples, drawn at random" if is_part else "All samples"
    if 0 < table.num_pictured < listed:
        text += f"; {table.num_pictured:,} have their pictures: the worst, the best, and others"
    return fragment(
        element("p", notice, class_="notice") if notice else None,
        element("p", f"{text}.", class_="about"),
        element("noscript", element("p", "The samples are listed by a script.")),
        element(
            "div",
            class_="samples",
            data_source=f"{id}-data",
            data_title=title,
            data_order=order,
        ),
    )


def _head(title: str) -> Html:
    digest = hashlib.sha256(_file("page.js").encode()).digest()
    allowed = base64.b64encode(digest).decode()
    policy = (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{allowed}'"
    )
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        Html(f"<style>{_file('page.css')}</style>"),
    )


@cache
def _file(name: str) -> str:
    return (files(FOLDER) / name).read_text("utf-8")


def _version() -> str:
    try:
        return version("evalsuite")
    except PackageNotFoundError:
        return "from a folder"
