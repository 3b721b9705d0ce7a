"""A real server on the loopback address, in a thread of its own."""

import asyncio
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra [serve] is not installed")

from speech_rnn.serving.limits import Limits
from speech_rnn.serving.places import Places
from speech_rnn.serving.server import Server
from speech_rnn.serving.service import Service
from speech_rnn.serving.shelf import Shelf
from speech_rnn.starter import STARTER

FREE = {"port": 0, "wake_port": 0, "asr_port": 0}
CLIPS = Path(__file__).parents[1] / "clips"


@contextmanager
def running(
    *files, folder=None, limits=None, prepare=lambda recognizer: None, studio=None, **places
):
    """Run a server on free ports as long as the context lasts; stopped as by SIGTERM."""
    folders = [folder] if folder else []
    folders += [studio.recognisers] if studio else []
    shelf = Shelf(files or ([] if folder else [STARTER]), folders, prepare)
    limits = limits or Limits(streams=8)
    started, failed = threading.Event(), []
    held = {}

    async def main():
        server = Server(Service(shelf, limits), Places(**FREE | places), studio)
        held.update(server=server, loop=asyncio.get_running_loop(), asked=asyncio.Event())
        await server.start()
        started.set()
        await held["asked"].wait()
        await server.stop()

    def work():
        try:
            asyncio.run(main())
        except BaseException as error:
            failed.append(error)
            started.set()

    thread = threading.Thread(target=work)
    thread.start()
    started.wait(60)
    if failed:
        raise failed[0]
    server = held["server"]
    server.ask_to_stop = lambda: held["loop"].call_soon_threadsafe(held["asked"].set)
    server.thread = thread
    try:
        yield server
    finally:
        if thread.is_alive():
            server.ask_to_stop()
            thread.join(30)
        assert not thread.is_alive(), "the server does not stop"
        if failed:
            raise failed[0]


def url(server, path="", scheme="http"):
    """Return the address of a path of HTTP."""
    host, port = server.addresses["http"]
    return f"{scheme}://{host}:{port}{path}"


def until(is_so, seconds=60):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.01)
