"""How inference time scales with clip length, batch size and vocabulary size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch

from speech_rnn.benchmarking.decoding import random_log_probs, searched
from speech_rnn.benchmarking.results import Growth, Section
from speech_rnn.benchmarking.settings import Settings
from speech_rnn.benchmarking.subjects import clips, measured, untrained
from speech_rnn.benchmarking.timing import Contender, interleaved
from speech_rnn.recognizer import Recognizer


def of_an_answer(settings: Settings) -> Section:
    """Time inference at several sizes; the sizes take turns."""
    recognizer = measured(settings)

    def of_words(n_words: int) -> Contender:
        return _answer(untrained([f"word {i}" for i in range(n_words)]))

    # Fast contenders use more sizes: at the smallest ones the fixed cost of a call dominates.
    wanted: list[tuple[str, Callable[[int], Contender], Sequence[int]]] = [
        ("seconds of a clip", lambda n: _answer(recognizer, seconds=n), (1, 2, 4, 8, 16, 32)),
        ("clips of a batch", lambda n: _answer(recognizer, n), (1, 2, 4, 8, 16, 32, 64)),
        ("words of a classifier", of_words, (10, 40, 160, 640, 2560, 10_240)),
        (
            "tokens of a beam search",
            lambda n: searched(random_log_probs(10, n)),
            (11, 41, 161, 641),
        ),
    ]
    growths = []
    for name, make, sizes in wanted:
        chosen = sizes[:2] if settings.quick else sizes
        took = interleaved({str(size): make(size) for size in chosen}, settings.n_rounds)
        growths.append(Growth(name, tuple(map(float, chosen)), tuple(took.values())))
    title = "growth of the cost of an answer (PyTorch)"
    return Section("growth", title, growths=tuple(growths))


def _answer(recognizer: Recognizer, n_clips: int = 1, seconds: int = 1) -> Contender:
    sounds = clips(n_clips, recognizer.sample_rate, seconds)
    lengths = torch.full((n_clips,), sounds.shape[1])
    return partial(recognizer.recognize, torch.from_numpy(sounds), lengths)
