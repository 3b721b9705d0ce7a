"""Words spoken by any synthesizer that a command line starts."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random
from shutil import which
from string import Formatter
from typing import NamedTuple
from urllib.parse import quote

from speech_rnn.audio import load_audio
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.errors import AudioError, ConfigurationError, DataError
from speech_rnn.synthesis.clip_cache import cache_name, check_words, put_clip, word_folder

__all__ = ["Spoken"]

PLACES = ("text", "voice", "stretch", "file")
TIMEOUT_SECONDS = 120


class _Clip(NamedTuple):
    path: Path
    text: str
    voice: str
    stretch: float
    silence_seconds: tuple[float, float]
    peak_db: float


@dataclass(frozen=True)
class Spoken:
    """Words spoken by a program, cached as 16-bit WAV files under `root`; all are for training.

    A handful of voices cannot be split: they join, as `extra`, a corpus that has its own
    validation and test.

    Parameters
    ----------
    words : what is said, each a class.
    root : where the sounds are kept.
    command : the program and its arguments. ``{text}``, ``{voice}``, ``{stretch}`` (of durations:
        1.2 is slower) and ``{file}``, a WAV file that it must write, are filled in.
    voices : what ``{voice}`` becomes, in turn.
    clips : of each word.
    stretch : shortest and longest.
    silence_seconds : shortest and longest silence before, and after, the word.
    peak_db : lowest and highest level of a clip's peak, in dB of full scale.
    sample_rate : of the files, in Hz.
    seed : of all that is drawn.

    Raises
    ------
    ConfigurationError
        for a command without ``{text}`` or ``{file}`` or with other places, no voices, no clips,
        and for words that are none or given twice.
    """

    words: Sequence[str]
    root: str
    command: Sequence[str]
    voices: Sequence[str]
    clips: int = 40
    stretch: Sequence[float] = (0.75, 1.3)
    silence_seconds: Sequence[float] = (0.05, 0.3)
    peak_db: Sequence[float] = (-20.0, -1.0)
    sample_rate: int = 16_000
    seed: int = 0

    def __post_init__(self) -> None:
        check_words(self.words)
        if self.clips < 1 or not self.voices:
            raise ConfigurationError(
                f"clips={self.clips!r} and voices={list(self.voices)!r} must be one or more"
            )
        try:
            self._filled(dict.fromkeys(PLACES, ""))
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigurationError(
                f"command={list(self.command)!r} has a place that is none of "
                f"{', '.join(f'{{{place}}}' for place in PLACES)}: {error}"
            ) from error
        parsed = (part for argument in self.command for part in Formatter().parse(argument))
        places = {place for _, place, _, _ in parsed}
        if without := [place for place in ("text", "file") if place not in places]:
            raise ConfigurationError(
                f"command={list(self.command)!r} must hold {' and '.join(without)} in braces"
            )

    def prepare(self) -> Corpus:
        """Speak whatever is not in the cache, and list all clips.

        Raises
        ------
        DataError
            if the program is missing, fails or writes no sound.
        """
        if which(self.command[0]) is None:
            raise DataError(
                f"command: {self.command[0]!r} is not installed, or not where programs are found"
            )
        clips = list(self._plan(Path(self.root) / self._key()))
        with ThreadPoolExecutor() as workers:
            list(workers.map(self._make, [clip for clip in clips if not clip.path.exists()]))
        rows = (Utterance(str(clip.path), clip.text, clip.voice, "train") for clip in clips)
        words = tuple(self.words)
        return Corpus(tuple(rows), words, synthetic=words)

    def _key(self) -> str:
        """Name the cache of these parameters; words, voices and numbers are in file names."""
        pairs = (self.stretch, self.silence_seconds, self.peak_db)
        values = [list(self.command), [list(map(float, pair)) for pair in pairs]]
        return cache_name("spoken", [*values, self.sample_rate, self.seed])

    def _plan(self, folder: Path) -> Iterator[_Clip]:
        """Draw all clips."""
        for word in self.words:
            name = word_folder(word)
            for index in range(self.clips):
                random = Random(f"{self.seed}/{word}/{index}")
                voice = self.voices[index % len(self.voices)]
                yield _Clip(
                    folder / name / f"{index:04d}-{quote(voice, safe='')}.wav",
                    word,
                    voice,
                    round(random.uniform(*self.stretch), 3),
                    (random.uniform(*self.silence_seconds), random.uniform(*self.silence_seconds)),
                    random.uniform(*self.peak_db),
                )

    def _filled(self, values: dict[str, str]) -> list[str]:
        return [argument.format(**values) for argument in self.command]

    def _make(self, clip: _Clip) -> None:
        """Speak a clip and put it in its place, whole."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "spoken.wav"
            values = {"text": clip.text, "voice": clip.voice, "file": str(file)}
            command = self._filled(values | {"stretch": str(clip.stretch)})
            try:
                subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    check=True,
                    timeout=TIMEOUT_SECONDS,
                )
                spoken = load_audio(file, self.sample_rate)
            except (OSError, subprocess.SubprocessError, AudioError) as error:
                told = getattr(error, "stderr", None) or b""
                reason = f"{error} {told.decode(errors='replace').strip()}".strip()
                raise DataError(f"command={command!r} speaks nothing: {reason}") from error
        put_clip(
            clip.path,
            spoken,
            self.sample_rate,
            self.sample_rate,
            silence_seconds=clip.silence_seconds,
            peak_db=clip.peak_db,
        )
