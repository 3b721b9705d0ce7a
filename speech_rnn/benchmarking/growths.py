"""How the cost of an answer grows with a clip's length, with the batch and with the vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from speech_rnn.benchmarking.decoding import random_log_probs, searched
from speech_rnn.benchmarking.results import Growth, Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.sounds import clips
from speech_rnn.benchmarking.subjects import measured, untrained
from speech_rnn.benchmarking.timing import Contender, interleaved
from speech_rnn.recognizer import Recognizer

__all__ = ["of_an_answer"]


def of_an_answer(settings: Settings) -> Section:
    """Time answers at several sizes, one size after the other in turns."""
    recognizer = measured(settings)

    def of_length(seconds: int) -> Contender:
        return _answer(recognizer, 1, seconds)

    def of_batch(size: int) -> Contender:
        return _answer(recognizer, size, 1)

    def of_words(n_words: int) -> Contender:
        return _answer(untrained([f"word {i}" for i in range(n_words)]), 1, 1)

    def of_tokens(n_tokens: int) -> Contender:
        return searched(random_log_probs(10, n_tokens))

    # what is quick pays for more sizes; the smallest ones are mostly the same cost of any call
    wanted: list[tuple[str, Callable[[int], Contender], Sequence[int]]] = [
        ("seconds of a clip", of_length, (1, 2, 4, 8, 16, 32)),
        ("clips of a batch", of_batch, (1, 2, 4, 8, 16, 32, 64)),
        ("words of a classifier", of_words, (10, 40, 160, 640, 2560, 10_240)),
        ("tokens of a beam search", of_tokens, (11, 41, 161, 641)),
    ]
    growths = []
    for name, make, sizes in wanted:
        chosen = sizes[:2] if settings.quick else sizes
        took = interleaved({str(size): make(size) for size in chosen}, settings.n_rounds)
        times = tuple(took[str(size)] for size in chosen)
        growths.append(Growth(name, tuple(map(float, chosen)), times))
    title = "growth of the cost of an answer (PyTorch)"
    return Section("growth", title, THREADS["growth"], growths=tuple(growths))


def _answer(recognizer: Recognizer, n_clips: int, seconds: int) -> Contender:
    sounds = clips(n_clips, recognizer.sample_rate, seconds)
    waveform, lengths = torch.from_numpy(sounds), torch.full((n_clips,), sounds.shape[1])
    return lambda: recognizer.recognize(waveform, lengths)
