"""The voices of several synthesizers as one source."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from speech_rnn.data.at_hand import AtHand
from speech_rnn.data.combining import Merged
from speech_rnn.data.corpus import Corpus, Source
from speech_rnn.data.words import names_of
from speech_rnn.errors import ConfigurationError, did_you_mean

log = logging.getLogger(__name__)

SYNTHESIZERS = ("espeak", "kokoro", "flite", "piper")


@dataclass(frozen=True)
class Voices:
    """Clips of several synthesizers: more kinds of voices make real speakers easier to recognise.

    A synthesizer that needs something which is not installed is left out, and a log line says so.

    Parameters
    ----------
    espeak : clips spoken by espeak-ng; None leaves them out.
    kokoro : clips spoken by Kokoro; None leaves them out.
    flite : clips spoken by flite; None leaves them out.
    piper : clips spoken by Piper; None leaves them out.
    people : a source of a few recordings, whose training clips are added.
    people_times : number of times that each of these clips is repeated.
    noise : sound files, or folders of them, that training may mix in; a recipe calls it
        ``background``.
    required : a synthesizer, or several, that must not be left out; their missing files are
        downloaded where that is possible.

    Raises
    ------
    ConfigurationError
        if there is no synthesizer, or a required one is unknown.
    """

    espeak: Source | None = None
    kokoro: Source | None = None
    flite: Source | None = None
    piper: Source | None = None
    people: Source | None = None
    people_times: int = 20
    noise: Sequence[str] = ()
    required: str | Sequence[str] = ()

    def __post_init__(self) -> None:
        if all(getattr(self, name) is None for name in SYNTHESIZERS):
            raise ConfigurationError(f"no voices: {', '.join(SYNTHESIZERS)} are all null; give one")
        check_names(self.required)

    def prepare(self) -> Corpus:
        """Prepare all available synthesizers; see `Merged`.

        Raises
        ------
        SpeechRnnError
            if a required synthesizer, or every one, lacks something; the error says what.
        """
        speakers = {name: getattr(self, name) for name in SYNTHESIZERS}
        there = AtHand.of(speakers, self.required)
        log.info("voices: %s", ", ".join(there.sources))
        sources = {**there.sources, "people": self.people}
        corpus = Merged(sources, {"people": self.people_times}, self.noise).prepare()
        there.check_words(corpus)
        return corpus


def check_names(required: str | Sequence[str]) -> None:
    """Raise for names that are not synthesizers.

    Raises
    ------
    ConfigurationError
        if there are any.
    """
    names = names_of(required)
    if wrong := [name for name in names if name not in SYNTHESIZERS]:
        hint = did_you_mean(wrong, SYNTHESIZERS)
        raise ConfigurationError(f"voices={names} must name synthesizers{hint}")
