"""Read and write sound files: whole, a stretch, or block by block."""

from __future__ import annotations

import io
import math
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech_rnn.audio.headers import UNKNOWN_LENGTH, Sound, decoding_errors, opened
from speech_rnn.audio.signal import AudioWarning, check_waveform, resample
from speech_rnn.errors import AudioError, ConfigurationError
from speech_rnn.samples.downmix import Downmix
from speech_rnn.samples.limits import check_channel, check_rate
from speech_rnn.storage import atomic

BLOCK = 1 << 20
"""Samples that are decoded at once: what a damaged header promises is never allocated whole."""
Check = bool | Callable[[str], None]
WRITTEN = {".wav": "WAV", ".flac": "FLAC"}


def load_audio(
    source: Sound,
    sample_rate: int = 16_000,
    *,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    channel: int | None = None,
    name: str | None = None,
    check: Check = True,
) -> NDArray[np.float32]:
    """Read a sound as one channel at `sample_rate`.

    Parameters
    ----------
    source : anything that libsndfile reads: WAV, FLAC, OGG, MP3, …; 8 to 32 bits or float, 1 kHz to
        1 MHz, up to 256 channels. Where the program ffmpeg is installed, also what phones and
        browsers record: M4A, AAC, WebM, WMA, AMR, ….
    sample_rate : sample rate of the result, in Hz.
    start_seconds, duration_seconds : the stretch to read; a duration of None, or one beyond the
        end, goes to the end.
    channel : the channel to take, counted from 0; None takes the mean of all, or the loudest where
        they cancel each other.
    name : name of the source in messages, if it has none of its own.
    check : whether to warn, as `AudioWarning` and once a file, of what `check_waveform` finds; or
        what each problem is handed to instead.

    Returns
    -------
    (N,) float32 in [-1, 1], at least one sample; what is louder is clipped.

    Raises
    ------
    AudioError
        for a source that is missing, a folder, empty, no sound or cut short, that has no samples
        in the stretch or lacks the channel, or that holds a value which is no number.
    ConfigurationError
        for a rate that no recording has, a duration that is not above 0, a negative start, and a
        source that is neither a path, nor bytes, nor an open binary file.
    """
    name = name or _name(source)
    check_rate(sample_rate)
    if not 0 <= start_seconds < math.inf:
        raise ConfigurationError(f"{name}: start_seconds={start_seconds} must be 0 or above")
    if duration_seconds is not None and not 0 < duration_seconds < math.inf:
        raise ConfigurationError(
            f"{name}: duration_seconds={duration_seconds} must be above 0; None reads to the end"
        )
    with open_audio(source, channel=channel, name=name) as sound:
        return sound.load(sample_rate, start_seconds, duration_seconds, check=check)


