"""openWakeWord, run by pyopen-wakeword (code Apache 2.0, its words CC BY-NC-SA 4.0)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.5
"""The threshold of the engine's own examples."""


class OpenWakeWord:
    """A three-layer network per word on Google's speech embedding; see `Rival`."""

    packages = ("pyopen-wakeword",)
    known = ("alexa",)

    def __init__(self, words: Sequence[str]) -> None:
        package = import_module("pyopen_wakeword")
        self._features = package.OpenWakeWordFeatures.from_builtin()
        self._models = [package.OpenWakeWord.from_builtin(package.Model(word)) for word in words]
        self.thresholds = dict.fromkeys(words, THRESHOLD)
        self.files = [self._features.mel_path, self._features.emb_path]
        self.files += [model.tflite_model for model in self._models]

    def push(self, chunk: NDArray[np.int16]) -> list[float]:
        """Return the highest score of each word in the next 80 ms."""
        best = [0.0] * len(self._models)
        for embedding in self._features.process_streaming(chunk.tobytes()):
            for place, model in enumerate(self._models):
                best[place] = max([best[place], *model.process_streaming(embedding)])
        return best
