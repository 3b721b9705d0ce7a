"""Many streams at once over /listen, each at the pace of speech: ``python -m tests.serving.load``.

A server runs in a process of its own. Streams join one after another; once all are there, the time
from the moment that the last chunk of a word was sent to the arrival of that word, or of the answer
to a chunk, is measured. Chunks are of 0.1 s. Twice a second, a client of Wyoming connects and asks
for the description of the server, and the memory of the server is read.
"""

import argparse
import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request
from functools import partial

import numpy as np
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info

from speech_rnn.audio import load_audio
from speech_rnn.serving.loops import run_in_loop
from tests.serving.running import CLIPS

RATE = 16_000
CHUNK_SECONDS = 0.1
WORDS = ("yes", "no", "right", "stop")


def sound():
    """Return 16-bit PCM with a word about every two seconds."""
    quiet = np.zeros(RATE, np.float32)
    parts = [part for word in WORDS for part in (quiet, load_audio(CLIPS / f"{word}.flac"))]
    return (np.concatenate(parts) * 32767).astype("<i2").tobytes()


def frames(content, seconds):
    """Return the messages that a client sends, one a chunk, masked as the protocol has it."""
    size = round(CHUNK_SECONDS * RATE) * 2
    starts = [n * size % (len(content) - size) for n in range(round(seconds / CHUNK_SECONDS))]
    chunks = [content[start : start + size] for start in starts]
    return [Frame(Opcode.BINARY, chunk).serialize(mask=True) for chunk in chunks]


class Client(asyncio.Protocol):
    """A client of a WebSocket that costs little, since it shares the processors with the server.

    The library opens the connection and reads; the messages were prepared for all clients at once.
    """

    def __init__(self, address, messages, results, number):
        self._socket = ClientProtocol(parse_uri(address))
        self._messages, self._results, self._number = messages, results, number
        self._sent = 0
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()

    def connection_made(self, transport):
        self._transport = transport
        self._socket.send_request(self._socket.connect())
        self._flush()

    def data_received(self, data):
        self._socket.receive_data(data)
        now = time.monotonic()
        for event in self._socket.events_received():
            if isinstance(event, Response):
                self._open(event)
            elif event.opcode is Opcode.TEXT:
                self._hear(json.loads(event.data), now)
        self._flush()

    def eof_received(self):
        self._socket.receive_eof()

    def connection_lost(self, error):
        if not self.ended.done():
            self.ended.set_result(None)

    def _open(self, response):
        if response.status_code != 101:
            self._results["refused"].append(response.status_code)
            self._transport.close()
            return
        self._begin = self._loop.time() + self._number % 10 * CHUNK_SECONDS / 10
        self._loop.call_at(self._begin, self._send)

    def _send(self):
        """Send the chunk whose time has come; note how late its word comes."""
        self._last = time.monotonic()
        self._transport.write(self._messages[self._sent])
        self._sent += 1
        if self._sent < len(self._messages):
            self._loop.call_at(self._begin + self._sent * CHUNK_SECONDS, self._send)
        else:
            self._socket.send_text(b'{"type": "finish"}')
            self._flush()

    def _hear(self, event, now):
        if event["type"] in ("word", "partial"):
            self._results["latency"].append(now - self._last)
        if event["type"] == "word":
            self._results["words"].append(event["word"])
        if event["type"] == "end":
            self._results["ends"].append(event["seconds"])

    def _flush(self):
        for data in self._socket.data_to_send():
            if data:
                self._transport.write(data)
            else:
                self._transport.write_eof()


async def stream(address, messages, results, number):
    """Send messages at the pace of speech until the server ends the connection."""
    loop, place = asyncio.get_running_loop(), parse_uri(address)
    make = partial(Client, address, messages, results, number)
    _, client = await loop.create_connection(make, place.host, place.port)
    await client.ended