@dataclass(frozen=True)
class OpenSound:
    """An open sound. It is read once, from its start: whole by `load`, or block by block.

    Parameters
    ----------
    name : name of the sound in messages.
    file : the open file.
    block_seconds : the length of a block.
    mix : makes one channel of several.
    problems : faults of the file, which can be read all the same.
    """

    name: str
    file: soundfile.SoundFile
    block_seconds: float
    mix: Downmix
    problems: tuple[str, ...] = ()

    @property
    def sample_rate(self) -> int:
        """The rate of the recording, in Hz."""
        return int(self.file.samplerate)

    @property
    def duration(self) -> float | None:
        """The duration in seconds, by the header; None where the header does not hold it."""
        n_samples = self.file.frames
        return None if n_samples >= UNKNOWN_LENGTH else n_samples / self.file.samplerate

    @property
    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The blocks as recorded, of one channel, (n,).

        They are neither resampled nor clipped, and may hold NaN and infinite values.

        Raises
        ------
        AudioError
            after the blocks that could be read, for a sound that is cut short or damaged.
        """
        there = 0
        size = max(1, round(self.block_seconds * self.sample_rate))
        with decoding_errors(self.name):
            for block in _blocks(self.file, self.file.frames, size):
                there += len(block)
                yield self.mix(block)
        _check_length(self.file, self.name, there, self.file.frames)

    def resampled(self, sample_rate: int) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks at `sample_rate`, checked and clipped as `load` does.

        Raises
        ------
        AudioError
            as `blocks`, and for a value that is NaN or infinite.
        """
        resampler = None
        if self.sample_rate != sample_rate:
            resampler = soxr.ResampleStream(
                self.sample_rate, sample_rate, 1, dtype="float32", quality="HQ"
            )
        self._warn(self.problems)
        for block in self.blocks:
            self._check(block, " (in part)")
            waveform = np.clip(block, -1, 1)
            yield resampler.resample_chunk(waveform).clip(-1, 1) if resampler else waveform
        if resampler:
            yield resampler.resample_chunk(np.zeros(0, np.float32), last=True).clip(-1, 1)

    def load(
        self,
        sample_rate: int,
        start_seconds: float = 0.0,
        duration_seconds: float | None = None,
        *,
        check: Check = True,
    ) -> NDArray[np.float32]:
        """Read what is left of the sound, or a stretch of it; see `load_audio`."""
        samples = _read(self.file, self.name, start_seconds, duration_seconds)
        if self.mix.channel is not None:
            samples = self.mix(samples)
        self._warn(self.problems, check=check)
        part = " (in part)" if start_seconds or duration_seconds is not None else ""
        self._check(samples, part, check)
        # A resampler overshoots at steps, and float files may exceed full scale.
        waveform = np.clip(self.mix(samples), -1, 1)
        if self.sample_rate == sample_rate:
            return waveform
        return np.clip(resample(waveform, self.sample_rate, sample_rate), -1, 1)

    def _check(self, samples: NDArray[np.float32], part: str, check: Check = True) -> None:
        if not np.isfinite(samples).all():
            raise AudioError(
                f"{self.name}: holds samples that are not numbers (NaN or infinite); repair it"
            )
        if check:
            self._warn(check_waveform(samples, self.sample_rate), part, check)

    def _warn(self, problems: Iterable[str], part: str = "", check: Check = True) -> None:
        for problem in problems if check else ():
            if callable(check):
                check(problem)
            else:  # at this line, whoever calls: so the same words about the same file come once
                warnings.warn(AudioWarning(f"{self.name}{part}: {problem}"), stacklevel=1)


@contextmanager
def open_audio(
    source: Sound,
    *,
    block_seconds: float = 1.0,
    channel: int | None = None,
    name: str | None = None,
) -> Iterator[OpenSound]:
    """Open a sound of any length, to be read in memory that does not grow with it.

    Parameters
    ----------
    source, channel, name : as in `load_audio`. What does not seek is copied first: beyond 64 MiB,
        into a temporary file.
    block_seconds : duration of a block.

    Raises
    ------
    AudioError
        for a source that is missing, a folder, empty or no sound, or lacks the channel; and from
        `blocks`, after what could be read, for one that is cut short, damaged or without samples.
    ConfigurationError
        for a source that is neither a path, nor bytes, nor an open binary file.
    """
    name = name or _name(source)
    with opened(source, name) as (file, problems):
        if channel is not None:
            check_channel(channel, file.channels, name)
        yield OpenSound(name, file, block_seconds, Downmix(channel), problems)


def _name(source: Sound) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio"


def _read(
    sound: soundfile.SoundFile, name: str, start_seconds: float, duration_seconds: float | None
) -> NDArray[np.float32]:
    """Read a stretch, (N, channels)."""
    rate, n_samples = sound.samplerate, sound.frames
    start = round(min(start_seconds * rate, UNKNOWN_LENGTH))
    if 0 < n_samples <= start:
        raise _beyond(name, start_seconds, n_samples / rate)
    start = min(start, n_samples)
    wanted = n_samples - start
    if duration_seconds is not None:
        wanted = min(wanted, max(1, round(min(duration_seconds * rate, UNKNOWN_LENGTH))))
    before = start
    if start and _seeks_exactly(sound):
        sound.seek(start)
    elif start:
        before = sum(len(block) for block in _blocks(sound, start))
    blocks = list(_blocks(sound, wanted))
    samples = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
    there = before + len(samples)
    _check_length(sound, name, there, start + wanted)
    if not len(samples):
        raise _beyond(name, start_seconds, there / rate)
    return samples


