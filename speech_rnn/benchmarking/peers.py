"""Other engines that find words, on the same second of sound, as their own examples run them."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from speech_rnn.benchmarking.candidates import Candidates, peer
from speech_rnn.benchmarking.exported import loaded
from speech_rnn.benchmarking.results import Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.sounds import one_second
from speech_rnn.benchmarking.subjects import measured, transcribing
from speech_rnn.benchmarking.timing import Contender
from speech_rnn.errors import ConfigurationError

__all__ = ["of_a_second"]

RATE = 16_000
WAKE_WORD_CHUNK = 1280
"""Samples that openWakeWord takes at once: 80 ms."""


def of_a_second(settings: Settings) -> Section:
    """Time what hearing a second of sound costs each engine."""
    recognizer = measured(settings)
    clip = one_second(settings.audio, recognizer.sample_rate)
    pcm = _pcm(one_second(settings.audio, RATE))
    n_words = len(recognizer.vocabulary.words)
    found = Candidates()
    found.add(
        "speech_rnn, PyTorch",
        lambda: transcribing(recognizer, clip),
        f"one of {n_words} words, a clip",
    )
    for file in settings.onnx:
        found.add(
            f"speech_rnn, {file.name}",
            lambda file=file: transcribing(loaded(file), clip),  # type: ignore[misc]
            f"one of {n_words} words, a clip",
        )
    found.add(
        "PocketSphinx",
        lambda: _pocketsphinx(pcm, recognizer.vocabulary.words),
        f"one of {n_words} words, by a grammar",
    )
    found.add("openWakeWord", lambda: _wake_word(pcm), "one wake word, a stream in hops of 80 ms")
    rows = found.rows(settings.n_rounds)
    return Section("peers", "a second of sound, samples to answer", THREADS["peers"], rows)


def _pcm(samples: NDArray[np.float32]) -> bytes:
    return (samples * 32767).clip(-32768, 32767).astype("<i2").tobytes()


def _pocketsphinx(pcm: bytes, words: tuple[str, ...]) -> Contender:
    """Recognise by the English model that the wheel of PocketSphinx (BSD) holds."""
    decoder = peer("pocketsphinx").Decoder(lm=None, loglevel="FATAL")
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
    """Listen for "okay nabu" by the models that the wheel of pyopen-wakeword (Apache 2.0) holds."""
    package = peer("pyopen_wakeword")
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
