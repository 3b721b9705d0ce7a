"""A real, headless Chromium, driven over the DevTools protocol."""

import itertools
import json
import shutil
import subprocess
import threading
import time
from base64 import b64decode
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

pytest.importorskip("websockets", reason="the extra [serve] is not installed")

from websockets.sync.client import connect

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update"),
    *("--autoplay-policy=no-user-gesture-required", "--mute-audio"),
)


class Tab:
    """A page of the browser."""

    def __init__(self, socket, session):
        self._socket, self._session = socket, session
        self._ids = itertools.count(1)
        self.events = []

    def call(self, method, **parameters):
        """Call a method of the protocol, and return its result."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        self._socket.send(json.dumps(message | {"sessionId": self._session}))
        while True:
            answer = json.loads(self._socket.recv(timeout=120))
            if answer.get("id") == number and answer.get("sessionId") == self._session:
                assert "error" not in answer, answer
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def open(self, url, width=1280, height=900, scheme="light", scale=1):
        """Open an address in a window of a size, for light or dark."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=width < 500,
        )
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=media)
        self.call("Page.navigate", url=url)

    def run(self, script):
        """Return the value of an expression, awaited."""
        result = self.call(
            "Runtime.evaluate",
            expression=script,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def until(self, script, seconds=90):
        """Wait until an expression is true, and return the seconds that it took."""
        start = time.monotonic()
        while not self.run(script):
            status = self.run("document.getElementById('status')?.textContent")
            assert time.monotonic() - start < seconds, f"{script}: {status}"
            time.sleep(0.05)
        return time.monotonic() - start

    def choose(self, selector, *files):
        """Choose files in an input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(file) for file in files])

    def press(self, key, code=None):
        """Press a key."""
        text = {"Enter": "\r", " ": " "}.get(key)
        numbers = {"Tab": 9, "Enter": 13, " ": 32, "ArrowRight": 39, "ArrowLeft": 37}
        common = {"key": key, "code": code or key, "windowsVirtualKeyCode": numbers.get(key, 0)}
        down = {"type": "keyDown", "text": text} if text else {"type": "rawKeyDown"}
        self.call("Input.dispatchKeyEvent", **down, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def close(self):
        """Close it, so that it takes no time from others."""
        self.call("Page.close")

    def picture(self):
        """Return a picture of the window as PNG."""
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def mistakes(self):
        """Return what the console and the network have complained of, and all addresses."""
        self.run("0")  # takes the events until now
        told = [
            json.dumps(event["params"])
            for event in self.events
            if event["method"] in ("Runtime.exceptionThrown", "Network.loadingFailed")
            or (
                event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] == "error"
            )
        ]
        addresses = [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]
        return told, addresses


@contextmanager
def browser(folder, *flags):
    """Run a browser as long as the context lasts; yields a function that opens a new tab."""
    command = [BROWSER, *FLAGS, f"--user-data-dir={folder / 'profile'}", *flags, "about:blank"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        address = next(
            line.split()[-1] for line in process.stderr if line.startswith("DevTools listening on")
        )
        threading.Thread(target=process.stderr.read, daemon=True).start()
        with connect(address, max_size=None, ping_interval=None) as socket:

            def new_tab():
                tab = Tab(socket, None)
                target = _call(socket, "Target.createTarget", url="about:blank")["targetId"]
                tab._session = _call(
                    socket, "Target.attachToTarget", targetId=target, flatten=True
                )["sessionId"]
                return tab

            yield new_tab
            socket.send(json.dumps({"id": 10**9, "method": "Browser.close"}))
    finally:
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _call(socket, method, **parameters):
    socket.send(json.dumps({"id": 0, "method": method, "params": parameters}))
    while True:
        answer = json.loads(socket.recv(timeout=60))
        if answer.get("id") == 0:
            return answer["result"]


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def log_message(self, *given):
        pass


@contextmanager
def served(folder):
    """Serve a folder as any web server does; yields its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
