"""Read and write sound files: as a whole, in part, or block by block."""

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
from speech_rnn.samples.integers import quantize
from speech_rnn.samples.limits import check_channel, check_rate
from speech_rnn.storage import atomic

BLOCK = 1 << 20
"""Number of samples decoded at once, so that a damaged header cannot cause a huge allocation."""
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
    """Read a sound as a single channel at `sample_rate`.

    Parameters
    ----------
    source : anything that libsndfile reads: WAV, FLAC, OGG, MP3, …; 8 to 32 bits or float, 1 kHz to
        1 MHz, up to 256 channels. If ffmpeg is installed, also the formats of phones and browsers:
        M4A, AAC, WebM, WMA, AMR, ….
    sample_rate : sample rate of the result, in Hz.
    start_seconds : start of the part to read, in seconds.
    duration_seconds : duration of the part to read, in seconds; None, or a value beyond the end,
        reads to the end.
    channel : index of the channel to take, from 0; None takes the mean of all channels, or the
        loudest one if they cancel each other.
    name : name of the source in messages, if it has none of its own.
    check : whether to issue an `AudioWarning`, once per file, for each problem that
        `check_waveform` finds; or a function that is called with each problem instead.

    Returns
    -------
    (N,) float32 in [-1, 1], at least one sample; louder samples are clipped.

    Raises
    ------
    AudioError
        if the source is missing, a folder, empty, truncated or not a sound; if it has no samples in
        the stretch, or lacks the channel; and if it holds NaN or infinite values.
    ConfigurationError
        if the sample rate is impossible, the duration is not above 0, the start is negative, or the
        source is neither a path, nor bytes, nor an open binary file.
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
    """An open sound. It is read once, from its start: all at once by `load`, or block by block.

    Parameters
    ----------
    name : name of the sound in messages.
    file : the open file.
    block_seconds : duration of a block, in seconds.
    mix : function that mixes the channels down to one.
    problems : faults of the file that do not prevent reading.
    """

    name: str
    file: soundfile.SoundFile
    block_seconds: float
    mix: Downmix
    problems: tuple[str, ...] = ()

    @property
    def sample_rate(self) -> int:
        """Sample rate of the recording, in Hz."""
        return int(self.file.samplerate)

    @property
    def duration(self) -> float | None:
        """Duration in seconds according to the header; None if the header does not hold it."""
        n_samples = self.file.frames
        return None if n_samples >= UNKNOWN_LENGTH else n_samples / self.file.samplerate

    @property
    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the recorded blocks, mixed to one channel, (n,).

        They are neither resampled nor clipped, and may contain NaN and infinite values.

        Raises
        ------
        AudioError
            after the readable blocks, if the sound is truncated or damaged.
        """
        there = 0
        size = max(1, round(self.block_seconds * self.sample_rate))
        with decoding_errors(self.name):
            for block in _blocks(self.file, self.file.frames, size):
                there += len(block)
                yield self.mix(block)
        _check_length(self.file, self.name, there, self.file.frames)

    def resampled(self, sample_rate: int) -> Iterator[NDArray[np.float32]]:
        """Yield the blocks at `sample_rate`, checked and clipped as in `load`.

        Raises
        ------
        AudioError
            as in `blocks`, and if a value is NaN or infinite.
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

    def recorded(
        self, start_seconds: float = 0.0, duration_seconds: float | None = None
    ) -> NDArray[np.float32]:
        """Read the rest of the sound, or a stretch of it, as it was recorded, (N, channels).

        Samples are neither mixed, resampled nor clipped.

        Raises
        ------
        AudioError
            as `load_audio` does for a sound that cannot be read.
        """
        return _read(self.file, self.name, start_seconds, duration_seconds)

    def load(
        self,
        sample_rate: int,
        start_seconds: float = 0.0,
        duration_seconds: float | None = None,
        *,
        check: Check = True,
    ) -> NDArray[np.float32]:
        """Read the rest of the sound, or a stretch of it; see `load_audio`."""
        samples = self.recorded(start_seconds, duration_seconds)
        if self.mix.channel is not None:
            samples = self.mix(samples)
        self._warn(self.problems, check=check)
        part = " (in part)" if start_seconds or duration_seconds is not None else ""
        self._check(samples, part, check)
        # A resampler overshoots at edges, and float files may exceed full scale.
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
            else:  # always from this line, so that Python shows the same warning only once
                warnings.warn(AudioWarning(f"{self.name}{part}: {problem}"), stacklevel=1)


@contextmanager
def open_audio(
    source: Sound,
    *,
    block_seconds: float = 1.0,
    channel: int | None = None,
    name: str | None = None,
) -> Iterator[OpenSound]:
    """Open a sound of any length, which is read in constant memory.

    Parameters
    ----------
    source : as in `load_audio`. A source that is not seekable is copied first, into a temporary
        file if it has more than 64 MiB.
    channel : as in `load_audio`.
    name : as in `load_audio`.
    block_seconds : duration of a block, in seconds.

    Raises
    ------
    AudioError
        if the source is missing, a folder, empty or not a sound, or lacks the channel; and from
        `blocks`, after the readable part, if it is truncated, damaged or without samples.
    ConfigurationError
        if the source is neither a path, nor bytes, nor an open binary file.
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
    """Return whether seeking is exact; if not, the sound must be decoded from its start.

    Measured with libsndfile 1.2.2: Vorbis seeks to a wrong position (even with a run-up), and MP3
    lacks the state of earlier frames; both have errors of full scale. GSM and G.721 cannot seek,
    and a stream of unknown length cannot seek beyond its end.
    """
    is_exact = sound.format != "MP3" and sound.subtype != "VORBIS"
    return is_exact and sound.frames < UNKNOWN_LENGTH and bool(sound.seekable())


