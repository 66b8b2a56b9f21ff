"""Files given as weights that are something else: what each is, and what to do about it."""

import zipfile
from pathlib import Path

from evalsuite.records.file_kinds import LOOKED_AT, kind_of

STOPPED = "did the download stop? fetch the file again"
EXPECTED = "not weights that can be read here; expected .safetensors or a PyTorch file (.pth)"
LARGEST_HEADER = 100_000_000  # bytes; the safetensors library reads no larger one
_PICKLED = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_ENDINGS = {
    ".onnx": "an ONNX model",
    ".pb": "a TensorFlow model",
    ".tflite": "a TensorFlow Lite model",
    ".index": "the index of a TensorFlow checkpoint",
    ".msgpack": "Flax weights (msgpack)",
    ".distcp": "a part of a distributed PyTorch checkpoint",
    ".yaml": "a text file",
    ".txt": "a text file",
}
_UNPACK = {
    "a gzip archive": "gunzip",
    "a zip archive": "unzip",
    "a tar archive": "tar -xf",
    "a bzip2 archive": "bunzip2",
    "an xz archive": "unxz",
    "a Zstandard archive": "unzstd",
    "a 7-Zip archive": "7z x",
    "an LZ4 archive": "unlz4",
    "a RAR archive": "unrar x",
}
_MARKS = ((0, b"GGUF", "a GGUF model (llama.cpp)"), (4, b"TFL3", "a TensorFlow Lite model"))


def read_start(path: Path) -> bytes:
    """Return a file's first bytes, as many as tell what it is."""
    with path.open("rb") as file:
        return file.read(LOOKED_AT)


def kind_of_weights(path: Path, start: bytes) -> str | None:
    """Return what a file is that holds no weights, and what to do; None for a torch file.

    Args:
        start: the file's first bytes.
    """
    if not start:
        return f"an empty file, not weights; {STOPPED}"
    if start.startswith(_PICKLED):
        return None
    kind = kind_of(start)
    if kind in _UNPACK:
        return f"{kind}, not weights; unpack it (`{_UNPACK[kind]}`) and name the file inside"
    if kind == "a web page or XML":
        return (
            f"{kind}, not weights: the server answered so in the file's place (a login, an error); "
            "open the address in a browser, and fetch the file itself"
        )
    if kind is not None:
        return f"{kind}; {EXPECTED}"
    marked = (name for place, mark, name in _MARKS if start[place:].startswith(mark))
    known = next(marked, None) or _kind_by_name(path, start)
    return f"{known or _unnamed(start)}; {EXPECTED}"


def zip_kind(path: Path) -> str | None:
    """Return what a zip archive is that holds no weights, and what to do; None for a torch file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return f"a PyTorch file or zip archive that is cut short or damaged; {STOPPED}"
    inside = [name.split("/", 1)[-1] for name in names]
    if any(name.startswith("code/") for name in inside) and "constants.pkl" in inside:
        return (
            "a TorchScript archive (a program with its weights), which is not run here; save the "
            "weights alone: torch.save(torch.jit.load(FILE).state_dict(), OUT)"
        )
    if "data.pkl" in inside:
        return None
    if any(name.endswith(".npy") for name in names):
        return f"NumPy arrays (.npz, as JAX models come); {EXPECTED}"
    if "model.weights.h5" in names:
        return f"a Keras model; {EXPECTED}"
    if any(name.startswith("models/") or name == "archive_format" for name in inside):
        return f"an exported PyTorch program (.pt2); {EXPECTED}"
    some = ", ".join(name[:60] for name in names[:2])
    return f"a zip archive of {len(names)} files ({some}); unpack it, name the weights inside"


def _kind_by_name(path: Path, start: bytes) -> str | None:
    """Return what a file's ending or a TensorFlow, Flax or ONNX beginning says that it is."""
    if ".data-0000" in path.name:
        return "a part of a TensorFlow checkpoint"
    if path.suffix in _ENDINGS:
        return _ENDINGS[path.suffix]
    # msgpack: a small map (0x81 to 0x8f) or a longer one (0xde, 0xdf) whose first key is text.
    if 0x81 <= start[0] <= 0x8F and len(start) > 1 and (0xA0 <= start[1] <= 0xBF):
        return "Flax weights (msgpack)"
    if start[0] == 0x08 and b"onnx" in start.lower():
        return "an ONNX model"
    return None


def _unnamed(start: bytes) -> str:
    try:
        text = start[:LOOKED_AT].decode("utf-8", "strict").lstrip()
    except UnicodeDecodeError:
        return "a file of an unknown kind"
    if "\0" in text:
        return "a file of an unknown kind"
    return "JSON" if text.startswith(("{", "[")) else "a text file"
