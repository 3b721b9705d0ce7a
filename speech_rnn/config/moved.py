"""Modules that a ``_target_`` of an older configuration may name, with their new names."""

from __future__ import annotations

MOVED = {
    "speech_rnn.conditions": "speech_rnn.evaluation.robustness",
    "speech_rnn.data.custom": "speech_rnn.synthesis.custom",
    "speech_rnn.data.merged": "speech_rnn.data.combining",
    "speech_rnn.data.near_misses": "speech_rnn.synthesis.near_misses",
    "speech_rnn.data.neural": "speech_rnn.synthesis.kokoro",
    "speech_rnn.data.rooms": "speech_rnn.augment.rooms",
    "speech_rnn.data.spoken": "speech_rnn.synthesis.command",
    "speech_rnn.data.streams": "speech_rnn.detection.long_streams",
    "speech_rnn.data.synthetic": "speech_rnn.synthesis.espeak",
    "speech_rnn.data.voices": "speech_rnn.synthesis.voices",
    "speech_rnn.decoding.spotting": "speech_rnn.streaming.spotter",
    "speech_rnn.language_training": "speech_rnn.training.language_model",
    "speech_rnn.parts": "speech_rnn.config.callbacks",
}


def moved(target: str) -> str | None:
    """Return the new name of a moved target, or None."""
    module, _, name = target.rpartition(".")
    return f"{MOVED[module]}.{name}" if module in MOVED else None
