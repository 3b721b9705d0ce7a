"""Any words, spoken by a neural synthesizer's voices and by blends of them."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech_rnn.data.corpus import SPLITS, Corpus, Utterance
from speech_rnn.data.rng import choose, shuffled
from speech_rnn.errors import ConfigurationError, DataError, MissingExtraError
from speech_rnn.synthesis.clip_cache import (
    cache_name,
    check_ranges,
    check_words,
    filling,
    put_clip,
    word_folder,
)

__all__ = ["NeuralVoices"]

log = logging.getLogger(__name__)

MODEL, VOICES = "kokoro-v1.0.int8.onnx", "voices-v1.0.bin"
ADDRESS = "https://github.com/thewh1teagle/kokoro-onnx/releases/tag/model-files-v1.0"
MARKS = (".", ".", ".", "", "!", ",", "?")
"""What follows a word: how it is intoned."""
PROSODIES = 40
"""Of a voice: it has one for each length of a text; those of short texts are spoken alike."""
# Voices are dealt in this order, female and male ones apart.
_DEAL = ("test", *2 * ("train",), "validation", *2 * ("train",), "test", *3 * ("train",))
_PHONEMES = (
    *(("aɪ", "I"), ("aʊ", "W"), ("eɪ", "A"), ("ɔɪ", "Y"), ("dʒ", "ʤ"), ("tʃ", "ʧ")),
    *(("əl", "ᵊl"), ("ʔn", "tn"), ("ʔ", "t"), ("ɐ", "ə"), ("r", "ɹ")),
)
_BRITISH = (("ɚ", "əɹ"), ("eə", "ɛː"), ("iə", "ɪə"), ("əʊ", "Q"))
_AMERICAN = (("oʊ", "O"), ("ɚ", "əɹ"), ("ɜːɹ", "ɜɹ"), ("ɜː", "ɜɹ"), ("ɪə", "iə"), ("ː", ""))
# Part of the cache's name: raise it when the same parameters come to give other samples.
_FORMAT = 2


class _Clip(NamedTuple):
    """All that a clip depends on: what is said, and by a blend of which two voices."""

    path: Path
    text: str
    split: str
    voices: tuple[str, str]
    timbre: float
    prosody: float
    row: int
    accent: str
    mark: str
    speed: float
    lead_seconds: float
    trail_seconds: float
    peak_db: float


@dataclass(frozen=True)
class NeuralVoices:
    """Words or phrases spoken by Kokoro-82M, cached as 16-bit WAV files under `root`.

    A clip's speaker is a blend of two of the 54 voices of its split: timbre and prosody are mixed
    apart, and timbre also a little beyond either, so that there are more speakers than voices.
    Voices of other languages speak English with their accent. Each clip is drawn from the seed
    and its own name alone, and what is in the cache is not made again.

    Parameters
    ----------
    words : what is said, each a class.
    root : where the sounds are kept.
    folder : holds ``kokoro-v1.0.int8.onnx`` and ``voices-v1.0.bin``, Apache 2.0, from the release
        page of kokoro-onnx.
    train_clips, validation_clips, test_clips : of each word; 0 leaves a split without.
    voices : patterns of names, whose second letter is f for a woman's and m for a man's voice:
        ``?m_*`` are the men.
    accents : language codes by which words become phonemes, en-us and en-gb.
    speed : slowest and fastest, within 0.5 and 2.
    silence_seconds : shortest and longest silence before, and after, the word.
    peak_db : lowest and highest level of a clip's peak, in dB of full scale.
    sample_rate : of the files, in Hz.
    seed : of all that is drawn, and of the split of the voices.

    Raises
    ------
    ConfigurationError
        for values outside of these ranges, and for words that are none or given twice.
    """

    words: Sequence[str]
    root: str
    folder: str
    train_clips: int = 120
    validation_clips: int = 0
    test_clips: int = 0
    voices: Sequence[str] = ("*",)
    accents: Sequence[str] = ("en-us", "en-us", "en-gb")
    speed: Sequence[float] = (0.75, 1.35)
    silence_seconds: Sequence[float] = (0.05, 0.3)
    peak_db: Sequence[float] = (-20.0, -1.0)
    sample_rate: int = 16_000
    seed: int = 0

    def __post_init__(self) -> None:
        for split in SPLITS:
            if (clips := getattr(self, f"{split}_clips")) < 0:
                raise ConfigurationError(f"{split}_clips={clips!r} must be 0 or more")
        check_ranges(self, {"speed": (0.5, 2.0), "silence_seconds": (0, 60), "peak_db": (-90, 0)})
        check_words(self.words)

    def prepare(self) -> Corpus:
        """Speak whatever is not in the cache, and list all clips.

        Raises
        ------
        MissingExtraError
            if ``kokoro_onnx`` is not installed.
        DataError
            if the model is missing, a word cannot be spoken or the cache cannot be written.
        """
        clips = list(self._plan(Path(self.root) / self._key(), self._voices()))
        missing = [clip for clip in clips if not clip.path.exists()]
        if missing:
            log.info("Kokoro speaks %d clips for %s", len(missing), self.root)
            self._make(missing)
        rows = (
            Utterance(str(clip.path), clip.text, "+".join(clip.voices), clip.split)
            for clip in clips
        )
        words = tuple(self.words)
        return Corpus(tuple(rows), words, synthetic=words)

    def _voices(self) -> list[str]:
        """Return the names of the voices; see that all is there that speaks."""
        if not find_spec("kokoro_onnx"):
            raise MissingExtraError("kokoro_onnx", "neural")
        files = [Path(self.folder) / name for name in (MODEL, VOICES)]
        if lacking := [file.name for file in files if not file.is_file()]:
            raise DataError(
                f"folder={self.folder!r} lacks {' and '.join(lacking)}; get them from {ADDRESS}"
            )
        with np.load(files[1]) as voices:
            names = sorted(voices.files)
        chosen = [name for name in names if any(fnmatch(name, like) for like in self.voices)]
        if not chosen:
            raise DataError(f"voices={list(self.voices)} are none of {', '.join(names)}")
        return chosen

    def _make(self, clips: Sequence[_Clip]) -> None:
        """Speak clips in processes of their own, one a core.

        Kokoro's phonemes come from espeak-ng, whose library keeps its state in a process: what
        `Espeak` says would differ after it.
        """
        n_workers = min(len(clips), os.cpu_count() or 1)
        shares = [clips[start::n_workers] for start in range(n_workers)]
        context = multiprocessing.get_context("spawn")
        with filling(self.root), ProcessPoolExecutor(n_workers, context) as workers:
            done = [
                workers.submit(_speak, share, self.folder, self.sample_rate) for share in shares
            ]
            for share in done:
                share.result()

    def _key(self) -> str:
        """Name the cache of these parameters; words and numbers of clips are in file names."""
        values: dict[str, Any] = {
            name: [float(value) for value in getattr(self, name)]
            for name in ("speed", "silence_seconds", "peak_db")
        }
        values |= {"accents": list(self.accents), "voices": list(self.voices)}
        values |= {"format": _FORMAT, "sample_rate": self.sample_rate, "seed": self.seed}
        values |= {"splits": self._splits()}
        return cache_name("kokoro", values)

    def _plan(self, folder: Path, voices: Sequence[str]) -> Iterator[_Clip]:
        """Draw all clips."""
        dealt = self._dealt(voices)
        for word in self.words:
            name = word_folder(word)
            for split in self._splits():
                # Every voice speaks every word before one speaks it again.
                order = shuffled(dealt[split], Random(f"{self.seed}/{split}/{word}"))
                for index in range(getattr(self, f"{split}_clips")):
                    random = Random(f"{self.seed}/{split}/{word}/{index}")
                    pair = (order[index % len(order)], choose(order, random))
                    yield _Clip(
                        folder / name / f"{split}-{index:04d}-{'-'.join(pair)}.wav",
                        word,
                        split,
                        pair,
                        random.uniform(-0.2, 1.2),
                        random.uniform(0.0, 1.0),
                        int(random.random() * PROSODIES),
                        choose(self.accents, random),
                        choose(MARKS, random),
                        random.uniform(*self.speed),
                        random.uniform(*self.silence_seconds),
                        random.uniform(*self.silence_seconds),
                        random.uniform(*self.peak_db),
                    )

    def _splits(self) -> list[str]:
        return [split for split in SPLITS if getattr(self, f"{split}_clips")]

    def _dealt(self, voices: Sequence[str]) -> dict[str, list[str]]:
        """Deal the voices to the splits that have clips, women's and men's apart."""
        dealt: dict[str, list[str]] = {split: [] for split in SPLITS}
        deal = [split for split in _DEAL if split in self._splits()]
        for kind in sorted({voice[1:2] for voice in voices}):
            alike = [voice for voice in voices if voice[1:2] == kind]
            for index, voice in enumerate(shuffled(alike, Random(f"{self.seed}/{kind}"))):
                dealt[deal[index % len(deal)]].append(voice)
        return dealt


def _speak(clips: Sequence[_Clip], folder: str, sample_rate: int) -> None:
    """Speak clips and put each in its place, whole."""
    import onnxruntime
    from kokoro_onnx import Kokoro

    # One thread: sums over several differ in their last bits, and so would the clips.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    model = str(Path(folder) / MODEL)
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    kokoro = Kokoro.from_session(session, str(Path(folder) / VOICES))
    for clip in clips:
        one, other = (kokoro.voices[voice][clip.row, 0] for voice in clip.voices)
        style = _blend(one, other, clip.timbre, clip.prosody)[None, None]
        try:
            phonemes = kokoro.tokenizer.phonemize(clip.text, clip.accent)
            spoken, rate = kokoro.create(
                as_trained(phonemes, clip.accent) + clip.mark,
                style,
                clip.speed,
                is_phonemes=True,
                trim=False,
            )
        except ValueError as error:
            raise DataError(f"words: {clip.text!r} cannot be spoken: {error}") from error
        put_clip(
            clip.path,
            spoken.astype(np.float32),
            rate,
            sample_rate,
            silence_seconds=(clip.lead_seconds, clip.trail_seconds),
            peak_db=clip.peak_db,
        )


def as_trained(phonemes: str, accent: str) -> str:
    """Write espeak-ng's phonemes as those of misaki, with which Kokoro was trained.

    Its diphthongs are one letter each; American vowels have no length.
    """
    for one, other in (*_PHONEMES, *(_BRITISH if accent == "en-gb" else _AMERICAN)):
        phonemes = phonemes.replace(one, other)
    return phonemes


def _blend(
    one: NDArray[np.float32], other: NDArray[np.float32], timbre: float, prosody: float
) -> NDArray[np.float32]:
    """Mix two styles (256,): the first half is timbre, the second prosody (StyleTTS 2)."""
    shares = np.repeat(np.array([timbre, prosody], dtype=np.float32), len(one) // 2)
    return shares * one + (1 - shares) * other
