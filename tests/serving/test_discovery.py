"""A home finds the server by zeroconf, and sees it leave: with the browser of python-zeroconf."""

import subprocess
import sys
import threading

import pytest

zeroconf = pytest.importorskip("zeroconf", reason="needs the extra [serve]")

TYPE = "_wyoming._tcp.local."


class Listener(zeroconf.ServiceListener):
    """Keeps the services that are there, by their names."""

    def __init__(self):
        self.there, self.changed = {}, threading.Condition()

    def add_service(self, browser, kind, name):
        info = browser.get_service_info(kind, name, 3000)
        with self.changed:
            self.there[name] = (info.parsed_addresses(), info.port)
            self.changed.notify()

    def update_service(self, browser, kind, name):
        pass

    def remove_service(self, browser, kind, name):
        with self.changed:
            self.there.pop(name, None)
            self.changed.notify()

    def wait(self, holds):
        with self.changed:
            return self.changed.wait_for(holds, timeout=60)


@pytest.mark.slow
def test_a_home_finds_the_server_and_sees_it_leave():
    try:
        browser = zeroconf.Zeroconf()
    except OSError as error:
        pytest.skip(f"no multicast here: {error}")
    listener = Listener()
    zeroconf.ServiceBrowser(browser, TYPE, listener)
    ports = ("--port", "0", "--wake-port", "0", "--asr-port", "0")
    server = subprocess.Popen([sys.executable, "-m", "speech_rnn.serve", "--zeroconf", *ports])

    def mine():
        return [name for name in listener.there if name.startswith("speech-rnn ")]

    try:
        assert listener.wait(lambda: len(mine()) == 2), "the server was not found"
        assert {name.split()[1] for name in mine()} == {"wake", "asr"}
        assert all("127.0.0.1" in found and port for found, port in listener.there.values())
        server.terminate()
        assert listener.wait(lambda: not mine()), "the server did not say that it leaves"
        assert server.wait(30) == 0
    finally:
        server.kill()
        browser.close()
