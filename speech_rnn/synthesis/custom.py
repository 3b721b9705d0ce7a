"""A person's own words: synthetic voices, and a few recordings if there are any."""

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

    All recordings go to training and are repeated to reach their share; validation and test are
    synthetic voices. To measure the recogniser on people, evaluate it on other recordings:
    ``evaluate data=folder data.root=DIR split=all``.

    Parameters
    ----------
    words : the classes.
    root : folder of the synthetic clips.
    recordings : a folder with one folder a word, such as ``lights_on/``; three to ten clips a word
        help. None trains on synthetic voices alone.
    recorded_share : share of recordings in the training clips of a word that has some.
    language, accents : language and accents of the synthetic voices; see `Synthetic`.
    train_clips, validation_clips, test_clips : number of synthetic clips of each word.
    seed : seed of the synthetic voices.

    Raises
    ------
    ConfigurationError
        for a share outside [0, 1), and for words that cannot be spoken.
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
        """Return why nothing can be spoken here; recordings are never left out for that."""
        return self._synthetic().lack() if self.recordings is None else None

    def prepare(self) -> Corpus:
        """Speak what is not there yet, and list it with the recordings.

        Raises
        ------
        DataError
            for recordings that are missing, or that are of none of the words.
        """
        corpus = self._synthetic().prepare()
        if self.recordings is None:
            return corpus
        recorded = self._recorded()
        said = tuple(dict.fromkeys(row.text for row in recorded))
        return merged([corpus, Corpus(tuple(recorded), said)])

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
        """List the recordings of each word, over again until they have their share."""
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
