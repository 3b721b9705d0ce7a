"""A folder in which people record words and train a recogniser of their own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from speech_rnn.engines.loading import RUN_FILE, name_of
from speech_rnn.errors import ConfigurationError
from speech_rnn.serving.takes import ROOMS, Takes
from speech_rnn.serving.teaching import Teaching
from speech_rnn.serving.wanted import checked_words, gaps, next_word, seconds_for
from speech_rnn.storage import atomic
from speech_rnn.storage.folders import make_folder, writing
from speech_rnn.synthesis.words import read_words

WORDS = "words.txt"
CONSENT = (
    "I agree that this recording of my voice is kept on this server and used to train a recogniser."
)
"""The sentence to which a speaker agrees; each row of the table has it."""


class Studio:
    """The folder, with the words, the takes, the trainings and the newest recogniser.

    ``words.txt`` has the words, ``takes/`` the recordings, ``training/`` a folder for each run,
    ``recognisers/`` the newest recogniser, and ``data/`` the synthetic voices.

    Parameters
    ----------
    folder : the folder, which is created; nothing else is written.
    overrides : further settings of the trainings, such as ``device=cuda``.
    language : language of the words, such as ``en``.

    Attributes
    ----------
    takes : the recordings.
    teaching : the training.
    words : words to record.

    Raises
    ------
    DataError, ConfigurationError
        if the folder cannot be written, or its files are damaged.
    """

    def __init__(self, folder: Path, overrides: Sequence[str] = (), language: str = "en") -> None:
        self._folder = make_folder(folder, "record").resolve()
        self._overrides, self._language = tuple(overrides), language
        self.takes = Takes(self._folder / "takes")
        self.recognisers = make_folder(self._folder / "recognisers", "record")
        self.teaching = Teaching()
        file = self._folder / WORDS
        self.words = read_words(file) if file.exists() else []

    @property
    def name(self) -> str:
        """Name of the recogniser: that of the folder."""
        return name_of(self.recogniser)

    @property
    def recogniser(self) -> Path:
        """File of the newest recogniser, which is there after the first training."""
        return self.recognisers / f"{self._folder.name}{Path(RUN_FILE).suffix}"

    def use_words(self, given: Any) -> None:
        """Replace the words to record, and write them to ``words.txt``.

        Raises
        ------
        ConfigurationError
            for wrong words, and if words with takes would be removed.
        DataError
            if the disk cannot be written.
        """
        words = checked_words(given)
        recorded = dict.fromkeys(take.word for take in self.takes.rows)
        if lost := [word for word in recorded if word not in words]:
            raise ConfigurationError(
                f"words={words!r:.80} lacks {', '.join(map(repr, lost))}, which has takes; "
                "delete them first"
            )
        with writing(self._folder, "record"):
            if words:
                atomic.write(self._folder / WORDS, "".join(f"{word}\n" for word in words))
            else:
                (self._folder / WORDS).unlink(missing_ok=True)
        self.words = words

    def state(self) -> dict[str, Any]:
        """Return the words, the takes and what is missing, as plain values for JSON."""
        rows = self.takes.rows
        missing = gaps(self.words, rows)
        return {
            "name": self.name,
            "consent": CONSENT,
            "words": [{"word": word, "seconds": seconds_for(word)} for word in self.words],
            "takes": [
                {
                    "file": row.file,
                    "word": row.word,
                    "speaker": row.speaker,
                    "room": row.room,
                    "level_db": row.level_db,
                    "clipped": row.clipped,
                }
                for row in rows
            ],
            "missing": [gap.sentence for gap in missing],
            "next": {room: next_word(missing, room) for room in ROOMS},
        }

    async def teach(self, aside: Callable[[Callable[[], None]], Awaitable[None]]) -> None:
        """Start a training on the takes.

        Parameters
        ----------
        aside : calls a function in a thread.

        Raises
        ------
        ConfigurationError
            if there is no take yet.
        RefusalError
            if a training runs already.
        """
        if not self.takes.rows:
            raise ConfigurationError("there are no takes yet; record some words first")
        output = self._folder / "training" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
        command = (
            *(sys.executable, "-m", "speech_rnn.train", "+recipe=custom"),
            f"words_file={self._folder / WORDS}",
            f"recordings={self.takes.folder}",
            f"paths.data={self._folder / 'data'}",
            f"output_dir={output}",
            f"language={self._language}",
            *self._overrides,
        )
        publish = partial(self._publish, output / RUN_FILE)
        await self.teaching.start(command, partial(aside, publish))

    def _publish(self, file: Path) -> None:
        """Put the recogniser of a run into the folder that the server looks through."""
        with writing(self._folder, "record"), atomic.replacing(self.recogniser) as partial_file:
            shutil.copyfile(file, partial_file)
