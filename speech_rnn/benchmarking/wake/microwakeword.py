"""microWakeWord, run by pymicro-wakeword (Apache 2.0)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

import numpy as np
from numpy.typing import NDArray


class MicroWakeWord:
    """An 8-bit network per word, made for microcontrollers; see `Rival`.

    A score is the mean of the last five probabilities, as in the engine itself.
    """

    packages = ("pymicro-wakeword", "pymicro-features")
    known = ("alexa",)

    def __init__(self, words: Sequence[str]) -> None:
        package = import_module("pymicro_wakeword")
        self._features = package.MicroWakeWordFeatures()
        self._models = [package.MicroWakeWord.from_builtin(package.Model(word)) for word in words]
        self.thresholds = {
            word: float(model.probability_cutoff)
            for word, model in zip(words, self._models, strict=True)
        }
        self.files = [model.tflite_model for model in self._models]

    def push(self, chunk: NDArray[np.int16]) -> list[float]:
        """Return the highest score of each word in the next 80 ms."""
        best = [0.0] * len(self._models)
        for features in self._features.process_streaming(chunk.tobytes()):
            for place, model in enumerate(self._models):
                best[place] = max(best[place], model.process_streaming_prob(features))
        return best