def _seeks_exactly(sound: soundfile.SoundFile) -> bool:
    """Whether what follows a seek is what follows there; else it is decoded from the start.

    Measured with libsndfile 1.2.2: Vorbis lands elsewhere (even with a run-up), and MP3 lacks what
    earlier frames carry over; both are off by full scale. GSM and G.721 do not seek, and a stream
    without a length is not sought beyond its end.
    """
    is_exact = sound.format != "MP3" and sound.subtype != "VORBIS"
    return is_exact and sound.frames < UNKNOWN_LENGTH and bool(sound.seekable())


def _check_length(sound: soundfile.SoundFile, name: str, there: int, wanted: int) -> None:
    """Refuse a sound of which less can be read than its header promises, or nothing."""
    is_exact = sound.frames < UNKNOWN_LENGTH and sound.format not in ("MP3", "OGG")
    if is_exact and there < wanted:
        raise AudioError(
            f"{name}: is cut short: {there} of {wanted} samples can be read; fetch or record it "
            "again"
        )
    if not there:
        raise AudioError(f"{name}: holds no samples, or none that can be read; leave it out")


def _beyond(name: str, start_seconds: float, end_seconds: float) -> AudioError:
    return AudioError(
        f"{name}: start_seconds={start_seconds:g} lies beyond its end at {end_seconds:g} s; choose "
        "an earlier start"
    )


def _blocks(
    sound: soundfile.SoundFile, wanted: int, most: int = BLOCK
) -> Iterator[NDArray[np.float32]]:
    """Decode as many samples as there are, at most `wanted`; at least one block, maybe empty."""
    # After each read soundfile seeks to where it is, which fails at the end of a FLAC whose header
    # tells no length, or a wrong one.
    sound.seekable = lambda: False
    most = max(1, min(most, BLOCK // sound.channels))
    while True:
        size = min(wanted, most)
        block = sound.read(size, dtype="float32", always_2d=True)
        yield block
        wanted -= len(block)
        if len(block) < size or not wanted:
            return


def write_audio(
    path: str | os.PathLike[str], waveform: NDArray[np.float32], sample_rate: int = 16_000
) -> None:
    """Write (N,) samples as 16 bits, WAV or FLAC by the ending, all or nothing.

    What is louder than [-1, 1] is clipped.

    Raises
    ------
    AudioError
        for samples that are not one finite channel, and if the file cannot be written: no such
        folder, a full disk.
    ConfigurationError
        for another ending, and a rate that no recording has.
    """
    path = Path(path)
    encoding = WRITTEN.get(path.suffix.lower())
    if encoding is None:
        raise ConfigurationError(f"path={str(path)!r} must end in {' or '.join(WRITTEN)}")
    check_rate(sample_rate)
    samples = np.asarray(waveform)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AudioError(
            f"{path}: samples of shape={samples.shape} must be finite and one channel (N,)"
        )
    levels = np.rint(samples * 32768.0).clip(-32768, 32767).astype(np.int16)
    try:
        # In memory first: libsndfile tells little of a disk that fills up.
        encoded = io.BytesIO()
        soundfile.write(encoded, levels, sample_rate, subtype="PCM_16", format=encoding)
        atomic.write(path, encoded.getbuffer())
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(
            f"{path}: cannot be written ({reason}); check its folder, rights and free space"
        ) from error


def encode_flac(waveform: NDArray[np.float32], sample_rate: int = 16_000) -> bytes:
    """Return (N,) samples in [-1, 1] as a FLAC file of 16 bits, for what holds its own sounds."""
    file = io.BytesIO()
    soundfile.write(file, waveform.clip(-1, 1), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def audio_duration(source: Sound, *, name: str | None = None) -> float:
    """Return the seconds of a sound, from its header alone wherever that tells them.

    Parameters
    ----------
    source, name : as in `load_audio`.

    Raises
    ------
    AudioError
        for a source that is missing, a folder, empty, no sound or cut short.
    ConfigurationError
        for a source that is neither a path, nor bytes, nor an open binary file.
    """
    with opened(source, name or _name(source)) as (sound, _):
        n_samples = sound.frames
        if n_samples >= UNKNOWN_LENGTH:
            n_samples = sum(len(block) for block in _blocks(sound, n_samples))
        return float(n_samples / sound.samplerate)
