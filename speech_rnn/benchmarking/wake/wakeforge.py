"""wakeforge, run by ovos-ww-plugin-wakeforge (Apache 2.0)."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FEATURIZER = "wakehubert"
"""The front end of the models that come with the engine."""
WINDOW_SECONDS = 1.5
FULL_SCALE = np.float32(2**15)


class Wakeforge:
    """A GRU per word on a distilled HuBERT, trained on synthetic speech; see `Rival`.

    Each step recomputes the last 1.5 s, as the plugin does by default.
    """

    packages = ("ovos-ww-plugin-wakeforge", "onnxruntime")
    known = ("alexa", "computer", "jarvis")

    def __init__(self, words: Sequence[str]) -> None:
        package = import_module("ovos_ww_plugin_wakeforge")
        pretrained = import_module("ovos_ww_plugin_wakeforge.pretrained")
        front = pretrained.PretrainedOnnxFeaturizer.from_pretrained(FEATURIZER)
        folder = Path(str(package.__file__)).parent / "models"
        files = [folder / f"{word}.onnx" for word in words]
        self._models = [
            pretrained.OnnxWindowedWakeWord.from_extractor(
                front, str(file), round(WINDOW_SECONDS * front.frame_rate_hz), isolated=True
            )
            for file in files
        ]
        self.thresholds = {word: float(package.BUNDLED_MODELS[word]) for word in words}
        self.files = [Path(front.model_path), *files]

    def push(self, chunk: NDArray[np.int16]) -> list[float]:
        """Return the score of each word after the next 80 ms of samples."""
        samples = chunk / FULL_SCALE
        return [model.push(samples) for model in self._models]
