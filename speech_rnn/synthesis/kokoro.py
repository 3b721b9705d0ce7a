"""Any words, spoken by the voices of a neural synthesizer and by blends of them."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import ClassVar
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.corpus import SPLITS, Corpus
from speech_rnn.data.rng import choose, shuffled
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError, SpeechRnnError
from speech_rnn.parallel.processes import end_with_parent
from speech_rnn.synthesis import kokoro_files
from speech_rnn.synthesis.cached_voices import CachedVoices, Clip, put_clip
from speech_rnn.synthesis.kokoro_files import MODEL, VOICES

MARKS = (".", ".", ".", "", "!", ",", "?")
"""Punctuation after a word, which determines its intonation."""
PROSODIES = 40
"""Number of styles of a voice that are used; a voice has one for each length of a text."""
LANGUAGES = {
    "en": ("en-us", "en-us", "en-gb"),
    "es": ("es",),
    "fr": ("fr-fr",),
    "hi": ("hi",),
    "it": ("it",),
    "pt": ("pt-br",),
}
"""Languages that Kokoro learnt with espeak-ng's phonemes, and their accents. It learnt Japanese and
Chinese with other phonemes."""
# Voices are dealt to the splits in this order, female and male voices separately.
_DEAL = ("test", *2 * ("train",), "validation", *2 * ("train",), "test", *3 * ("train",))
_PHONEMES = (("aɪ", "I"), ("aʊ", "W"), ("eɪ", "A"), ("ɔɪ", "Y"), ("dʒ", "ʤ"), ("tʃ", "ʧ"))
_ENGLISH = (("əl", "ᵊl"), ("ʔn", "tn"), ("ʔ", "t"), ("ɐ", "ə"), ("r", "ɹ"))
_BRITISH = (("ɚ", "əɹ"), ("eə", "ɛː"), ("iə", "ɪə"), ("əʊ", "Q"))
_AMERICAN = (("oʊ", "O"), ("ɚ", "əɹ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""))
# Part of the name of the cache: increase it if the same parameters produce different samples.
_FORMAT = 2


@dataclass(frozen=True)
class Blend:
    """A speaker and a manner of speaking: a blend of two voices, see `blend`."""

    voices: tuple[str, str]
    timbre: float
    prosody: float
    row: int
    accent: str
    mark: str
    speed: float


@dataclass(frozen=True)
class NeuralVoices(CachedVoices):
    """Words or phrases spoken by Kokoro-82M.

    The speaker of a clip is a blend of two of the 54 voices of its split. Timbre and prosody are
    blended separately, timbre also slightly beyond either voice, so that there are more speakers
    than voices. Voices of other languages have an accent. Otherwise as `CachedVoices`.

    Parameters
    ----------
    folder : folder with ``kokoro-v1.0.int8.onnx`` and ``voices-v1.0.bin``, Apache 2.0, from the
        release page of kokoro-onnx. Missing files are taken from the cache that `fetch` fills.
    train_clips : number of training clips of each word; 0 leaves the split empty.
    validation_clips : number of validation clips of each word; 0 leaves the split empty.
    test_clips : number of test clips of each word; 0 leaves the split empty.
    voices : patterns of voice names, whose second letter is f for female and m for male voices:
        ``?m_*`` selects the male ones.
    language : language of the words, one of `LANGUAGES`.
    accents : language codes by which words become phonemes; None takes those of the language.
    speed : lowest and highest factor on the speaking rate, from 0.5 to 2.
    """

    folder: str = field(kw_only=True)
    train_clips: int = 120
    validation_clips: int = 0
    test_clips: int = 0
    voices: Sequence[str] = ("*",)
    language: str = "en"
    accents: Sequence[str] | None = None
    speed: Sequence[float] = (0.75, 1.35)

    ranges: ClassVar = {"speed": (0.5, 2.0)}

    cost: ClassVar = (
        "people are recognised less well; of 840 key phrases of people in hours of talk and noise, "
        "a training with espeak-ng alone detected 84 %, and one with Kokoro 93 % (page of custom)"
    )

    def lack(self) -> SpeechRnnError | None:
        """Return the error if the language, a package or a file is missing."""
        if self.accents is None and self.language not in LANGUAGES:
            return ConfigurationError(
                f"language={self.language!r} is not spoken by Kokoro, which speaks: "
                f"{', '.join(LANGUAGES)}"
            )
        files = kokoro_files.lacking(self.folder)
        size = kokoro_files.megabytes(files)
        if not find_spec("kokoro_onnx"):
            more = f"voices=kokoro then downloads its files, {size} MB" if files else ""
            return MissingExtraError("kokoro_onnx", "neural", more)
        if files:
            return DataError(
                f"folder={self.folder!r} and {kokoro_files.cache_folder()} lack "
                f"{' and '.join(files)}: add voices=kokoro, which downloads {size} MB, or get them "
                f"from {kokoro_files.PAGE}"
            )
        return None

    def fetch(self) -> None:
        """Download missing files, unless the package is missing too; see `kokoro_files.fetch`.

        Raises
        ------
        DataError
            if the download fails.
        """
        if isinstance(self.lack(), DataError):
            kokoro_files.fetch(self.folder)

    def prepare(self) -> Corpus:
        """Synthesize whatever is not in the cache, and list all clips.

        Raises
        ------
        ConfigurationError
            if Kokoro does not speak the language.
        MissingExtraError
            if ``kokoro_onnx`` is not installed.
        DataError
            if files are missing or broken, a word cannot be spoken or the cache cannot be written.
        """
        if (error := self.lack()) is not None:
            raise error
        return self.spoken(self.drawn(self._voices()), self._make)

    def drawn(self, voices: Sequence[str]) -> Iterator[Clip]:
        """Draw all clips with these voices."""
        dealt = self._dealt(voices)
        values = {
            **self.pairs("speed", "silence_seconds", "peak_db"),
            "accents": self._accents,
            "voices": list(self.voices),
            "format": _FORMAT,
            "sample_rate": self.sample_rate,
            "seed": self.seed,
            "splits": list(dealt),
        }
        return self.plan(self.cache("kokoro", values), dealt, self._draw)

    @property
    def _accents(self) -> list[str]:
        return list(LANGUAGES[self.language] if self.accents is None else self.accents)

    def _voices(self) -> list[str]:
        """Return the names of the voices."""
        file = kokoro_files.found(self.folder)[VOICES]
        try:
            with np.load(file) as voices:
                names = sorted(voices.files)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise _broken(file, error) from error
        chosen = [name for name in names if any(fnmatch(name, like) for like in self.voices)]
        if not chosen:
            raise DataError(f"voices={list(self.voices)} must be chosen from {', '.join(names)}")
        return chosen

    def _make(self, clips: Sequence[Clip]) -> None:
        """Synthesize clips in separate processes, one per core.

        Kokoro gets its phonemes from espeak-ng, whose library keeps state within a process and
        would change the later results of `Espeak`.
        """
        n_workers = min(len(clips), os.cpu_count() or 1)
        files = kokoro_files.found(self.folder)
        shares = [clips[start::n_workers] for start in range(n_workers)]
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(n_workers, context, initializer=end_with_parent) as workers:
            done = [
                workers.submit(_speak, share, files[MODEL], files[VOICES], self.sample_rate)
                for share in shares
            ]
            for share in done:
                share.result()

    def _draw(self, voices: Sequence[str], index: int, random: Random) -> tuple[str, str, Blend]:
        pair = (voices[index % len(voices)], choose(voices, random))
        blend = Blend(
            pair,
            random.uniform(-0.2, 1.2),
            random.uniform(0.0, 1.0),
            int(random.random() * PROSODIES),
            choose(self._accents, random),
            choose(MARKS, random),
            random.uniform(*self.speed),
        )
        return "+".join(pair), "-".join(pair), blend

    def _dealt(self, voices: Sequence[str]) -> dict[str, list[str]]:
        """Deal the voices to the splits that have clips, female and male voices separately."""
        dealt: dict[str, list[str]] = {
            split: [] for split in SPLITS if getattr(self, f"{split}_clips")
        }
        deal = [split for split in _DEAL if split in dealt]
        for kind in sorted({voice[1:2] for voice in voices}):
            alike = [voice for voice in voices if voice[1:2] == kind]
            for index, voice in enumerate(shuffled(alike, Random(f"{self.seed}/{kind}"))):
                dealt[deal[index % len(deal)]].append(voice)
        return dealt


def _broken(file: Path, error: Exception) -> DataError:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return DataError(
        f"file={str(file)!r} cannot be read as a file of Kokoro: {reason}; delete it, and "
        "voices=kokoro downloads it"
    )


def _speak(clips: Sequence[Clip], model: Path, voices: Path, sample_rate: int) -> None:
    """Synthesize clips and move each complete file into the cache."""
    import onnxruntime
    from kokoro_onnx import Kokoro

    # One thread: with several, sums differ in their last bits, and so would the clips.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    try:
        session = onnxruntime.InferenceSession(str(model), options, providers=providers)
    except Exception as error:  # ONNX Runtime's errors have no common class
        raise _broken(model, error) from error
    kokoro = Kokoro.from_session(session, str(voices))
    for clip in clips:
        voice = clip.voice
        one, other = (kokoro.voices[name][voice.row, 0] for name in voice.voices)
        style = blend(one, other, voice.timbre, voice.prosody)[None, None]
        try:
            phonemes = kokoro.tokenizer.phonemize(clip.text, voice.accent)
            spoken, rate = kokoro.create(
                as_trained(phonemes, voice.accent) + voice.mark,
                style,
                voice.speed,
                is_phonemes=True,
                trim=False,
            )
        except ValueError as error:
            raise DataError(f"words: {clip.text!r} cannot be spoken: {error}") from error
        put_clip(clip, spoken.astype(np.float32), rate, sample_rate)


def as_trained(phonemes: str, accent: str) -> str:
    """Convert espeak-ng's phonemes to those of misaki, with which Kokoro was trained.

    misaki writes diphthongs as one letter, and American vowels without length.
    """
    english = (*_ENGLISH, *(_BRITISH if accent == "en-gb" else _AMERICAN))
    for one, other in (*_PHONEMES, *(english if accent.startswith("en") else ())):
        phonemes = phonemes.replace(one, other)
    return phonemes


def blend(
    one: NDArray[np.float32], other: NDArray[np.float32], timbre: float, prosody: float
) -> NDArray[np.float32]:
    """Blend two styles (256,): the first half is timbre, the second half prosody (StyleTTS 2)."""
    shares = np.repeat(np.array([timbre, prosody], dtype=np.float32), len(one) // 2)
    return shares * one + (1 - shares) * other
