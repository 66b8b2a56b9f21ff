"""The one reader of text files: usual encodings and packings in, UTF-8 out; a failure is one line.

UTF-8 with or without a byte order mark, UTF-16 and UTF-32 are read, and the same packed with gzip
or as the only file of a zip archive.
"""

import codecs
import csv
import gzip
import io
import json
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

from evalsuite.records.errors import UserError, one_line
from evalsuite.records.file_kinds import LOOKED_AT, kind_of

# The largest official JSON file has 0.5 GB; a packed file that claims more is a mistake or a bomb.
CEILING = 2 << 30  # bytes
SEPARATORS = "\t,;"
PIECE = 1 << 20  # bytes checked at once
# What gzip and zipfile raise of damaged archives: of a place before the file, of a torn field, ...
DAMAGE = (
    *(OSError, EOFError, ValueError, MemoryError, struct.error),
    *(zlib.error, lzma.LZMAError, zipfile.BadZipFile),
)
NEAR = 24  # characters shown before a bad place
SHOWN = 120  # characters of somebody's content in a message
ARCHIVED = 3  # names of an archive's files in a message


class Row(NamedTuple):
    """A line of a table: where it stands in the file, counted from 1, and its cells."""

    line: int
    cells: list[str]


def read_bytes(path: Path, what: str, source: str = "") -> bytes:
    """Return the text of a file in UTF-8 without a byte order mark.

    Args:
        what: what the file should be, for messages.
        source: where to get it.

    Raises:
        UserError: the file is missing, cannot be read, is no text, is packed with others, or
            unpacks to more than `CEILING`.
    """
    content = unpacked(path, _content(path, what, source), what)
    kind = kind_of(content[:LOOKED_AT])
    if kind is not None:
        raise UserError(f"{path}: {kind}; expected {what}")
    return _utf8(path, content, what)


def read_text(path: Path, what: str, source: str = "") -> str:
    """Return the text of a file; see `read_bytes`."""
    return read_bytes(path, what, source).decode("utf-8")


def read_rows(path: Path, what: str, source: str = "") -> list[Row]:
    """Return the lines of a table with their cells; empty lines are left out.

    Cells are separated by what the first line has: tabs, else commas, else semicolons, which
    spreadsheets write where the comma is a decimal mark.

    Raises:
        UserError: as `read_bytes`, or it is JSON, or a quote is never closed.
    """
    text = read_text(path, what, source)
    if "\0" in text:
        raise UserError(f"{path}: holds a zero byte, which text never has; expected {what}")
    first, _, rest = text.lstrip().partition("\n")
    if first.startswith(("{", "[")):
        form = "JSON lines" if rest.startswith("{") else "JSON"
        raise UserError(f"{path}: {form}, not a table; expected {what}")
    separator = next((mark for mark in SEPARATORS if mark in first), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        return [Row(reader.line_num, cells) for cells in reader if any(cells)]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num}: {error}; expected {what}") from None


def unpacked(path: Path, content: bytes, what: str) -> bytes:
    """Return what is inside a gzip file or a zip archive of one file; other content as it is.

    Raises:
        UserError: it is damaged, holds several files, or unpacks to more than `CEILING`.
    """
    try:
        if content.startswith(b"\x1f\x8b"):
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
                return _limited(path, stream.read(CEILING + 1))
        if content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                member = _only_member(path, archive, what)
                with archive.open(member) as stream:
                    return _limited(path, stream.read(CEILING + 1))
    except UserError:
        raise
    except DAMAGE as error:
        reason = _one_line(str(error)) or type(error).__name__
        raise UserError(f"{path}: an archive cut short or damaged ({reason})") from None
    except (RuntimeError, NotImplementedError) as error:  # a password, an unknown packing
        raise UserError(f"{path}: an archive that cannot be unpacked ({error})") from None
    return content


def shortened(value: object) -> str:
    """Return a value as a message shows it: one line, at most `SHOWN` characters."""
    text = value if isinstance(value, str) else _as_json(value)
    text = _one_line(text)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 3]}..."


def _content(path: Path, what: str, source: str) -> bytes:
    """Return a file's bytes as they are."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        where = f"; get it from {source}" if source else ""
        raise UserError(f"{path}: no such file; expected {what}{where}") from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder; expected a file, {what}") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise UserError(f"{path}: cannot be read ({reason}); expected {what}") from None


def _only_member(path: Path, archive: zipfile.ZipFile, what: str) -> zipfile.ZipInfo:
    """Return the one file of an archive; folders and macOS's companions do not count."""
    members = [
        one
        for one in archive.infolist()
        if not one.is_dir() and not one.filename.startswith("__MACOSX/")
    ]
    names = [one.filename for one in members]
    if any(name.endswith(".npy") for name in names):
        raise UserError(f"{path}: NumPy arrays (.npz); expected {what}")
    if "[Content_Types].xml" in names:
        raise UserError(f"{path}: an Excel or Word document; expected {what}")
    if any(name.endswith("data.pkl") for name in names):
        raise UserError(f"{path}: a PyTorch file; expected {what}")
    if len(members) != 1:
        listed = ", ".join(names[:ARCHIVED]) + (", ..." if len(names) > ARCHIVED else "")
        there = f"an archive of {len(names)} files ({shortened(listed)})"
        raise UserError(f"{path}: {there}; unpack it and name the one that is {what}")
    if members[0].file_size > CEILING:
        _limited(path, None)
    return members[0]


def _limited(path: Path, content: bytes | None) -> bytes:
    if content is None or len(content) > CEILING:
        raise UserError(f"{path}: unpacks to more than {CEILING >> 30} GiB; unpack it yourself")
    return content


def _utf8(path: Path, content: bytes, what: str) -> bytes:
    """Return text of any Unicode encoding as UTF-8 without a byte order mark."""
    encoding = json.detect_encoding(content[:4]) if content else "utf-8"
    if encoding not in ("utf-8", "utf-8-sig"):
        try:
            return content.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeError:
            found = f"not text: neither UTF-8 nor {encoding.upper()}"
            raise UserError(f"{path}: {found}; expected {what}") from None
    place = _first_bad_byte(content)
    if place is not None:
        before = content[max(0, place - NEAR) : place].decode("utf-8", "replace")
        raise UserError(
            f"{path}: not UTF-8 at byte {place} of {len(content)} "
            f"(0x{content[place]:02x} after {_one_line(before)!r}); expected {what}: "
            "save it as UTF-8"
        )
    return content.removeprefix(codecs.BOM_UTF8)


def _first_bad_byte(content: bytes) -> int | None:
    """Return the place of the first byte that is not UTF-8, None where all is."""
    if content.isascii():
        return None
    decoder = codecs.getincrementaldecoder("utf-8")()
    view = memoryview(content)
    try:
        for start in range(0, len(content), PIECE):
            decoder.decode(view[start : start + PIECE], final=start + PIECE >= len(content))
    except UnicodeDecodeError:
        try:
            content.decode()  # once more, for the place in the whole
        except UnicodeDecodeError as error:
            return error.start
    return None


def _as_json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _one_line(text: str) -> str:
    return " ".join(one_line(text).split())
