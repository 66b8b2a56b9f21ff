import hashlib
import io
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from evalsuite.backbones.weights import local_file, released_files
from evalsuite.records.errors import UserError

CONTENT = bytes(range(256)) * 12_000  # about 3 MB: several chunks


class Server(ThreadingHTTPServer):
    """Serves CONTENT with ranges; breaks off the next answer after `breaks_after` bytes."""

    breaks_after: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    def address(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.path.startswith("/absent"):
            self.send_error(404)
            return
        found = re.fullmatch(r"bytes=(\d+)-", asked or "")
        start = int(found[1]) if found and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = self.server.breaks_after
        self.server.breaks_after = None
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path / "cache"))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def fetched(address: str) -> Path:
    return local_file(address, console=Console(file=io.StringIO()))


def test_a_file_is_downloaded_once_into_the_cache(server: Server, tmp_path: Path) -> None:
    first, second = fetched(server.address("w.pth?x=1")), fetched(server.address("w.pth?x=1"))
    assert first == second == tmp_path / "cache" / "w.pth"
    assert hashlib.sha256(first.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    assert server.asked == [None]


def test_an_interrupted_download_continues_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 1_500_000
    with pytest.raises(UserError, match="run again to continue"):
        fetched(server.address("w.pth"))
    assert not (tmp_path / "cache" / "w.pth").exists()
    assert fetched(server.address("w.pth")).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1500000-"]


def test_a_server_without_ranges_sends_all_again(server: Server) -> None:
    server.breaks_after, server.ranges = 1_500_000, False
    with pytest.raises(UserError):
        fetched(server.address("w.pth"))
    assert fetched(server.address("w.pth")).read_bytes() == CONTENT


def test_a_part_that_is_longer_than_the_file_is_thrown_away(server: Server, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "w.pth.part").write_bytes(CONTENT + b"more")
    assert fetched(server.address("w.pth")).read_bytes() == CONTENT


def test_a_failed_download_names_the_address(server: Server) -> None:
    with pytest.raises(UserError, match=r"absent\.pth: download failed \(.*Not Found"):
        fetched(server.address("absent.pth"))


def test_a_local_path_needs_no_network(tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_bytes(b"x")
    assert local_file(str(tmp_path / "w.pth")) == tmp_path / "w.pth"


def test_a_released_name_already_in_the_cache_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_CACHE", str(tmp_path))
    (tmp_path / "beit3_base_patch16_480_vqa.pth").write_bytes(b"x")
    found = tmp_path / "beit3_base_patch16_480_vqa.pth"
    assert local_file("beit3_base_patch16_480_vqa.pth") == found
    assert local_file("beit3_base_patch16_480_vqa") == found


def test_a_misspelt_name_gets_near_ones() -> None:
    with pytest.raises(UserError, match=r"did you mean beit3_base_patch16_480_vqa\.pth"):
        local_file("beit3_base_patch16_480_vqav2.pth")


def test_every_released_file_has_an_address_of_its_name() -> None:
    released = released_files()
    assert len(released) == 30
    assert all(item.url.endswith(f"/beit3/{name}") for name, item in released.items())
    assert {item.backbone for item in released.values()} == {"beit3_base", "beit3_large", ""}
