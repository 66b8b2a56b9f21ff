"""Files of a world: whole or absent, never torn; the same bytes from the same seed."""

import hashlib
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from evalsuite.records.files import written_whole
from evalsuite.tinyworld.draw import Pixels

QUALITY = 95  # with full colour resolution: artefacts stay below the drawn noise


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole, making its folder.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with written_whole(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, making its folder."""
    write_bytes(path, json.dumps(content).encode())


def write_lines(path: Path, records: Iterable[Any]) -> None:
    """Write one JSON record a line, making the folder."""
    write_bytes(path, "".join(json.dumps(record) + "\n" for record in records).encode())


def jpeg(pixels: Pixels) -> bytes:
    """Return the image as JPEG, colours at full resolution."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()


def png(pixels: Pixels) -> bytes:
    """Return the image (H, W, 3) or the labels (H, W) as PNG."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def tree_digest(path: Path) -> tuple[int, str]:
    """Return the number of files under a path (1 for a file) and one sha256 of names and bytes."""
    if path.is_file():
        return 1, hashlib.sha256(path.read_bytes()).hexdigest()
    digest = hashlib.sha256()
    files = sorted(one for one in path.rglob("*") if one.is_file())
    for one in files:
        content = hashlib.sha256(one.read_bytes()).hexdigest()
        digest.update(f"{one.relative_to(path).as_posix()} {content}\n".encode())
    return len(files), digest.hexdigest()
