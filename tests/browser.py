"""A headless Chromium driven over the WebDriver protocol, with nothing but the standard library."""

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
REASON = "no chromium and chromedriver on PATH; on Debian: apt install chromium chromium-driver"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Browser:
    """One session; `run` calls JavaScript in the page."""

    def __init__(self, address: str, flags: list[str]) -> None:
        self.address = address
        options = {"args": flags, "binary": CHROMIUM}
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        answer = self._call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self.session = f"/session/{answer['sessionId']}"

    def open(self, page: Path, width: int, *, dark: bool = False, height: int = 900) -> None:
        """Open a file in a window of a width, in pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.cdp("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.cdp("Emulation.setEmulatedMedia", features=[scheme])
        self._call("POST", f"{self.session}/url", {"url": page.resolve().as_uri()})

    def run(self, script: str) -> Any:
        """Return what a function body returns."""
        return self._call("POST", f"{self.session}/execute/sync", {"script": script, "args": []})

    def wait(self, script: str, seconds: float = 10) -> Any:
        """Return what a function body returns once that is true."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            value = self.run(script)
            if value:
                return value
            time.sleep(0.05)
        raise AssertionError(f"never came true: {script}")

    def cdp(self, command: str, **parameters: Any) -> Any:
        """Call a command of the DevTools protocol."""
        content = {"cmd": command, "params": parameters}
        return self._call("POST", f"{self.session}/goog/cdp/execute", content)

    def log(self) -> list[str]:
        """Return what the console has said since the last call."""
        entries = self._call("POST", f"{self.session}/se/log", {"type": "browser"})
        return [f"{entry['level']}: {entry['message']}" for entry in entries]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """Write a picture of the page, of all of it if not told otherwise."""
        shot = self.cdp("Page.captureScreenshot", captureBeyondViewport=whole, format="png")
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the session."""
        self._call("DELETE", self.session)

    def _call(self, method: str, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(self.address + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except HTTPError as error:
            raise AssertionError(error.read().decode()) from None


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with an empty profile, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(DRIVER), f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address)
        session = Browser(address, [*FLAGS, f"--user-data-dir={profile}"])
        yield session
        session.close()
    finally:
        process.terminate()
        process.wait()


def _wait_for(address: str) -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(f"{address}/status", timeout=5):
                return
        except URLError:
            time.sleep(0.1)
    raise AssertionError("chromedriver did not start")
