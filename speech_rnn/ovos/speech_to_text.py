"""Speech to text for OpenVoiceOS (entry point ``opm.stt``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ovos_plugin_manager.templates.stt import STT
from ovos_plugin_manager.utils.audio import AudioData
from ovos_utils import classproperty
from ovos_utils.process_utils import RuntimeRequirements

from speech_rnn.decoding.choosing import choose_decoder
from speech_rnn.ovos.settings import load_model, number


class SpeechToText(STT):
    """Answers commands with the words of a recogniser.

    Parameters
    ----------
    config : its settings: ``model`` (a file of `train` or `export`; the package's own without),
        ``grammar`` (a JSGF file, of which only the sentences are recognised) and ``reject``
        (probability of a sentence, relative to unconstrained decoding, below which it is rejected).

    Raises
    ------
    ConfigurationError, DataError, ModelError
        if a file cannot be read, or the settings do not fit each other.
    """

    def __init__(self, config: dict[str, Any] | None = None) -> None:
        super().__init__(config)
        self._own = load_model(self.config)
        grammar = self.config.get("grammar")
        self._own.decoder = choose_decoder(
            self._own.vocabulary,
            grammar=Path(str(grammar)).expanduser() if grammar else None,
            reject_below=number(self.config, "reject", 0.0),
        )

    def execute(self, audio: AudioData, language: str | None = None) -> str:
        """Return the words of a command; empty if it was rejected."""
        return self.transcribe(audio, language)[0][0]

    def transcribe(self, audio: AudioData, lang: str | None = None) -> list[tuple[str, float]]:
        """Return the words of a command with their confidence in [0, 1].

        The language is that of the recogniser, whatever is asked for.
        """
        samples = audio.get_np_float32()
        if not len(samples):
            return [("", 0.0)]
        hypothesis = self._own.transcribe(samples, audio.sample_rate)
        return [(hypothesis.text, hypothesis.confidence)]

    @classproperty
    def runtime_requirements(cls) -> RuntimeRequirements:  # noqa: N805
        """Neither the network nor the internet; the template would wait for both."""
        return RuntimeRequirements(
            internet_before_load=False,
            network_before_load=False,
            requires_internet=False,
            requires_network=False,
            no_internet_fallback=True,
            no_network_fallback=True,
        )

    @classproperty
    def available_languages(cls) -> set[str]:  # noqa: N805
        """The language of the package's recogniser."""
        return {"en"}


CONFIGURATIONS = {
    "en-US": [
        {"lang": "en-US", "display_name": "speech_rnn: commands", "priority": 70, "offline": True}
    ]
}
"""Settings that a person may choose in OpenVoiceOS (entry point ``opm.stt.config``)."""
