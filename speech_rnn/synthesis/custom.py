"""A user's own words: synthetic voices, and a few recordings if there are any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from speech_rnn.audio.finding import sound_files
from speech_rnn.data.combining import merged
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.data.word_folders import word_folders
from speech_rnn.errors import ConfigurationError, DataError, SpeechRnnError, did_you_mean
from speech_rnn.synthesis.espeak import Synthetic


@dataclass(frozen=True)
class Custom:
    """Words spoken by espeak-ng, and a few recordings of people for training.

    All recordings are used for training and repeated to reach their share; validation and test
    consist of synthetic voices. To test the recogniser on people, evaluate it on other recordings:
    ``evaluate data=folder data.root=DIR split=all``.

    Parameters
    ----------
    words : the classes.
    root : folder of the synthetic clips.
    recordings : a folder with one folder per word, such as ``lights_on/``; three to ten clips per
        word help. None trains on synthetic voices alone.
    recorded_share : share of recordings in the training clips of a word that has recordings.
    language : language of the synthetic voices; see `Synthetic`.
    accents : accents of the synthetic voices; see `Synthetic`.
    train_clips : number of synthetic training clips of each word.
    validation_clips : number of synthetic validation clips of each word.
    test_clips : number of synthetic test clips of each word.
    seed : seed of the synthetic voices.

    Raises
    ------
    ConfigurationError
        if the share is outside [0, 1), or words cannot be spoken.
    """

    words: Sequence[str]
    root: str
    recordings: str | None = None
    recorded_share: float = 0.4
    language: str = "en"
    accents: Sequence[str] | None = None
    train_clips: int = 160
    validation_clips: int = 30
    test_clips: int = 50
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.recorded_share < 1:
            raise ConfigurationError(f"recorded_share={self.recorded_share} must lie in [0, 1)")
        self._synthetic()

    def lack(self) -> SpeechRnnError | None:
        """Return the error if nothing can be synthesized; recordings are then never used alone."""
        return self._synthetic().lack() if self.recordings is None else None

    def prepare(self) -> Corpus:
        """Synthesize whatever is not in the cache, and list it with the recordings.

        Raises
        ------
        DataError
            if recordings are missing, or belong to none of the words.
        """
        corpus = self._synthetic().prepare()
        if self.recordings is None:
            return corpus
        recorded = self._recorded()
        recorded_words = tuple(dict.fromkeys(row.text for row in recorded))
        return merged([corpus, Corpus(tuple(recorded), recorded_words)])

    def _synthetic(self) -> Synthetic:
        return Synthetic(
            self.words,
            self.root,
            language=self.language,
            accents=self.accents,
            train_clips=self.train_clips,
            validation_clips=self.validation_clips,
            test_clips=self.test_clips,
            seed=self.seed,
        )

    def _recorded(self) -> list[Utterance]:
        """List the recordings of each word, repeated until they reach their share."""
        folders = word_folders(Path(self.recordings or ""), "recordings")
        if unknown := sorted(folders.keys() - set(self.words)):
            raise DataError(
                f"recordings={self.recordings!r} has folders for {', '.join(unknown)}, which "
                f"are not among the words{did_you_mean(unknown, self.words)}"
            )
        wanted = round(self.train_clips * self.recorded_share / (1 - self.recorded_share))
        return [
            Utterance(str(file), word, "recorded", "train")
            for word in self.words
            if word in folders
            for file in islice(cycle(sound_files(map(str, folders[word]), "recordings")), wanted)
        ]
