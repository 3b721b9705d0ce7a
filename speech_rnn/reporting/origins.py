"""Origin and licence of each pre-trained front."""

from __future__ import annotations

WHISPER = "Whisper's encoder (Radford et al., 2022) of OpenAI, MIT"
ORIGINS = {
    "embedding": "the package's own encoder, MIT",
    "speech_embedding": "speech embedding (Lin et al., 2020) of Google, Apache 2.0",
    "whisper_tiny": WHISPER,
    "whisper_base": WHISPER,
    "whisper_small": WHISPER,
    "whisper_medium": WHISPER,
}
"""Origins by the name of the front, as in `speech_rnn.model.AcousticModel`."""
