"""The recogniser in each of its engines, on a clip and in a stream, and other recognisers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.benchmarking.results import Section
from speech_rnn.benchmarking.settings import Settings
from speech_rnn.benchmarking.subjects import (
    engines,
    idle,
    measured,
    one_second,
    streamable,
    transcribing,
)
from speech_rnn.benchmarking.timing import Candidates, Contender
from speech_rnn.errors import ConfigurationError
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.stream import EventStream

RATE = 16_000
HOP_SECONDS = 0.01
BLOCKS = {"each hop at once": 0.0, "blocks of 100 ms": 0.1}
SETTLING_SECONDS = 5
"""Seconds after which the gate has settled on the noise floor of a room."""
WAKE_WORD_CHUNK = 1280
"""Samples per call of openWakeWord: 80 ms."""


def of_a_clip(settings: Settings) -> Section:
    """Time the recognition of a one-second clip, from samples to word."""
    recognizer = measured(settings)
    clip = one_second(settings.audio, recognizer.sample_rate)
    chosen = engines(recognizer, ())
    if not settings.quick:  # compilation takes a minute
        chosen["PyTorch, model compiled"] = partial(_compiled, recognizer)
    found = Candidates()
    for name, engine in (chosen | engines(recognizer, settings.onnx)).items():
        found.add(name, partial(transcribing, engine, clip))
    with torch.inference_mode():
        features = partial(recognizer.features, torch.from_numpy(clip)[None])
        found.add("PyTorch, features alone", lambda: features)
        return Section("model", "a one-second clip, samples to word", found.rows(settings.n_rounds))


def _compiled(recognizer: Recognizer) -> Recognizer:
    model: Any = torch.compile(recognizer.model)
    return Recognizer.from_modules(
        recognizer.features, model, recognizer.vocabulary, calibration=recognizer.calibration
    )


def of_a_stream(settings: Settings) -> Section:
    """Time a hop of 10 ms in a stream, hop by hop and in blocks of ten, gate open and closed."""
    n_hops = 10 if settings.quick else 100
    found = Candidates()
    files = settings.onnx_streams or settings.onnx
    for name, engine in engines(streamable(settings), files).items():
        for block, seconds in BLOCKS.items():
            opened = partial(_open, engine, settings.audio, n_hops, seconds)
            found.add(f"{name}, {block}", opened)
            found.add(f"{name}, {block}, gate closed", partial(_closed, engine, n_hops, seconds))
    rows = tuple(
        replace(row, seconds=row.seconds and row.seconds.per(n_hops))
        for row in found.rows(settings.n_rounds)
    )
    return Section("stream", "a hop of 10 ms in a stream", rows)


def _open(
    engine: Callable[[], Recognizer], audio: str | None, n_hops: int, block_seconds: float
) -> Contender:
    recognizer = engine()
    second = one_second(audio, recognizer.sample_rate)
    return _pushed(recognizer.stream(block_seconds=block_seconds), second, n_hops)


def _closed(engine: Callable[[], Recognizer], n_hops: int, block_seconds: float) -> Contender:
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


def of_peers(settings: Settings) -> Section:
    """Time each engine on the same second of sound, as its own documentation runs it."""
    recognizer = measured(settings)
    clip = one_second(settings.audio, recognizer.sample_rate)
    pcm = (one_second(settings.audio, RATE) * 32767).clip(-32768, 32767).astype("<i2").tobytes()
    words = recognizer.vocabulary.words
    found = Candidates()
    for name, engine in engines(recognizer, settings.onnx).items():
        answering = partial(transcribing, engine, clip)
        found.add(f"speech_rnn, {name}", answering, f"one of {len(words)} words, a clip")
    grammar = f"one of {len(words)} words, by a grammar"
    found.add("PocketSphinx", lambda: _pocketsphinx(pcm, words), grammar)
    found.add("openWakeWord", lambda: _wake_word(pcm), "one wake word, a stream in hops of 80 ms")
    return Section("peers", "a second of sound, samples to answer", found.rows(settings.n_rounds))


def _pocketsphinx(pcm: bytes, words: tuple[str, ...]) -> Contender:
    """Recognise with the English model in the wheel of PocketSphinx (BSD)."""
    decoder = import_module("pocketsphinx").Decoder(lm=None, loglevel="FATAL")
    spoken = {part for word in words for part in word.split()}
    if unknown := sorted(part for part in spoken if decoder.lookup_word(part) is None):
        raise ConfigurationError(f"words={unknown} are not in its dictionary")
    with TemporaryDirectory() as folder:
        file = Path(folder) / "words.gram"
        file.write_text(f"#JSGF V1.0;\ngrammar words;\npublic <word> = {' | '.join(words)};\n")
        decoder.add_jsgf_file("words", str(file))
    decoder.activate_search("words")

    def run() -> None:
        decoder.start_utt()
        decoder.process_raw(pcm, full_utt=True)
        decoder.end_utt()
        decoder.hyp()

    return run


def _wake_word(pcm: bytes) -> Contender:
    """Spot "okay nabu" with the models in the wheel of pyopen-wakeword (Apache 2.0)."""
    package = import_module("pyopen_wakeword")
    model = package.OpenWakeWord.from_builtin(package.Model.OKAY_NABU)
    features = package.OpenWakeWordFeatures.from_builtin()
    size = 2 * WAKE_WORD_CHUNK  # bytes
    chunks = [pcm[start : start + size] for start in range(0, len(pcm), size)]

    def run() -> None:
        for chunk in chunks:
            for embedding in features.process_streaming(chunk):
                for _ in model.process_streaming(embedding):
                    pass

    return run
