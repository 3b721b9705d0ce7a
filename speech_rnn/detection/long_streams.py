"""Compose hours of sound with words at known times, in noise, other speech and other words.

A whole stream is planned from the seed alone. Its samples are computed when they are needed, one
segment at a time: a word and its surroundings, from the middle of the gap before it to the middle
of the gap after it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import cast

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio import audio_duration, load_audio
from speech_rnn.audio.finding import sound_files
from speech_rnn.audio.signal import noise_gain
from speech_rnn.data.connected import trimmed
from speech_rnn.data.corpus import PINK, Corpus, Source, Utterance
from speech_rnn.data.mixing import faded, pink_noise, spoken
from speech_rnn.data.rng import check_ranges, choose, shuffled
from speech_rnn.data.splits import recordings_of, speaker_regex
from speech_rnn.detection.labels import Label
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.vocabulary import REASONS, SILENCE

Samples = NDArray[np.float32]
HALVES = {"validation": (0.0, 0.5), "test": (0.5, 1.0)}
"""Part of each noise recording for each split: thresholds are tuned and tested on other noise."""
LONGEST_GAP = 600.0
"""Longest gap in seconds, because a whole segment is kept in memory."""
MARGIN_SECONDS = 1.0
"""Distance of other speech from a word, in seconds, so that a detection counts for one of them."""
PAUSE_SECONDS = (0.3, 2.0)
AROUND_SECONDS = 1.0
"""Seconds of sound on either side of a word that are read to measure its noise floor."""
SPEECH_SECONDS = (3.0, 15.0)
LEAST_SPEECH_SECONDS = 1.0
"""Shortest stretch of speech at the end of a gap, in seconds."""
LEAST_NOISE_DB = -60.0
"""Lowest level of the noise under a word, relative to its mean level, for the SNR: it may be
silent there."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a sound file, placed in a segment.

    Parameters
    ----------
    audio, start_seconds : the file, and the start of the stretch within it.
    at, n_samples : position and length within the segment.
    snr_db : power relative to the noise over the same samples, in dB.
    """

    audio: str
    start_seconds: float
    at: int
    n_samples: int
    snr_db: float


@dataclass(frozen=True)
class Segment:
    """A part of a stream: noise, and the pieces that are mixed into it.

    Parameters
    ----------
    n_samples : length of the segment.
    noise : path of a recording, or ``pink``.
    noise_start, noise_seconds : the stretch of the recording, which is repeated if necessary.
    seed : seed of pink noise.
    pieces : the pieces that are mixed in.
    """

    n_samples: int
    noise: str
    noise_start: float
    noise_seconds: float
    seed: int
    pieces: tuple[Piece, ...]


@dataclass(frozen=True)
class LongStream:
    """A stream whose samples are computed when they are needed.

    Parameters
    ----------
    sample_rate : sample rate in Hz.
    segments : consecutive segments.
    labels : the words in order.
    noise_db : level of the noise of each segment.
    notes : warnings for the reader of the figures.
    """

    sample_rate: int
    segments: tuple[Segment, ...]
    labels: tuple[Label, ...]
    noise_db: float
    notes: tuple[str, ...] = ()

    @property
    def duration(self) -> float:
        """Duration of the stream, in seconds."""
        return sum(segment.n_samples for segment in self.segments) / self.sample_rate

    def blocks(self, block_seconds: float) -> Iterator[Samples]:
        """Yield the samples in blocks (n,); they are bit-identical for any block size.

        They are not clipped: the sum of noise and a word may exceed full scale.

        Raises
        ------
        AudioError
            if a file cannot be read.
        """
        size = max(1, round(block_seconds * self.sample_rate))
        yield from in_blocks(map(self._render, self.segments), size)

    def _render(self, segment: Segment) -> Samples:
        mixed = self._bed(segment)
        nominal = 10 ** (self.noise_db / 10)
        laid = []
        for piece in segment.pieces:
            beneath = _power(mixed[piece.at : piece.at + piece.n_samples])
            if beneath < nominal * 10 ** (LEAST_NOISE_DB / 10):
                beneath = nominal
            samples = self._read(piece.audio, piece.start_seconds, piece.n_samples)
            gain = noise_gain(beneath, max(_power(samples), 1e-20), -piece.snr_db)
            laid.append(samples * np.float32(gain))
        for piece, samples in zip(segment.pieces, laid, strict=True):
            mixed[piece.at : piece.at + piece.n_samples] += samples
        return mixed

    def _bed(self, segment: Segment) -> Samples:
        """Return the noise of a segment at its level."""
        if segment.noise == PINK:
            noise = pink_noise(segment.n_samples, segment.seed)
        else:
            n_samples = round(segment.noise_seconds * self.sample_rate)
            noise = self._read(segment.noise, segment.noise_start, n_samples)
            noise = faded(np.resize(noise, segment.n_samples), self.sample_rate)
        gain = math.sqrt(10 ** (self.noise_db / 10) / max(_power(noise), 1e-20))
        return noise * np.float32(gain)

    def _read(self, audio: str, start_seconds: float, n_samples: int) -> Samples:
        """Read a stretch with faded ends, of exactly the planned length."""
        seconds = n_samples / self.sample_rate
        samples = load_audio(
            audio,
            self.sample_rate,
            start_seconds=start_seconds,
            duration_seconds=seconds,
            check=False,
        )[:n_samples]
        samples = faded(samples, self.sample_rate)
        return np.pad(samples, (0, n_samples - len(samples)))  # resampling may lose one sample


def in_blocks(pieces: Iterable[Samples], size: int) -> Iterator[Samples]:
    """Cut pieces of any length into blocks of `size` samples; the last one may be shorter."""
    left = np.zeros(0, np.float32)
    for piece in pieces:
        left = np.concatenate([left, piece])
        n_whole = len(left) // size * size
        yield from left[:n_whole].reshape(-1, size)
        left = left[n_whole:]
    if len(left):
        yield left


def _power(samples: Samples) -> float:
    return float(np.mean(samples.astype(np.float64) ** 2))


@dataclass(frozen=True)
class Streams:
    """Settings of composed test streams. Every draw is uniform in its range.

    Words are the trimmed clips of a split; all of them are used before one is repeated. All other
    sound is of the same split, so that thresholds tuned on one split are tested on another.

    Parameters
    ----------
    hours : duration of a stream.
    snr_db : SNR of each word over the noise under it, or the range of SNRs. Other speech has the
        same SNR.
    gap_seconds : shortest and longest time from a word to the next, at most 600 s.
    noise : sound files, or folders of them, that training did not use; pink noise if empty. The
        first half of each is for validation, the second for the test.
    speech : sound files, or folders of them, of people who say none of the words; see
        `recordings_of`.
    speaker_pattern : a regular expression that is searched for in the paths of `speech`, whose
        group is the speaker; see `speaker_regex`.
    impostors : a source of other words; words of the corpus are left out. Clips of the corpus that
        are ``_unknown_`` are added.
    quiet_share : share of the gaps that contain noise only.
    noise_db : RMS level of the noise, in dB relative to full scale.
    trim_db : level below the loudest 10 ms of a clip, in dB, at which its word starts and ends.
    above_noise_db : level above the noise floor, in dB, at which a label starts and ends, for clips
        with more noise than `trim_db` allows; see `spoken`. None labels the whole trimmed clip.
    seed : seed of all draws.

    Raises
    ------
    ConfigurationError
        if values are out of range.
    """

    hours: float = 1.0
    snr_db: float | Sequence[float] = 10.0
    gap_seconds: Sequence[float] = (10.0, 60.0)
    noise: Sequence[str] = ()
    speech: Sequence[str] = ()
    speaker_pattern: str | None = None
    impostors: Source | None = None
    quiet_share: float = 0.25
    noise_db: float = -40.0
    trim_db: float = 35.0
    above_noise_db: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("hours", "trim_db", "above_noise_db"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise ConfigurationError(f"{name}={value!r} must be above 0")
        for name, lowest, highest in (("quiet_share", 0, 1), ("noise_db", -90, 0)):
            if not lowest <= (value := getattr(self, name)) <= highest:
                raise ConfigurationError(f"{name}={value!r} must lie in [{lowest}, {highest}]")
        if isinstance(self.snr_db, (int, float)):
            object.__setattr__(self, "snr_db", (self.snr_db, self.snr_db))
        check_ranges(self, {"gap_seconds": (0, LONGEST_GAP), "snr_db": (-60, 100)})
        if self.speaker_pattern is not None:
            speaker_regex(self.speaker_pattern)

    def in_room(self, background: Sequence[str]) -> Streams:
        """Return settings whose noise includes recordings of a room; they replace pink noise."""
        return replace(self, noise=(*self.noise, *background))

    def compose(self, corpus: Corpus, split: str, sample_rate: int) -> LongStream:
        """Plan a stream with the words of a split.

        Raises
        ------
            if the split has no words, no word fits into the hours, and if noise or speech cannot be
            found, or has no file for the split.
        """
        return _Plan(self, corpus, split, sample_rate)()


class _Plan:
    """Plans the segments of a stream."""

    def __init__(self, streams: Streams, corpus: Corpus, split: str, sample_rate: int) -> None:
        self.streams, self.split, self.rate = streams, split, sample_rate
        self.random = Random(f"{streams.seed}/stream/{split}")
        rows = [row for row in corpus.split(split) if row.composition is None]
        spoken = [row for row in rows if row.text in corpus.words and row.text not in REASONS]
        self.words = trimmed(spoken, streams.trim_db)
        self.spoken: dict[Utterance, tuple[float, float]] = {}
        if not self.words:
            raise DataError(
                f"the {split} split has no words to detect; choose another split or corpus"
            )
        others = [row for row in rows if row.text not in corpus.words or row.text in REASONS]
        if streams.impostors is not None:
            theirs = streams.impostors.prepare().split(split)
            others += [row for row in theirs if row.text not in corpus.words]
        others = [row for row in others if row.text != SILENCE and row.composition is None]
        self.impostors = trimmed(others, streams.trim_db)
        speech = sound_files(streams.speech, "speech")
        self.speech = _durations(recordings_of(split, speech, streams.speaker_pattern))
        self.noise = _durations(sound_files(streams.noise, "noise"))

    def __call__(self) -> LongStream:
        n_samples = self._samples(3600 * self.streams.hours)
        segments, labels = [], []
        start, before = 0, self._gap()
        clips = self._clips()
        clip = next(clips)
        while True:
            at, length = start + before, self._samples(clip.duration_seconds or 0.0)
            if at + length > n_samples:
                raise DataError(
                    f"hours={self.streams.hours:g} leave no room for a word; give more, or a "
                    "shorter gap_seconds"
                )
            gap, following = self._gap(), next(clips)
            is_last = at + length + gap + self._samples(following.duration_seconds or 0) > n_samples
            after = n_samples - at - length if is_last else gap // 2
            segments.append(self._segment(clip, before, length, after))
            labels.append(self._label(clip, at / self.rate, length / self.rate))
            if is_last:
                break
            start, before, clip = at + length + after, gap - after, following
        return LongStream(
            self.rate,
            tuple(segments),
            tuple(labels),
            self.streams.noise_db,
            tuple(self._notes(segments)),
        )

    def _notes(self, segments: Sequence[Segment]) -> Iterator[str]:
        """Warn if the same speech is repeated, which repeats its false accepts."""
        pieces = [piece for segment in segments for piece in segment.pieces]
        played = sum(piece.n_samples for piece in pieces if piece.audio in self.speech) / self.rate
        there = sum(self.speech.values())
        if played > there:
            yield (
                f"{self.split}: {played / 60:.0f} minutes of speech are {there / 60:.1f} minutes "
                f"of {len(self.speech)} recordings, repeated: the true intervals of false "
                "accepts are wider; give more speech"
            )

    def _samples(self, seconds: float) -> int:
        return round(seconds * self.rate)

    def _gap(self) -> int:
        return self._samples(self.random.uniform(*self.streams.gap_seconds))

    def _clips(self) -> Iterator[Utterance]:
        while True:
            yield from shuffled(self.words, self.random)

    def _label(self, clip: Utterance, at: float, seconds: float) -> Label:
        """Return the label of a clip that starts `at` seconds from the start of the stream."""
        above_noise_db = self.streams.above_noise_db
        if above_noise_db is None:
            return Label(clip.text, at, at + seconds)
        if clip not in self.spoken:
            self.spoken[clip] = self._spoken(clip, seconds, above_noise_db)
        begin, end = self.spoken[clip]
        return Label(clip.text, at + begin, at + end)

    def _spoken(
        self, clip: Utterance, seconds: float, above_noise_db: float
    ) -> tuple[float, float]:
        """Find the word within its trimmed clip, from the surrounding sound in its file."""
        around = min(AROUND_SECONDS, clip.start_seconds)
        samples = load_audio(
            clip.audio,
            self.rate,
            start_seconds=clip.start_seconds - around,
            duration_seconds=around + seconds + AROUND_SECONDS,
            check=False,
        )
        start, stop = spoken(samples, self.rate, above_noise_db)
        begin, end = (min(max(0.0, at / self.rate - around), seconds) for at in (start, stop))
        return (begin, end) if begin < end else (0.0, seconds)  # surrounding sound was louder

    def _segment(self, clip: Utterance, before: int, length: int, after: int) -> Segment:
        margin = self._samples(MARGIN_SECONDS)
        pieces = [
            *self._talk(0, before - margin),
            self._piece(clip.audio, clip.start_seconds, before, length),
            *self._talk(before + length + margin, before + length + after),
        ]
        total = before + length + after
        if not self.noise:
            seed = int(self.random.random() * 2**32)
            return Segment(total, PINK, 0.0, 0.0, seed, tuple(pieces))
        noise = choose(tuple(self.noise), self.random)
        low, high = (end * self.noise[noise] for end in HALVES.get(self.split, (0.0, 1.0)))
        seconds = min(total / self.rate, high - low)
        begin = low + self.random.random() * (high - low - seconds)
        return Segment(total, noise, begin, seconds, 0, tuple(pieces))

    def _talk(self, start: int, stop: int) -> Iterator[Piece]:
        """Fill a gap with other speech, other words and pauses."""
        kinds = [kind for kind in ("speech", "impostors") if getattr(self, kind)]
        if not kinds or self.random.random() < self.streams.quiet_share:
            return
        while True:
            start += self._samples(self.random.uniform(*PAUSE_SECONDS))
            room = (stop - start) / self.rate
            if choose(kinds, self.random) == "speech":
                audio = choose(tuple(self.speech), self.random)
                drawn = self.random.uniform(*SPEECH_SECONDS)
                seconds = min(drawn, self.speech[audio], max(room, LEAST_SPEECH_SECONDS))
                begin = self.random.random() * (self.speech[audio] - seconds)
            else:
                row = choose(self.impostors, self.random)
                audio, begin, seconds = row.audio, row.start_seconds, row.duration_seconds or 0.0
            length = self._samples(seconds)
            if start + length > stop:
                return
            yield self._piece(audio, begin, start, length)
            start += length

    def _piece(self, audio: str, start_seconds: float, at: int, length: int) -> Piece:
        low, high = cast("Sequence[float]", self.streams.snr_db)
        snr_db = self.random.uniform(low, high)
        return Piece(audio, start_seconds, at, length, snr_db)


def _durations(files: Sequence[Path]) -> Mapping[str, float]:
    return {str(file): audio_duration(file) for file in files}
