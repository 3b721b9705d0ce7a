"""A small archive with the layout and names of Speech Commands, and a server that can cut it."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
import threading
import wave
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np

from speech_rnn.data.speech_commands import COMMANDS, WORDS, which_set

RATE = 16000
NOISES = (
    *("doing_the_dishes", "dude_miaowing", "exercise_bike"),
    *("pink_noise", "running_tap", "white_noise"),
)
SPEAKERS = {"train": 6, "validation": 2, "test": 2}


@dataclass(frozen=True)
class Archive:
    """A file to serve and what a recipe must know of it."""

    path: Path
    sha256: str
    size: int


def speakers(counts: Mapping[str, int]) -> list[str]:
    """Make up speakers of 8 hex digits until each split has its number, by the hash rule."""
    left, found, number = dict(counts), [], 0
    while any(left.values()):
        name = hashlib.md5(f"speaker {number}".encode()).hexdigest()[:8]
        number += 1
        if left.get(which_set(name), 0) > 0:
            left[which_set(name)] -= 1
            found.append(name)
    return found


def spoken(word: str, speaker: str, take: int = 0, seconds: float = 1.0) -> bytes:
    """Synthesise a clip: two tones in a row say the word, their pitch and loudness the speaker."""
    place = WORDS[2].index(word)
    tones = 250.0 * 1.5 ** np.array([place // 6, place % 6])  # 36 pairs of 250 to 1900 Hz
    rng = np.random.default_rng([int(speaker, 16), place, take])
    voice = np.random.default_rng(int(speaker, 16))
    pitch, gain = voice.uniform(0.97, 1.03), voice.uniform(0.1, 0.5)
    n = round(seconds * RATE)
    half = int(0.35 * n)
    clip = 0.003 * rng.standard_normal(n)
    start = rng.integers(0, n - 2 * half)
    for tone in tones:
        time = np.arange(half) / RATE
        clip[start : start + half] += (
            gain * np.hanning(half) * np.sin(2 * np.pi * tone * pitch * time)
        )
        start += half
    return wav(clip)


def noise(name: str, seconds: float) -> bytes:
    """Make a noise whose colour the name decides."""
    rng = np.random.default_rng([NOISES.index(name)])
    white = rng.standard_normal(round(seconds * RATE))
    return wav(0.05 * np.convolve(white, rng.standard_normal(8) / 3, mode="same"))


def wav(samples: np.ndarray) -> bytes:
    """Pack samples in [-1, 1] as 16-bit mono at 16 kHz."""
    with io.BytesIO() as packed:
        with wave.open(packed, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((samples * 32767).clip(-32768, 32767).astype("<i2").tobytes())
        return packed.getvalue()


@cache
def files(
    words: tuple[str, ...],
    counts: tuple[tuple[str, int], ...],
    takes: int,
    seconds: float,
    noise_seconds: float,
    lists: bool,
) -> dict[str, bytes]:
    """Return all members of a corpus and their bytes."""
    clips = {
        f"{word}/{speaker}_nohash_{take}.wav": spoken(word, speaker, take, seconds)
        for word in words
        for speaker in speakers(dict(counts))
        for take in range(takes)
    }
    noises = {f"_background_noise_/{name}.wav": noise(name, noise_seconds) for name in NOISES}
    named = {"validation_list.txt": "validation", "testing_list.txt": "test"} if lists else {}
    texts = {
        file: "".join(f"{name}\n" for name in clips if which_set(name) == split).encode()
        for file, split in named.items()
    }
    return {"README.md": b"# Speech Commands, a likeness\n", **clips, **noises, **texts}


def corpus_files(
    words: Sequence[str] = WORDS[2],
    *,
    counts: Mapping[str, int] | None = None,
    takes: int = 1,
    seconds: float = 1.0,
    noise_seconds: float = 3.0,
    lists: bool = True,
) -> dict[str, bytes]:
    """Return a likeness of the corpus: `takes` clips of each word by each speaker of each split."""
    counts = tuple((counts or SPEAKERS).items())
    return dict(files(tuple(words), counts, takes, seconds, noise_seconds, lists))


def official_test_files(*, clips: int = 3, seconds: float = 1.0) -> dict[str, bytes]:
    """Return a likeness of the official 12-class test clips, with their odd names."""
    said = speakers({"test": clips})
    known = {
        f"{word}/{speaker}_nohash_0.wav": spoken(word, speaker, 0, seconds)
        for word in COMMANDS
        for speaker in said
    }
    others = [word for word in WORDS[1] if word not in COMMANDS]
    unknown = {
        f"_unknown_/{word}_{speaker}_nohash_0.wav.wav": spoken(word, speaker, 0, seconds)
        for word, speaker in zip(others, said, strict=False)
    }
    silence = {f"_silence_/{100 + i}.wav": noise("running_tap", seconds) for i in range(clips)}
    return {".DS_Store": b"\0", **known, **unknown, **silence}


def write_tree(folder: Path, members: Mapping[str, bytes]) -> Path:
    """Write members as files, as if they had been unpacked."""
    for name, content in members.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_archive(path: Path, members: Mapping[str, bytes]) -> Archive:
    """Write a .tar.gz whose names start with ``./``, as the official ones do."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for folder in ("./", *sorted({f"./{n.partition('/')[0]}" for n in members if "/" in n})):
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, content in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    content = path.read_bytes()
    return Archive(path, hashlib.sha256(content).hexdigest(), len(content))


