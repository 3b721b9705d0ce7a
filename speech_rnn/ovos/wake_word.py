"""Wake words for OpenVoiceOS (entry point ``opm.wake_word``)."""

from __future__ import annotations

from typing import Any

from ovos_plugin_manager.templates.hotwords import HotWordEngine

from speech_rnn.ovos.settings import load_model, spotting_of, wanted_words

SAMPLE_RATE = 16_000
"""Sample rate of OpenVoiceOS, in Hz."""


class WakeWord(HotWordEngine):
    """Listens for words of a recogniser that can stream.

    Parameters
    ----------
    key_phrase : name of the hot word, which is the word unless ``words`` names others.
    config : its settings: ``model`` (a file of `train` or `export`; the package's own without),
        ``words``, and ``threshold`` or ``sensitivity`` (1 less the threshold).

    Raises
    ------
    ConfigurationError
        if a word is unknown, a number is out of its range, or the recogniser cannot stream.
    ModelError
        if the file cannot be loaded.
    """

    def __init__(self, key_phrase: str = "computer", config: dict[str, Any] | None = None) -> None:
        super().__init__(key_phrase, config)
        recognizer = load_model(self.config)
        spotting = spotting_of(self.config, recognizer)
        self._stream = recognizer.stream(SAMPLE_RATE, spotting=spotting, check=False)
        self._words = wanted_words(self.config, self.key_phrase, self._stream.words)
        self._has_found = False

    def update(self, chunk: bytes) -> None:
        """Take the next sound: 16-bit little-endian PCM of one channel at 16 kHz, of any length."""
        words = self._stream.push(chunk)
        self._has_found |= any(word.word in self._words for word in words)

    def found_wake_word(self) -> bool:
        """Return whether a wake word was spoken since the last call."""
        found, self._has_found = self._has_found, False
        return found

    def reset(self) -> None:
        """Forget a word that was found.

        The stream goes on, since its refractory time keeps the rest of the word from waking again.
        """
        self._has_found = False
