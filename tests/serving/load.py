"""Many streams at once over /listen, each at the pace of speech: ``python -m tests.serving.load``.

A server runs in a process of its own. Streams join one after another; once all are there, the time
from the moment that the last chunk of a word was sent to the arrival of that word, or of the answer
to a chunk, is measured. Chunks are of 0.1 s.
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
    """Start a server and return its process and port."""
    command = [sys.executable, "-m", "speech_rnn.serve", "--only", "http", "--port", "0", *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    port = None
    for line in process.stderr:
        event = json.loads(line)
        port = event.get("port", port)
        if event["event"] == "ready":
            return process, port
    raise RuntimeError("the server did not start")


def figure(port, name):
    """Return a figure of the server."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        (value,) = re.findall(rf"^{name} (\S+)$", answer.read().decode(), re.M)
    return float(value)


def report(n_streams, seconds, options):
    process, port = started(*options)
    drain = subprocess.Popen(["cat"], stdin=process.stderr, stdout=subprocess.DEVNULL)
    before = {name: figure(port, f"process_{name}") for name in FIGURES}
    capacity = figure(port, "speech_rnn_capacity_streams")
    begin = time.monotonic()
    results = asyncio.run(load(port, n_streams, seconds))
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
        "cpu_of_server": round((after[CPU] - before[CPU]) / wall, 2),
        "kB_a_stream": round(
            (after[MEMORY] - before[MEMORY]) / 1000 / max(1, len(results["ends"]))
        ),
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
