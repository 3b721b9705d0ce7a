"""Load, and clients that behave badly, beside streams that must not notice."""

import asyncio
import json
import socket
import threading
import time
from contextlib import suppress

import numpy as np
import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from speech_rnn.audio import load_audio
from speech_rnn.serving.limits import Limits
from tests.serving import load
from tests.serving.running import CLIPS, running, until, url

RATE = 16_000


@pytest.mark.slow
def test_streams_beside_each_other_hear_all_words():
    with running(limits=Limits(streams=10)) as server:
        results = asyncio.run(load.load(server.addresses["http"][1], 10, 9.0))
    assert results["refused"] == []
    assert results["ends"] == [9.0] * 10
    assert sorted(results["words"]) == sorted([*load.WORDS] * 10)


@pytest.mark.slow
def test_a_stream_hears_its_words_among_clients_that_behave_badly():
    limits = Limits(
        streams=20, connections=60, read_seconds=1, write_seconds=1, message_bytes=65536
    )
    with running(limits=limits) as server:
        before = memory()
        ended = threading.Event()
        bad = [threading.Thread(target=one, args=(server, ended)) for one in BAD]
        quiet = np.zeros(RATE, np.float32)
        words = ["yes", "no", "stop"]
        parts = [part for word in words for part in (quiet, load_audio(CLIPS / f"{word}.flac"))]
        content = (np.concatenate([*parts, quiet]) * 32767).astype("<i2").tobytes()
        with connect(url(server, "/listen", "ws"), ping_interval=None) as good:
            for thread in bad:
                thread.start()
            for first in range(0, len(content), 3200):
                good.send(content[first : first + 3200])
                time.sleep(0.1)
            good.send('{"type": "finish"}')
            answers = [json.loads(answer) for answer in good]
        ended.set()
        for thread in bad:
            thread.join(60)
            assert not thread.is_alive()
        until(lambda: server.service.capacity.n_open == 0)
        assert [one["word"] for one in answers if one["type"] == "word"] == words
        until(lambda: requests.get(url(server, "/healthz")).status_code == 200)
        assert memory() - before < 100e6


def memory():
    """Return the resident bytes of this process, in which the server runs."""
    with open("/proc/self/statm") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4096


def many_connections(server, ended):
    """Open a thousand connections, and send nothing."""
    opened = []
    for number in range(1000):
        name = ("http", "wake", "asr")[number % 3]
        with suppress(OSError):
            opened.append(socket.create_connection(server.addresses[name], timeout=5))
        if len(opened) > 200:
            opened.pop(0).close()
    ended.wait(60)
    for connection in opened:
        connection.close()


def never_reads(server, ended):
    """Ask Wyoming for its words again and again, and read no answer."""
    with socket.create_connection(server.addresses["wake"], timeout=1) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        while not ended.is_set():
            try:
                connection.sendall(b'{"type":"describe"}\n' * 100)
            except TimeoutError:
                continue
            except OSError:  # it was closed
                return


def slow_loris(server, ended):
    """Send a request, byte by byte."""
    while not ended.is_set():
        with socket.create_connection(server.addresses["http"]) as connection:
            for byte in b"GET /healthz HTTP/1.1\r\nhost: x\r\n" * 10:
                try:
                    connection.send(bytes([byte]))
                except OSError:
                    break
                if ended.wait(0.1):
                    return


def vanishing(server, ended):
    """Begin streams, and leave without a word."""
    while not ended.is_set():
        refused = (ConnectionClosed, InvalidStatus, OSError, TimeoutError)
        with suppress(*refused), connect(url(server, "/listen", "ws")) as stream:
            stream.send(bytes(3200))
            stream.socket.shutdown(socket.SHUT_RDWR)
        ended.wait(0.2)


def faster_than_speech(server, ended):
    """Send sound as fast as the connection takes it."""
    while not ended.is_set():
        refused = (ConnectionClosed, InvalidStatus, OSError, TimeoutError)
        address = url(server, "/listen", "ws")
        with suppress(*refused), connect(address, ping_interval=None) as stream:
            while not ended.is_set():
                stream.send(bytes(32_000))
        ended.wait(0.2)


BAD = [many_connections, never_reads, slow_loris, vanishing, faster_than_speech]
