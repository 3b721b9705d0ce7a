"""Words spoken by any synthesizer that runs from a command line."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from shutil import which
from string import Formatter
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote

from speech_rnn.audio import load_audio
from speech_rnn.data.at_hand import NOT_MEASURED
from speech_rnn.data.corpus import Corpus
from speech_rnn.errors import AudioError, ConfigurationError, DataError, SpeechRnnError
from speech_rnn.synthesis.cached_voices import CachedVoices, Clip, put_clip, word_folder

if TYPE_CHECKING:
    from typing_extensions import Self

PLACES = ("text", "voice", "stretch", "file")
TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Spoken(CachedVoices):
    """Words spoken by a program, for training only. Otherwise as `CachedVoices`.

    A handful of voices cannot be split. As `extra`, they join a corpus that has its own validation
    and test splits.

    Parameters
    ----------
    command : the program and its arguments. ``{text}``, ``{voice}``, ``{stretch}`` (a factor on
        durations: 1.2 is slower) and ``{file}``, the WAV file to write, are filled in.
    voices : values of ``{voice}``, which are used in turn.
    clips : number of clips of each word.
    stretch : lowest and highest value of ``{stretch}``.
    language : language of the words.
    speaks : the languages of the program; an empty list allows any.
    files : files that the program needs, such as a voice.
    install : command that installs the program and its files.

    Raises
    ------
    ConfigurationError
        if the command lacks ``{text}`` or ``{file}`` or has unknown fields, or there are no voices
        or clips.
    """

    command: Sequence[str] = field(kw_only=True)
    voices: Sequence[str] = field(kw_only=True)
    clips: int = 40
    stretch: Sequence[float] = (0.75, 1.3)
    language: str = "en"
    speaks: Sequence[str] = ()
    files: Sequence[str] = ()
    install: str = ""

    splits: ClassVar[Sequence[str]] = ("train",)
    cost: ClassVar = f"there are fewer kinds of voices; {NOT_MEASURED}"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.clips < 1 or not self.voices:
            raise ConfigurationError(
                f"clips={self.clips!r} and voices={list(self.voices)!r} must be at least one"
            )
        try:
            self._filled(dict.fromkeys(PLACES, ""))
        except (KeyError, IndexError, ValueError) as error:
            raise ConfigurationError(
                f"command={list(self.command)!r} has a place other than "
                f"{', '.join(f'{{{place}}}' for place in PLACES)}: {error}"
            ) from error
        parsed = (part for argument in self.command for part in Formatter().parse(argument))
        places = {place for _, place, _, _ in parsed}
        if without := [place for place in ("text", "file") if place not in places]:
            raise ConfigurationError(
                f"command={list(self.command)!r} must hold {' and '.join(without)} in braces"
            )

    def speaking(self, words: Sequence[str], split: str, clips: int) -> Self:
        """Return the same voices, which speak other words; see `CachedVoices.speaking`."""
        return replace(self, words=words, clips=clips)

    def lack(self) -> SpeechRnnError | None:
        """Return the error if the language, the program or one of its files is missing."""
        program, install = self.command[0], f": run  {self.install}" if self.install else ""
        if self.speaks and self.language not in self.speaks:
            return ConfigurationError(
                f"language={self.language!r} is not spoken by {program}, which speaks: "
                f"{', '.join(self.speaks)}"
            )
        if which(program) is None:
            return DataError(f"command: {program!r} is not installed, or not on the PATH{install}")
        if missing := [file for file in self.files if not Path(file).is_file()]:
            return DataError(f"files={missing} of {program!r} are missing{install}")
        return None

    def prepare(self) -> Corpus:
        """Synthesize whatever is not in the cache, and list all clips.

        Raises
        ------
        ConfigurationError
            if the program does not speak the language.
        DataError
            if the program or one of its files is missing, if it fails or produces no sound, and if
            the cache cannot be written.
        """
        if (error := self.lack()) is not None:
            raise error
        # Words, voices and numbers are part of the file names.
        pairs = self.pairs("stretch", "silence_seconds", "peak_db")
        values = [list(self.command), list(pairs.values()), self.sample_rate, self.seed]
        return self.spoken(self._plan(self.cache("spoken", values)), self._speak)

    def _speak(self, clips: Sequence[Clip]) -> None:
        with ThreadPoolExecutor() as workers:
            list(workers.map(self._make, clips))

    def _plan(self, folder: Path) -> Iterator[Clip]:
        for word in self.words:
            for index in range(self.clips):
                random = Random(f"{self.seed}/{word}/{index}")
                voice = self.voices[index % len(self.voices)]
                file = folder / word_folder(word) / f"{index:04d}-{quote(voice, safe='')}.wav"
                stretch = round(random.uniform(*self.stretch), 3)
                yield self.clip(file, word, "train", voice, stretch, random)

    def _filled(self, values: dict[str, str]) -> list[str]:
        return [argument.format(**values) for argument in self.command]

    def _make(self, clip: Clip) -> None:
        """Synthesize a clip and move the complete file into the cache."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "spoken.wav"
            values = {"text": clip.text, "voice": clip.speaker, "file": str(file)}
            command = self._filled(values | {"stretch": str(clip.voice)})
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
                printed = getattr(error, "stderr", None) or b""
                reason = f"{error} {printed.decode(errors='replace').strip()}".strip()
                raise DataError(f"command={command!r} gives no speech: {reason}") from error
        put_clip(clip, spoken, self.sample_rate, self.sample_rate)