def _check_length(sound: soundfile.SoundFile, name: str, there: int, wanted: int) -> None:
    """Raise if fewer samples can be read than the header promises, or none."""
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
    """Decode at most `wanted` samples; yield at least one block, which may be empty."""
    # After each read, soundfile seeks to its current position, which fails at the end of a FLAC
    # file whose header has no length or a wrong one.
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
    """Write samples (N,) as 16-bit WAV or FLAC, chosen by the ending; all or nothing.

    Samples outside of [-1, 1] are clipped.

    Raises
    ------
    AudioError
        if the samples are not one finite channel, or the file cannot be written (its folder is
        missing, the disk is full).
    ConfigurationError
        if the file has another ending, or the sample rate is impossible.
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
    try:
        # Encode in memory first: libsndfile does not report a full disk reliably.
        encoded = io.BytesIO()
        soundfile.write(encoded, quantize(samples), sample_rate, subtype="PCM_16", format=encoding)
        atomic.write(path, encoded.getbuffer())
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(
            f"{path}: cannot be written ({reason}); check its folder, rights and free space"
        ) from error


def encode_flac(waveform: NDArray[np.float32], sample_rate: int = 16_000) -> bytes:
    """Return samples (N,) in [-1, 1] as a 16-bit FLAC file, to embed in other files.

    Samples that come from 16 bits are those of the file, to the bit.
    """
    file = io.BytesIO()
    soundfile.write(file, quantize(waveform), sample_rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()


def audio_duration(source: Sound, *, name: str | None = None) -> float:
    """Return the duration of a sound in seconds, from its header alone if possible.

    Parameters
    ----------
    source, name : as in `load_audio`.

    Raises
    ------
    AudioError
        if the source is missing, a folder, empty, truncated or not a sound.
    ConfigurationError
        if the source is neither a path, nor bytes, nor an open binary file.
    """
    with opened(source, name or _name(source)) as (sound, _):
        n_samples = sound.frames
        if n_samples >= UNKNOWN_LENGTH:
            n_samples = sum(len(block) for block in _blocks(sound, n_samples))
        return float(n_samples / sound.samplerate)
