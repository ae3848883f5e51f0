"""A headless browser for the project's pages, controlled over its debugging pipe without any package.

`python -m tests.support.browser PAGE.html OUT.png [WIDTH [HEIGHT]]` takes a picture of a page, or of its top.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SECONDS = 30.0
"""Seconds that the browser has to answer."""
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-breakpad",
    "--disable-extensions", "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip


def installed() -> str | None:
    """The path of a browser that speaks the protocol, or None if none is installed."""
    return next((path for path in map(shutil.which, NAMES) if path), None)


class Browser:
    """One tab of a browser with a fresh profile. `requests`: addresses that it requested. `complaints`: its
    console's messages, such as violations of a page's policy."""

    def __init__(self, program: str, home: Path) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = 0
        self._number = 0
        self._unread = b""
        self._session: str | None = None
        hears, self._says = _pipe()
        self._hears, says = _pipe()
        silence = os.open(os.devnull, os.O_WRONLY)
        self._pid = os.posix_spawn(
            program,
            [program, *_FLAGS, f"--user-data-dir={home / 'profile'}", "about:blank"],
            {**os.environ, "HOME": str(home), "TMPDIR": str(home)},
            file_actions=[
                (os.POSIX_SPAWN_DUP2, end, place) for end, place in ((hears, 3), (says, 4), (silence, 2))
            ],
            setpgroup=0,
        )
        for end in (hears, says, silence):
            os.close(end)
        target = self.do("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.do(f"{domain}.enable")

    def open(self, address: str, width: int, height: int = 844, dark: bool = False) -> None:
        """Show a page in a window of `width` x `height` pixels; a width under 600 is a phone's."""
        self.requests, self.complaints = [], []
        self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.do("Emulation.setEmulatedMedia", features=[scheme])
        before = self._loaded
        self.do("Page.navigate", url=address)
        deadline = time.monotonic() + _SECONDS
        while self._loaded == before:
            self._read(deadline)

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression on the page."""
        answer = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def picture(self, width: int = 0, height: int = 0) -> bytes:
        """The page as a PNG, or its top left part of `width` times `height` pixels."""
        part = {"clip": {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}} if height else {}
        answer = self.do("Page.captureScreenshot", format="png", captureBeyondViewport=True, **part)
        return base64.b64decode(answer["data"])

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the protocol, and return its answer."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        os.write(self._says, json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + _SECONDS
        while True:
            message = self._read(deadline)
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                answer: dict[str, Any] = message["result"]
                return answer

    def close(self) -> None:
        os.close(self._says)
        os.close(self._hears)
        os.killpg(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)

    def _read(self, deadline: float) -> dict[str, Any]:
        """Read the next message, and record it if it reports an event."""
        while b"\0" not in self._unread:
            if not select.select([self._hears], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser does not answer")
            more = os.read(self._hears, 1 << 16)
            if not more:
                raise ConnectionError("the browser has gone")
            self._unread += more
        first, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        told = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif message.get("method") == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif message.get("method") == "Page.loadEventFired":
            self._loaded += 1
        return message


def _pipe() -> tuple[int, int]:
    """Both ends of a pipe, at other numbers than those that the browser expects for its own."""
    ends = os.pipe()
    clear = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return clear[0], clear[1]


def main(page: str, out: str, width: str = "1280", height: str = "0") -> None:
    program = installed()
    if program is None:
        sys.exit(f"none of {', '.join(NAMES)} is installed")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        browser = Browser(program, Path(home))
        try:
            browser.open(Path(page).resolve().as_uri(), int(width))
            Path(out).write_bytes(browser.picture(int(width), int(height)))
        finally:
            browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
