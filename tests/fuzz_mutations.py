"""Damages files as people, programs and disks do, each way chosen by a seeded generator."""

import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

LONG = "ж" * 5000  # of somebody's file; at most 300 may come back in a message
DUPLICATE = "\0twice\0"
# What stands where something else was expected. A text in RAW is written as it is, not as JSON.
HOSTILE: tuple[Any, ...] = (
    *(None, True, False, 0, 1, 2, -1, 7, 255, 1.0, 0.5, -0.0, -2.5, 1e-320, 1e17, 1e300),
    *(2**31, 2**53 + 1, 2**63, 2**64, 10**30, -(10**30), float("nan"), float("inf")),
    *("", " ", "0", "1", "é", "😀", "\ud800", "a\0b", "a\nb", "\x1b[31m", LONG, "NaN", "None"),
    *("../../etc/passwd", "/etc/passwd", "C:\\x\\y.jpg", "a/b.jpg", "."),
    *([], {}, [[]], [{}], [None], [1], [1, 2], [0.5] * 4, ["a"], {"a": 1}, {"id": 1}),
    *({"size": [60, 60], "counts": "a"}, {"size": [2, 2], "counts": [4]}, [[1, 1, 9, 1, 9, 9]]),
)
RAW = ("1e400", "-Infinity", "9" * 4400, "01", "'a'", "tru", "[" * 2000 + "]" * 2000, "1,", "")
MAGIC = (
    *(b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\x93NUMPY\x01\x00", b"PAR1", b"PK\x03\x04"),
    *(b"PK\x05\x06", b"\x80\x04\x95", b"\x1f\x8b\x08\x00", b"BZh9", b"<!DOCTYPE html>"),
    *(b"version https://git-lfs", b"GGUF", b"RIFF", b"\x89HDF\r\n\x1a\n", b"II*\x00"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff", b"\x00", b"#", b"\r\n"),
)


def mutated(content: bytes, suffix: str, chance: random.Random) -> bytes:
    """Return a file's content damaged once or a few times, in ways that suit its suffix."""
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        suited = SUITED.get(suffix)
        way = suited if suited is not None and chance.random() < 0.7 else _bytes
        try:
            content = way(content, chance)
        except Exception:
            content = _bytes(content, chance)  # what is damaged already is no longer of its form
    return content


def zipped(**files: bytes) -> bytes:
    """Return a zip archive of files."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def _bytes(content: bytes, chance: random.Random) -> bytes:
    """Cut, flip, drop, repeat, insert; another encoding or packing; another kind's first bytes."""
    start = chance.randrange(len(content) + 1)
    end = min(len(content), start + chance.choice((1, 2, 9, 60)))
    text = content.decode("utf-8", "replace")
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: content[:start],
        lambda: content[:start] + chance.randbytes(end - start) + content[end:],
        lambda: content[:start] + content[end:],
        lambda: content[:end] + content[start:],
        lambda: content[:start] + chance.choice(MAGIC) + content[start:],
        lambda: chance.choice(MAGIC) + content,
        lambda: chance.choice((b"", b" \n", b"{}", b"[]", b"null", b'""', b"0", *MAGIC)),
        lambda: text.encode(chance.choice(("utf-8-sig", "utf-16", "utf-16-le", "utf-32"))),
        lambda: text.replace("e", "é").encode(chance.choice(("latin-1", "utf-8")), "replace"),
        lambda: text.replace("\n", chance.choice(("\r\n", "\r", "\n\n", " "))).encode(),
        lambda: gzip.compress(content, mtime=0)[: chance.choice((None, -9))],
        lambda: zipped(**dict.fromkeys(("a", "b")[: chance.choice((0, 1, 2))], content)),
        lambda: content + content,
    )
    return chance.choice(ways)()


def _json(content: bytes, chance: random.Random) -> bytes:
    """Change one node of a JSON value, or the way that it is written."""
    root: list[Any] = [json.loads(content)]
    place, key = _node(root, chance)
    raw: dict[str, str] = {}
    _change(place, key, chance, raw)
    text = json.dumps(root[0], ensure_ascii=chance.random() < 0.5)
    for name, written in raw.items():
        text = text.replace(json.dumps(name), written)
    return text.replace(json.dumps(DUPLICATE), '"id"').encode("utf-8", "surrogatepass")


def _lines(content: bytes, chance: random.Random) -> bytes:
    """Change one of several JSON lines."""
    lines = content.split(b"\n")
    place = chance.randrange(len(lines))
    lines[place] = _json(lines[place], chance)
    return b"\n".join(lines)


def _node(root: list[Any], chance: random.Random) -> tuple[Any, Any]:
    """Return a container somewhere below, and a key or place in it."""
    place: Any = root
    key: Any = 0
    while True:
        inside = place[key]
        if not isinstance(inside, dict | list) or not inside or chance.random() < 0.12:
            return place, key
        place = inside
        key = chance.choice(list(inside)) if isinstance(inside, dict) else _early(inside, chance)


def _early(values: list[Any], chance: random.Random) -> int:
    return chance.randrange(min(len(values), 4) if chance.random() < 0.5 else len(values))


def _change(place: Any, key: Any, chance: random.Random, raw: dict[str, str]) -> None:
    value = place[key]
    way = chance.randrange(12)
    if way == 0:
        del place[key]
    elif way == 1 and isinstance(place, dict):
        place[chance.choice(("id", "x", "", LONG, key.upper(), key + " ", DUPLICATE))] = value
        if chance.random() < 0.5:
            del place[key]
    elif way == 2 and isinstance(place, list):
        place.insert(chance.randrange(len(place) + 1), value)
    elif way == 3 and isinstance(value, int | float):
        place[key] = chance.choice((float(value), str(value), -value, value + 1, value * 2**60))
    elif way == 4 and isinstance(value, list):
        place[key] = chance.choice((value[::-1], value[:1], value * 2, value[1:], [value]))
    elif way == 5 and isinstance(value, str):
        place[key] = chance.choice((value + "é", value.upper(), value * 99, value[:-1], [value]))
    elif way in (6, 7):
        place[key] = name = f"\0raw{len(raw)}\0"
        raw[name] = chance.choice(RAW)
    elif way == 8 and isinstance(place, dict) and len(place) > 1:
        place[key] = place[chance.choice(list(place))]
    else:
        place[key] = chance.choice(HOSTILE)


def _table(content: bytes, chance: random.Random) -> bytes:
    """Change a cell, a row, the separator or the first line of a table."""
    text = content.decode()
    mark = "\t" if "\t" in text else ","
    rows = [line.split(mark) for line in text.splitlines()]
    row = chance.choice(rows)
    cell = chance.randrange(len(row))
    texts = [str(one) for one in HOSTILE if isinstance(one, str | int | float)]
    ways: tuple[Callable[[], Any], ...] = (
        lambda: row.__setitem__(cell, chance.choice(texts)),
        lambda: row.__setitem__(cell, chance.choice(('"', '"a', '"a""b"', '"a\nb"', "'a'", LONG))),
        lambda: row.insert(cell, chance.choice(texts)),
        lambda: row.pop(cell),
        lambda: rows.remove(row),
        lambda: rows.append(row),
        lambda: rows.insert(0, [chance.choice(("name", "id", "label", "x")) for _ in row]),
        lambda: chance.shuffle(rows),
    )
    chance.choice(ways)()
    between = chance.choice((mark, mark, mark, mark, ";", "\t", ", ", "|"))
    return "\n".join(between.join(one) for one in rows).encode("utf-8", "surrogatepass")


def _arrays(content: bytes, chance: random.Random) -> bytes:
    """Give an array of an archive another type, shape, name or value."""
    with np.load(io.BytesIO(content), allow_pickle=True) as archive:
        arrays: dict[str, Any] = {name: archive[name] for name in archive.files}
    name = chance.choice(list(arrays))
    array = arrays[name]
    kinds = ("f2", ">f4", "f8", "longdouble", "i1", "u8", "U9", "S3", "O", "?", "c8", "M8[s]")
    wild = (np.nan, np.inf, 1e38, 0, -1)
    ways: tuple[Callable[[], Any], ...] = (
        lambda: array.astype(chance.choice(kinds)),
        lambda: array.astype(chance.choice(kinds)),
        lambda: array.reshape(-1),
        lambda: array[..., None],
        lambda: array[chance.choice((0, slice(0, 0), slice(0, 1), slice(1, None)))],
        lambda: np.concatenate([array, array]),
        lambda: np.full_like(array, chance.choice(wild), dtype="f4"),
        lambda: np.where(np.arange(len(array)).reshape(-1, *[1] * (array.ndim - 1)) == 0, 9, array),
        lambda: np.array([None, LONG, {}], dtype=object),
        lambda: np.zeros((1, 0), "f4"),
    )
    with np.errstate(all="ignore"):
        changed = chance.choice(ways)()
    if chance.random() < 0.1:
        del arrays[name]
        name = chance.choice(("x", name.upper(), "é"))
    arrays[name] = changed
    stream = io.BytesIO()
    chance.choice((np.savez, np.savez_compressed))(stream, **arrays)
    return stream.getvalue()


def _picture(content: bytes, chance: random.Random) -> bytes:
    """Save a picture in another mode, size, format or with other values."""
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        picture = image.copy()
    mode = chance.choice(("1", "L", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "LA", "YCbCr"))
    size = (max(1, picture.width + chance.choice((-1, 0, 3, 40))), chance.choice((1, 9, 13)))
    if chance.random() < 0.5:
        picture = picture.resize(size)
    if chance.random() < 0.3:
        values = np.asarray(picture).astype(chance.choice(("u1", "i4", "f4", "u2")))
        picture = Image.fromarray(values + values.dtype.type(chance.choice((0, 1, 100))))
    elif chance.random() < 0.7:
        picture = picture.convert(mode) if mode != "I;16" else picture.convert("I")
    stream = io.BytesIO()
    picture.save(stream, chance.choice(("PNG", "PNG", "TIFF", "JPEG", "GIF", "BMP", "WEBP")))
    return stream.getvalue()


def _weights(content: bytes, chance: random.Random) -> bytes:
    """Change the header of a safetensors file."""
    size = int.from_bytes(content[:8], "little")
    header = _json(content[8 : 8 + size], chance)
    claimed = chance.choice((len(header),) * 4 + (0, 2**40, 2**64 - 1, len(header) - 1))
    return claimed.to_bytes(8, "little") + header + content[8 + size :]


SUITED: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": _json,
    ".jsonl": _lines,
    ".csv": _table,
    ".txt": _table,
    ".npz": _arrays,
    ".png": _picture,
    ".jpg": _picture,
    ".JPEG": _picture,
    ".safetensors": _weights,
}


def damaged(path: Path, content: bytes, chance: random.Random) -> None:
    """Write a file damaged; now and then it is missing, a folder, or leads nowhere."""
    path.unlink()
    way = chance.random()
    if way > 0.02:
        path.write_bytes(mutated(content, path.suffix, chance))
    elif way > 0.012:
        path.mkdir()
    elif way > 0.006:
        path.symlink_to(path.with_name("nowhere"))


def restore(path: Path, content: bytes) -> None:
    """Write a file as it was."""
    if path.is_file() and not path.is_symlink() and path.read_bytes() == content:
        return
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)
    path.write_bytes(content)