@dataclass
class Server:
    """A loopback HTTP server for the files of one folder, and what it is to do wrong.

    `cuts` and `statuses` hold for the first requests, one each; after them all goes well.
    """

    folder: Path
    port: int = 0
    ranges: bool = True
    announce_length: bool = True
    cuts: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    stall_seconds: float = 0.0
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send a file, or the rest of it, or as much as a cut allows."""
        asked = request.headers["Range"]
        self.requests.append((request.path, asked))
        if self.statuses and (status := self.statuses.pop(0)) != 200:
            return request.send_error(status)
        path = self.folder / request.path.lstrip("/")
        if not path.is_file():
            return request.send_error(404)
        content = path.read_bytes()
        first = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked and self.ranges else 0
        if first and first >= len(content):
            request.send_response(416)
            request.send_header("Content-Range", f"bytes */{len(content)}")
            request.send_header("Content-Length", "0")
            return request.end_headers()
        request.send_response(206 if first else 200)
        if first:
            last = len(content) - 1
            request.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        if self.announce_length:
            request.send_header("Content-Length", str(len(content) - first))
        request.end_headers()
        cut = self.cuts.pop(0) if self.cuts else None
        request.wfile.write(content[first:][:cut])
        if cut is not None:
            request.wfile.flush()
            self.ended.wait(self.stall_seconds)
        request.close_connection = True


@contextmanager
def serve(
    folder: Path,
    *,
    ranges: bool = True,
    announce_length: bool = True,
    cuts: Sequence[int] = (),
    statuses: Sequence[int] = (),
    stall_seconds: float = 0.0,
) -> Iterator[Server]:
    """Serve a folder over loopback HTTP while the block lasts.

    Parameters
    ----------
    ranges : whether the server honours Range, or sends the whole file each time.
    announce_length : whether it sends Content-Length.
    cuts : the first answers end after so many bytes.
    statuses : the first answers are these errors (200: none).
    stall_seconds : how long a cut answer hangs before its connection is closed.
    """
    server = Server(folder, 0, ranges, announce_length, list(cuts), list(statuses), stall_seconds)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.port = http.server_port
    thread = threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    before = os.environ.get("no_proxy")
    os.environ["no_proxy"] = "127.0.0.1"  # also for the processes that a test starts
    try:
        yield server
    finally:
        if before is None:
            del os.environ["no_proxy"]
        else:
            os.environ["no_proxy"] = before
        server.ended.set()
        http.shutdown()
        http.server_close()
        thread.join()
