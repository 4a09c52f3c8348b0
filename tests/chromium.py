"""A page in headless Chromium, over the DevTools protocol."""

import itertools
import json
import urllib.request
from pathlib import Path

from waiting import PATIENCE_S, eventually


class NotDone(Exception):
    """Chromium did not do what was asked."""


class Page:
    """A page in headless Chromium, over the DevTools protocol."""

    def __init__(self, socket) -> None:
        self._socket, self._ids = socket, itertools.count(1)

    def call(self, method: str, **params):
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(timeout=PATIENCE_S))).get("id") != number:
            pass
        if "error" in answer:
            raise NotDone(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, text=key[:1] * (len(key) == 1))

    def value(self, expression: str):
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def wait(self, expression: str) -> None:
        def holds() -> bool:
            try:
                return bool(self.value(expression))
            except NotDone:  # while one document takes the place of another, there is none
                return False

        eventually(holds, expression, every_s=0.05)


def debugger(profile: Path, address: str) -> str:
    """Return the DevTools address of the page."""

    found: list[str] = []

    def opened() -> list[str]:
        port = profile / "DevToolsActivePort"
        if not port.is_file() or len(lines := port.read_text().split()) < 2:
            return []
        there = f"http://127.0.0.1:{lines[0]}/json"
        with urllib.request.urlopen(there, timeout=PATIENCE_S) as answer:
            pages = json.load(answer)
        found.extend(page["webSocketDebuggerUrl"] for page in pages if page["url"] == address)
        return found

    eventually(opened, "Chromium has opened the page", every_s=0.1)
    return found[0]
