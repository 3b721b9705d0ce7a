"""The Free Spoken Digit Dataset, with its own split or with held-out speakers (Jackson, 2018)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.splits import require_every_class
from speech_rnn.data.words import names_of
from speech_rnn.errors import ConfigurationError, DataError, did_you_mean

DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# As the README of the data set defines: recordings 0 to 4 of each digit and speaker are the test.
TEST_INDICES = range(5)
URL = "https://github.com/Jakobovski/free-spoken-digit-dataset"
_FILE = re.compile(r"(?P<digit>[0-9])_(?P<speaker>.+)_(?P<index>[0-9]+)\.wav")


@dataclass(frozen=True)
class FreeSpokenDigits:
    """English digits, 8 kHz, in files named ``{digit}_{speaker}_{index}.wav``.

    Recordings 0 to 4 of each digit and speaker are the test split, as the data set defines it. If
    speakers are held out, all of their recordings form the test split instead.

    Parameters
    ----------
    root : the folder of the files, or the folder that has them in its folder ``recordings``.
    held_out_speakers : a name or a list of names; with all speakers there is only a test split.
    validation_indices : numbers of the validation recordings; the other ones are for training.
    train_clips : number of training clips of each digit, from all speakers in turn; None takes all.

    Raises
    ------
    ConfigurationError
        if `validation_indices` is empty or overlaps with the test, or `train_clips` is below 1.
    """

    root: str
    held_out_speakers: Sequence[str] = ()
    validation_indices: Sequence[int] = (5, 6, 7, 8, 9)
    train_clips: int | None = None

    def __post_init__(self) -> None:
        if self.train_clips is not None and self.train_clips < 1:
            raise ConfigurationError(f"train_clips={self.train_clips} must be 1 or more")
        indices = list(self.validation_indices)
        if not indices:
            raise ConfigurationError("validation_indices=[] must name at least one recording")
        if not self._held_out and set(indices) & set(TEST_INDICES):
            raise ConfigurationError(
                f"validation_indices={indices} must be above 4: 0 to 4 are the test split"
            )

    @property
    def _held_out(self) -> list[str]:
        return names_of(self.held_out_speakers)

    def prepare(self) -> Corpus:
        """List the files, without opening any.

        Raises
        ------
        DataError
            if the files are missing, a held-out speaker is unknown, or a digit has no recording in
            a split.
        """
        recordings = Path(self.root) / "recordings"
        folder = recordings if recordings.is_dir() else Path(self.root)
        files = sorted(folder.glob("*.wav")) if folder.is_dir() else []
        clips = [(file, match) for file in files if (match := _FILE.fullmatch(file.name))]
        if not clips:
            raise DataError(
                f"root={self.root!r} holds no files such as 3_george_7.wav, neither in itself nor "
                f"in recordings/: clone {URL} and name its folder (data.root=DIR)"
            )
        speakers = sorted({match["speaker"] for _, match in clips})
        self._check_speakers(speakers)
        rows = tuple(
            Utterance(
                str(file),
                DIGITS[int(match["digit"])],
                match["speaker"],
                self._split(match["speaker"], int(match["index"])),
            )
            for file, match in clips
        )
        rows = self._few(rows)
        everybody = set(speakers) <= set(self._held_out)  # then the corpus is only a test set
        wanted = ("test",) if everybody else SPLITS
        require_every_class(rows, DIGITS, wanted, self.root)
        return Corpus(rows, DIGITS)

    def _few(self, rows: tuple[Utterance, ...]) -> tuple[Utterance, ...]:
        """Keep `train_clips` of each digit; each speaker's first clips come before second ones."""
        if self.train_clips is None:
            return rows
        by_word: dict[str, dict[str, list[Utterance]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            if row.split == "train":
                by_word[row.text][row.speaker].append(row)
        kept: set[Utterance | None] = set()
        for speakers in by_word.values():
            turns = zip_longest(*(speakers[name] for name in sorted(speakers)))
            kept |= set(islice(filter(None, chain.from_iterable(turns)), self.train_clips))
        return tuple(row for row in rows if row.split != "train" or row in kept)

    def _split(self, speaker: str, index: int) -> str:
        test = speaker in self._held_out if self._held_out else index in TEST_INDICES
        return "test" if test else "validation" if index in self.validation_indices else "train"

    def _check_speakers(self, known: list[str]) -> None:
        if wrong := [str(speaker) for speaker in self._held_out if speaker not in known]:
            raise DataError(
                f"held_out_speakers={wrong} did not speak in root={self.root!r}"
                + did_you_mean(wrong, known)
            )
