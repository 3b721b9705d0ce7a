"""The recogniser in its engines: a clip from samples to a word, and a stream hop by hop."""

from __future__ import annotations

import torch

from speech_rnn.benchmarking.candidates import Candidates
from speech_rnn.benchmarking.exported import loaded
from speech_rnn.benchmarking.results import Row, Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.sounds import one_second
from speech_rnn.benchmarking.subjects import compiled, measured, streamable, transcribing
from speech_rnn.benchmarking.timing import Contender
from speech_rnn.recognizer import Recognizer

__all__ = ["of_a_clip", "of_a_stream"]

HOP_SECONDS = 0.01
HOPS, QUICK_HOPS = 100, 10


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
    """Time a hop of 10 ms in a stream, worked on at once or in blocks of ten."""
    recognizer = streamable(settings)
    n_hops = QUICK_HOPS if settings.quick else HOPS
    found = Candidates()
    for seconds, name in ((0.0, "PyTorch, each hop at once"), (0.1, "PyTorch, blocks of 100 ms")):
        found.add(name, lambda seconds=seconds: _hops(recognizer, settings, n_hops, seconds))  # type: ignore[misc]
    for file in settings.onnx_streams or settings.onnx:
        found.add(
            f"{file.name}, each hop at once",
            lambda file=file: _hops(loaded(file), settings, n_hops, 0.0),  # type: ignore[misc]
        )
    rows = tuple(
        Row(row.name, row.seconds and row.seconds.per(n_hops), row.figures, row.note)
        for row in found.rows(settings.n_rounds)
    )
    return Section("stream", "a hop of 10 ms in a stream", THREADS["stream"], rows)


def _hops(
    recognizer: Recognizer, settings: Settings, n_hops: int, block_seconds: float
) -> Contender:
    second = one_second(settings.audio, recognizer.sample_rate)
    hop = round(HOP_SECONDS * recognizer.sample_rate)
    chunks = [second[start : start + hop] for start in range(0, n_hops * hop, hop)]
    stream = recognizer.stream(block_seconds=block_seconds)

    def run() -> None:
        for chunk in chunks:
            stream.push(chunk)

    return run
