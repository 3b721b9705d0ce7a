"""The recogniser in its engines: a clip from samples to a word, and a stream hop by hop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.benchmarking.candidates import Candidates
from speech_rnn.benchmarking.exported import loaded
from speech_rnn.benchmarking.results import Row, Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.sounds import idle, one_second
from speech_rnn.benchmarking.subjects import compiled, measured, streamable, transcribing
from speech_rnn.benchmarking.timing import Contender
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.stream import EventStream

__all__ = ["of_a_clip", "of_a_stream"]

HOP_SECONDS = 0.01
HOPS, QUICK_HOPS = 100, 10
BLOCKS = {"each hop at once": 0.0, "blocks of 100 ms": 0.1}
SETTLING_SECONDS = 5
"""Until the gate has taken a room's noise for its floor."""


def of_a_clip(settings: Settings) -> Section:
    """Time a one-second clip from samples to a word."""
    recognizer = measured(settings)
    clip = one_second(settings.audio, recognizer.sample_rate)
    waveform = torch.from_numpy(clip)[None]

    def features() -> Contender:
        return lambda: recognizer.features(waveform)

    found = Candidates()
    found.add("PyTorch", lambda: transcribing(recognizer, clip))
    if not settings.quick:  # a compiler takes a minute
        found.add("PyTorch, model compiled", lambda: transcribing(compiled(recognizer), clip))
    for file in settings.onnx:
        found.add(file.name, lambda file=file: transcribing(loaded(file), clip))  # type: ignore[misc]
    with torch.inference_mode():
        found.add("PyTorch, features alone", features)
        rows = found.rows(settings.n_rounds)
    return Section("model", "a one-second clip, samples to word", THREADS["model"], rows)


def of_a_stream(settings: Settings) -> Section:
    """Time a hop of 10 ms in a stream, at once and in blocks of ten, heard and at a closed gate."""
    recognizer = streamable(settings)
    n_hops = QUICK_HOPS if settings.quick else HOPS
    engines: dict[str, Callable[[], Recognizer]] = {"PyTorch": lambda: recognizer}
    for file in settings.onnx_streams or settings.onnx:
        engines[file.name] = partial(loaded, file)
    found = Candidates()
    for name, engine in engines.items():
        for block, seconds in BLOCKS.items():
            heard = partial(_heard, engine, settings, n_hops, seconds)
            found.add(f"{name}, {block}", heard)
            found.add(f"{name}, {block}, gate closed", partial(_unheard, engine, n_hops, seconds))
    rows = tuple(
        Row(row.name, row.seconds and row.seconds.per(n_hops), row.figures, row.note)
        for row in found.rows(settings.n_rounds)
    )
    return Section("stream", "a hop of 10 ms in a stream", THREADS["stream"], rows)


def _heard(
    engine: Callable[[], Recognizer], settings: Settings, n_hops: int, block_seconds: float
) -> Contender:
    recognizer = engine()
    second = one_second(settings.audio, recognizer.sample_rate)
    return _pushed(recognizer.stream(block_seconds=block_seconds), second, n_hops)


def _unheard(engine: Callable[[], Recognizer], n_hops: int, block_seconds: float) -> Contender:
    recognizer = engine()
    room = idle(recognizer.sample_rate)
    stream = recognizer.stream(gating=Gating(), block_seconds=block_seconds)
    for _ in range(SETTLING_SECONDS):
        stream.push(room)
    return _pushed(stream, room, n_hops)


def _pushed(stream: EventStream, second: NDArray[np.float32], n_hops: int) -> Contender:
    hop = round(HOP_SECONDS * len(second))
    chunks = [second[start : start + hop] for start in range(0, n_hops * hop, hop)]

    def run() -> None:
        for chunk in chunks:
            stream.push(chunk)

    return run
