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

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from wyoming.client import AsyncTcpClient
from wyoming.info import Describe, Info

from speech_rnn.audio import load_audio
from tests.serving.running import CLIPS

RATE = 16_000
CHUNK_SECONDS = 0.1
WORDS = ("yes", "no", "right", "stop")


def sound():
    """Return 16-bit PCM with a word about every two seconds."""
    quiet = np.zeros(RATE, np.float32)
    parts = [part for word in WORDS for part in (quiet, load_audio(CLIPS / f"{word}.flac"))]
    return (np.concatenate(parts) * 32767).astype("<i2").tobytes()


async def stream(address, content, seconds, results, number):
    """Send sound at its pace; note how late each word comes after the chunk that decided it."""
    size = round(CHUNK_SECONDS * RATE) * 2
    sent = []
    try:
        async with connect(address, compression=None, ping_interval=None) as socket:
            receiving = asyncio.ensure_future(receive(socket, sent, results))
            begin = time.monotonic() + number % 10 * CHUNK_SECONDS / 10
            for count in range(round(seconds / CHUNK_SECONDS)):
                await asyncio.sleep(begin + count * CHUNK_SECONDS - time.monotonic())
                first = count * size % (len(content) - size)
                sent.append(time.monotonic())
                await socket.send(content[first : first + size])
            await socket.send('{"type": "finish"}')
            await receiving
    except InvalidStatus as error:
        results["refused"].append(error.response.status_code)


async def receive(socket, sent, results):
    async for message in socket:
        now, event = time.monotonic(), json.loads(message)
        if event["type"] in ("word", "partial"):
            results["latency"].append(now - sent[-1])
        if event["type"] == "word":
            results["words"].append(event["word"])
        if event["type"] == "end":
            results["ends"].append(event["seconds"])


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
    content = sound()
    streams = []
    for number in range(n_streams):
        streams.append(asyncio.ensure_future(stream(address, content, seconds, results, number)))
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
    results, described, memory = asyncio.run(watched(ports, n_streams, seconds))
    wall = time.monotonic() - begin
    after = {name: figure(port, f"process_{name}") for name in FIGURES}
    process.terminate()
    process.wait()
    drain.wait()
    latency = 1000 * np.array(results["latency"] or [np.nan])
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
