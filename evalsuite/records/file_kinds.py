"""What kind of file this is, by its first bytes: for the message that refuses it."""

_TAR_MARK, _TAR_PLACE = b"ustar", 257
LOOKED_AT = 512  # bytes that are enough for every mark below
_MARKS = (
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself (`git lfs pull` gets it)"),
    (b"\x93NUMPY", "a NumPy array (.npy)"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"\x89HDF\r\n", "an HDF5 file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"RIFF", "a RIFF file (a WebP image, say)"),
    (b"%PDF", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "an old Excel or Word document"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\x04\x22\x4d\x18", "an LZ4 archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
)
_MEDIA_MARK, _MEDIA_PLACE = b"ftyp", 4  # ISO 14496-12; the brand follows
_PHOTOS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head")


def kind_of(content: bytes) -> str | None:
    """Return what a file is in words, with its article; None where no mark is known: text, mostly.

    Args:
        content: the file's first bytes, `LOOKED_AT` of them or all.
    """
    for mark, kind in _MARKS:
        if content.startswith(mark):
            return kind
    if content.startswith(_PICKLES):
        return "a Python pickle"
    if content[_MEDIA_PLACE:].startswith(_MEDIA_MARK):
        return "a HEIC or AVIF image" if content[8:12] in _PHOTOS else "a video (MP4 or the like)"
    if content[_TAR_PLACE : _TAR_PLACE + len(_TAR_MARK)] == _TAR_MARK:
        return "a tar archive"
    if content.lstrip()[:9].lower().startswith(_PAGES):
        return "a web page or XML"
    return None
