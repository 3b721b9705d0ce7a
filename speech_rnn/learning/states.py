"""States of clips before the last layer; the file of a recogniser keeps those of learnt words."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.mixing import spoken
from speech_rnn.engines.engine import Engine
from speech_rnn.engines.last_layer import LastLayer
from speech_rnn.errors import ModelError
from speech_rnn.learning.row import Bag, States
from speech_rnn.samples.silence import in_silence

ABOVE_NOISE_DB = 9.0
"""Level above the noise floor at which a word starts and ends, in dB."""
MOST_STEPS = 32
"""Evenly spaced steps kept of a clip; a recogniser may compute up to 100 a second."""
BATCH = 16

Samples = NDArray[np.float32]


class Encoder:
    """Computes the states that a recogniser's last layer takes as input.

    Parameters
    ----------
    engine : engine of the recogniser.
    silence_seconds : silence with which it reads clips, as in its `Calibration`.
    """

    def __init__(self, engine: Engine, silence_seconds: float = 0.0) -> None:
        size = engine.last_layer().weight.shape[1]
        self._engine = engine.with_last_layer(LastLayer.identity(size))  # its logits are the states
        self._is_stepwise = engine.head == "ctc"
        self._silent_steps = round(silence_seconds * engine.sample_rate / engine.step_length)

    def of_word(self, clips: Sequence[Samples], word: str) -> list[Bag]:
        """Return the states of clips (n,) of a word, only of the steps within the word."""
        found = []
        for clip, states in zip(clips, self._states(clips), strict=True):
            states = states[self._inside(clip, len(states))]
            found.append(_thinned(states, word, np.full(len(states), True)))
        return found

    def of_all(self, clips: Sequence[Samples], word: str = "") -> list[Bag]:
        """Return the states of whole clips."""
        return [
            _thinned(states, word, self._inside(clip, len(states)))
            for clip, states in zip(clips, self._states(clips), strict=True)
        ]

    def _states(self, clips: Sequence[Samples]) -> list[States]:
        """Return the states of clips, (t, H) each; clips of similar length form a batch."""
        found: list[States] = [np.zeros((0, 0), np.float32)] * len(clips)
        order = sorted(range(len(clips)), key=lambda index: len(clips[index]))
        for first in range(0, len(order), BATCH):
            places = order[first : first + BATCH]
            lengths = np.array([len(clips[place]) for place in places], np.int64)
            waveform = np.zeros((len(places), lengths.max()), np.float32)
            for row, place in zip(waveform, places, strict=True):
                row[: len(clips[place])] = clips[place]
            silent = self._silent_steps
            around = in_silence(waveform, lengths, silent * self._engine.step_length)
            states, steps = self._engine.logits(*around)
            for place, row, count in zip(places, states, steps.tolist(), strict=True):
                found[place] = row[silent : count - silent]
        return found

    def _inside(self, clip: Samples, n_steps: int) -> NDArray[np.bool_]:
        """Mark the steps whose middle lies within the word; drop the first and last if possible."""
        if not self._is_stepwise:
            return np.full(n_steps, True)
        start, stop = spoken(clip, self._engine.sample_rate, ABOVE_NOISE_DB)
        middle = (np.arange(n_steps) + 0.5) * self._engine.step_length
        inside = (middle >= start) & (middle < stop)
        if inside.sum() > 2:
            inside[np.flatnonzero(inside)[[0, -1]]] = False
        elif not inside.any():
            inside[np.abs(middle - (start + stop) / 2).argmin()] = True
        return np.asarray(inside)


def packed(bag: Bag) -> dict[str, Any]:
    """Return states as plain values for JSON, in 16 bits."""
    content = bag.states.astype("<f2").tobytes()
    return {"shape": list(bag.states.shape), "states": b64encode(content).decode()}


def unpacked(values: dict[str, Any], word: str, size: int) -> Bag:
    """Return the bag that `packed` has packed; its states have `size` values.

    Raises
    ------
    ModelError
        if the values have another form.
    """
    try:
        content = np.frombuffer(b64decode(values["states"], validate=True), "<f2")
        states = content.astype(np.float32).reshape(values["shape"])
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"the clips of the added word {word!r} are damaged: {error}") from error
    if states.ndim != 2 or not len(states) or states.shape[1] != size:
        raise ModelError(f"the clips of the added word {word!r} do not fit the recogniser")
    if not np.isfinite(states).all():
        raise ModelError(f"the clips of the added word {word!r} hold values that are not numbers")
    return Bag(states, word, np.full(len(states), True))


def rounded(bag: Bag) -> Bag:
    """Return the bag in the precision of the file, so that new and stored clips count alike."""
    return bag._replace(states=bag.states.astype("<f2").astype(np.float32))


def _thinned(states: States, word: str, inside: NDArray[np.bool_]) -> Bag:
    if len(states) <= MOST_STEPS:
        return Bag(states, word, inside)
    kept = np.linspace(0, len(states) - 1, MOST_STEPS).round().astype(int)
    return Bag(states[kept], word, inside[kept])
