"""Turns weights as a user names them - path, address or released name - into a local file."""

import csv
import difflib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from evalsuite.records.cache import cache_folder
from evalsuite.records.errors import UserError
from evalsuite.records.file_kinds import LOOKED_AT, kind_of

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60.0
SHIPPED = Path(str(files("evalsuite"))) / "weights"
ADDRESS_STARTS = ("http://", "https://")


@dataclass(frozen=True, kw_only=True)
class ReleasedFile:
    """A file that the authors of BEiT-3 released.

    `stage` is the task that it was fine-tuned on, or the stage of pre-training.
    """

    file: str
    url: str
    backbone: str
    stage: str
    image_size: int | None
    notes: str


def released_files() -> dict[str, ReleasedFile]:
    """Return every released file by name.

    Source: unilm beit3/README.md @768a3c8.
    """
    table = files("evalsuite.backbones").joinpath("released.csv").read_text(encoding="utf-8")
    return {
        row["file"]: ReleasedFile(
            file=row["file"],
            url=row["url"],
            backbone=row["backbone"],
            stage=row["stage"],
            image_size=int(row["image_size"]) if row["image_size"] else None,
            notes=row["notes"],
        )
        for row in csv.DictReader(table.splitlines())
    }


def shipped_files() -> dict[str, Path]:
    """Return every file of weights that comes with this package, by name."""
    return {path.name: path for path in sorted(SHIPPED.glob("*.safetensors"))}


def is_shipped(path: Path) -> bool:
    """Return whether a file is one of those that come with this package."""
    return path.resolve().parent == SHIPPED.resolve()


def local_file(given: str, *, console: Console | None = None) -> Path:
    """Return the local path of what is given by path, address, or shipped or released name.

    Addresses and released names are downloaded once into `$EVALSUITE_CACHE`, by default
    `~/.cache/evalsuite/weights`; an interrupted download continues where it stopped.

    Args:
        console: where the progress goes; standard error by default.

    Raises:
        UserError: there is no such file, or it cannot be downloaded.
    """
    path = Path(given)
    with suppress(RuntimeError):  # "~name" of a user who is not known here
        path = path.expanduser()
    if _is_there(path, given):
        return path
    shipped, released = shipped_files(), released_files()
    for name in (given, f"{given}.safetensors"):
        if name in shipped:
            return shipped[name]
    if given.startswith(ADDRESS_STARTS):
        address = given
    elif given in released or f"{given}.pth" in released:
        address = (released.get(given) or released[f"{given}.pth"]).url
    else:
        near = difflib.get_close_matches(path.name, [*shipped, *released], 3)
        guess = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UserError(
            f"{given}: no such file; expected a path, an address or the name of a shipped or "
            f"released file{guess}"
        )
    return _downloaded(address, console or Console(stderr=True))


def _is_there(path: Path, given: str) -> bool:
    """Return whether there is a file or folder of a path; an empty name is none."""
    try:
        return bool(given) and (path.is_file() or path.is_dir())
    except OSError as error:  # a folder on the way that may not be entered, a name too long
        raise UserError(f"{given[:120]}: cannot be read ({error.strerror})") from None


def _downloads() -> Path:
    """Return the folder that downloads go to."""
    return cache_folder() if os.environ.get("EVALSUITE_CACHE") else cache_folder() / "weights"


def _downloaded(address: str, console: Console) -> Path:
    """Return the cached file of an address, downloading what is missing."""
    name = Path(urllib.parse.unquote(urllib.parse.urlparse(address).path)).name
    if not name:
        raise UserError(f"{address}: names no file; give the address of the weights themselves")
    path = _downloads() / name
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{path.parent}: cannot be made ({error.strerror}); set EVALSUITE_CACHE to a folder "
            "for downloads"
        ) from None
    part = path.with_name(f"{name}.part")
    try:
        size = _download(address, part, console)
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"{address}: download failed ({reason}); run again to continue, or fetch the file "
            f"yourself and give its path"
        ) from None
    if size is not None and part.stat().st_size != size:
        have = part.stat().st_size
        if have > size:
            part.unlink()
        raise UserError(f"{address}: got {have} of {size} bytes; run again to continue")
    with part.open("rb") as file:
        kind = kind_of(file.read(LOOKED_AT))
    if kind is not None and kind.startswith(("a web page", "a Git LFS pointer")):
        part.unlink()
        raise UserError(f"{address}: answers with {kind}, not with the file; give its own address")
    part.replace(path)
    return path


def _download(address: str, part: Path, console: Console) -> int | None:
    """Append to the partial file what it lacks; return the full size if the server says it."""
    have = part.stat().st_size if part.is_file() else 0
    with _opened(address, have) as (answer, start):
        length = answer.headers.get("Content-Length")
        size = None if length is None else start + int(length)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with (
            Progress(*columns, TransferSpeedColumn(), console=console) as progress,
            part.open("ab" if start else "wb") as file,
        ):
            bar = progress.add_task(part.stem, total=size, completed=start)
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                progress.advance(bar, len(chunk))
    return size


@contextmanager
def _opened(address: str, have: int) -> Iterator[tuple[http.client.HTTPResponse, int]]:
    """Open an address from byte `have` on; the second value is where the answer begins.

    A server without ranges sends everything again; 416 means that the partial file is no part of
    what is there now.
    """
    headers = {"User-Agent": "evalsuite"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(address, headers=headers)
    try:
        answer = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        with error:
            if error.code != 416 or not have:
                raise
        with _opened(address, 0) as whole:
            yield whole
        return
    with answer:
        yield answer, have if answer.status == 206 else 0