async def describe(port):
    """Return the seconds from connecting to the description, as Home Assistant asks for it."""
    begin = time.perf_counter()
    async with AsyncTcpClient("127.0.0.1", port) as client:
        await client.write_event(Describe().event())
        assert Info.is_type((await client.read_event()).type)
    return time.perf_counter() - begin


async def watch(ports, described, memory):
    """Note the time of a description and the memory of the server, again and again."""
    while True:
        described.append(await describe(ports["wake"]))
        memory.append(await asyncio.to_thread(figure, ports["http"], f"process_{MEMORY}"))
        await asyncio.sleep(0.5)


async def watched(ports, n_streams, seconds):
    """Return what the streams met, and what `watch` noted beside them."""
    described, memory = [], []
    watching = asyncio.ensure_future(watch(ports, described, memory))
    results = await load(ports["http"], n_streams, seconds)
    watching.cancel()
    return results, described, memory


async def load(port, n_streams, seconds):
    """Return what the streams met."""
    results = {"latency": [], "words": [], "refused": [], "ends": []}
    address = f"ws://127.0.0.1:{port}/listen"
    messages = frames(sound(), seconds)
    streams = []
    for number in range(n_streams):
        streams.append(asyncio.ensure_future(stream(address, messages, results, number)))
        await asyncio.sleep(0.02)
    await asyncio.gather(*streams)
    return results


def started(*options):
    """Start a server and return its process and its ports by protocol."""
    served = ("--only", "http", "--only", "wake", "--port", "0", "--wake-port", "0")
    command = [sys.executable, "-m", "speech_rnn.serve", *served, *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    ports = {}
    for line in process.stderr:
        event = json.loads(line)
        if event["event"] == "listening":
            ports[event["protocol"]] = event["port"]
        if event["event"] == "ready":
            return process, ports
    raise RuntimeError("the server did not start")


def figure(port, name):
    """Return a figure of the server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        (value,) = re.findall(rf"^{name} (\S+)$", answer.read().decode(), re.M)
    return float(value)


def report(n_streams, seconds, options):
    process, ports = started(*options)
    port = ports["http"]
    drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    before = {name: figure(port, f"process_{name}") for name in FIGURES}
    capacity = figure(port, "speech_rnn_capacity_streams")
    begin = time.monotonic()
    own = time.process_time()
    results, described, memory = run_in_loop(watched(ports, n_streams, seconds))
    wall, own = time.monotonic() - begin, time.process_time() - own
    after = {name: figure(port, f"process_{name}") for name in FIGURES}
    process.terminate()
    process.wait()
    drain.wait()
    latency = 1000 * np.array(results["latency"] or [np.nan])
    sound_seconds = sum(results["ends"]) or np.nan
    return {
        "streams": n_streams,
        "refused": len(results["refused"]),
        "ended": len(results["ends"]),
        "words": len(results["words"]),
        "p50_ms": round(float(np.percentile(latency, 50)), 1),
        "p99_ms": round(float(np.percentile(latency, 99)), 1),
        "most_ms": round(float(latency.max()), 1),
        "describe_p50_ms": round(1000 * float(np.percentile(described, 50)), 1),
        "describe_most_ms": round(1000 * max(described), 1),
        "cpu_of_server": round((after[CPU] - before[CPU]) / wall, 2),
        "server_ms_a_second": round(1000 * (after[CPU] - before[CPU]) / sound_seconds, 2),
        "clients_ms_a_second": round(1000 * own / sound_seconds, 2),
        "MB_before": round(before[MEMORY] / 1e6),
        "kB_a_stream": round((max(memory) - before[MEMORY]) / 1000 / n_streams),
        "capacity": round(capacity),
    }


CPU, MEMORY = "cpu_seconds_total", "resident_memory_bytes"
FIGURES = (CPU, MEMORY)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--max-streams", type=int)
    given = parser.parse_args()
    options = ["--max-streams", str(given.max_streams)] if given.max_streams else []
    print(json.dumps(report(given.streams, given.seconds, options)))


if __name__ == "__main__":
    main()
