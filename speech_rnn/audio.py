"""Read, resample, downmix: the only file that opens sound files. Needs no torch."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech_rnn.errors import AudioError, ConfigurationError

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioWarning",
    "Sound",
    "audio_duration",
    "check_waveform",
    "find_audio",
    "load_audio",
    "resample",
    "write_audio",
]

Sound = str | os.PathLike[str] | bytes | BinaryIO
"""A path, a file's bytes, or an open file, which need not seek."""

AUDIO_SUFFIXES = frozenset(
    {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"}
)
"""Endings that are looked for in folders; a file that is named may have any."""

SILENCE_DB = -60.0
LEAST_RATE = 8_000
MOST_DC_OFFSET = 0.02
FULL_SCALE = 0.999
MOST_CLIPPED = 0.001
STREAMED = (0, 0x7FFFFFFF, 0xFFFFFFFF)
"""Sizes that a WAV header holds when its writer could not know the length."""


class AudioWarning(UserWarning):
    """Something about a sound that silently ruins results."""


def load_audio(
    source: Sound,
    sample_rate: int = 16_000,
    *,
    start_seconds: float = 0.0,
    duration_seconds: float | None = None,
    name: str | None = None,
    check: bool = True,
) -> NDArray[np.float32]:
    """Read a sound as one channel at `sample_rate`.

    Parameters
    ----------
    source : anything that libsndfile reads: WAV, FLAC, OGG, MP3, …; 8 to 32 bits or float, any
        rate, any number of channels, whose mean is taken.
    sample_rate : of the result, in Hz.
    start_seconds, duration_seconds : the stretch to read; a duration of None goes to the end.
    name : in messages, for a source without a name of its own.
    check : whether to warn, as `AudioWarning`, of what `check_waveform` finds.

    Returns
    -------
    (N,) float32 in [-1, 1].

    Raises
    ------
    AudioError
        for a source that is missing, empty, no sound, cut short, without samples in the stretch,
        or that holds a value which is no number.
    ConfigurationError
        for a rate that is not above 0.
    """
    name = name or (os.fspath(source) if isinstance(source, (str, os.PathLike)) else "audio")
    samples, source_rate = _read(source, name, start_seconds, duration_seconds)
    if not np.isfinite(samples).all():
        raise AudioError(f"{name}: holds samples that are no number (NaN or infinite); repair it")
    waveform = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if check:
        for problem in check_waveform(waveform, source_rate):
            warnings.warn(AudioWarning(f"{name}: {problem}"), stacklevel=2)
    return resample(waveform, source_rate, sample_rate)


def _read(
    source: Sound, name: str, start_seconds: float, duration_seconds: float | None
) -> tuple[NDArray[np.float32], int]:
    """Read a stretch: (N, channels) float32 and its rate."""
    file = _open(source, name)
    try:
        with file, soundfile.SoundFile(file) as sound:
            rate = sound.samplerate
            promised = len(sound)
            start = round(start_seconds * rate)
            if promised and start >= promised:
                raise AudioError(
                    f"{name}: start_seconds={start_seconds:g} lies beyond its end at "
                    f"{promised / rate:g} s; choose an earlier start"
                )
            if start:
                sound.seek(start)
            wanted = -1 if duration_seconds is None else round(duration_seconds * rate)
            samples = sound.read(wanted, dtype="float32", always_2d=True)
            expected = promised - start if wanted < 0 else min(wanted, promised - start)
            is_exact = sound.format not in ("MP3", "OGG")  # their headers may only estimate
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{name}: is no sound that can be read ({error.error_string.strip()}); "
            "convert it, for example: ffmpeg -i FILE FILE.wav"
        ) from error
    if is_exact and len(samples) < expected:
        raise AudioError(
            f"{name}: is cut short: {len(samples)} of {expected} samples can be read; fetch or "
            "record it again"
        )
    if not len(samples):
        raise AudioError(f"{name}: holds no samples; leave it out")
    return samples, rate


def _open(source: Sound, name: str) -> BinaryIO:
    """Open what holds bytes; refuse what is missing, empty or cut short before it is decoded."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.is_dir():
            raise AudioError(f"{name}: is a folder; name a file in it")
        try:
            file: BinaryIO = path.open("rb")
        except OSError as error:
            raise AudioError(f"{name}: cannot be opened ({error.strerror})") from error
    else:
        content = source if isinstance(source, bytes) else source.read()
        file = io.BytesIO(content)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not size:
        file.close()
        raise AudioError(f"{name}: is empty (0 bytes); fetch or record it again")
    missing = _missing_wav_bytes(file, size)
    file.seek(0)
    if missing > 0:
        file.close()
        raise AudioError(
            f"{name}: is cut short: its header promises {missing} bytes more than there are; fetch "
            "or record it again"
        )
    return file


def _missing_wav_bytes(file: BinaryIO, size: int) -> int:
    """Bytes that a RIFF WAVE file's data chunk promises beyond its end; libsndfile reads on."""
    header = file.read(12)
    if header[:4] != b"RIFF" or header[8:12] != b"WAVE":
        return 0
    while len(chunk := file.read(8)) == 8:
        length = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return 0 if length in STREAMED else file.tell() + length - size
        file.seek(length + length % 2, os.SEEK_CUR)
    return 0


def check_waveform(waveform: NDArray[np.float32], sample_rate: int) -> list[str]:
    """Return what silently ruins results: silence, clipping, a DC offset, a rate below 8 kHz.

    Parameters
    ----------
    waveform : (N,) in [-1, 1].
    sample_rate : of the recording, in Hz.
    """
    problems = []
    if sample_rate < LEAST_RATE:
        problems.append(f"sample rate {sample_rate} Hz is below {LEAST_RATE}: speech is cut off")
    magnitude = np.abs(waveform)
    peak = float(magnitude.max(initial=0.0))
    if peak <= 10 ** (SILENCE_DB / 20):
        problems.append(f"is silent: no sample is above {SILENCE_DB:g} dB")
        return problems
    # Two neighbours at full scale are a cut-off peak; a single one may be a peak that just fits.
    loud = magnitude >= FULL_SCALE
    clipped = float(np.mean(loud[1:] & loud[:-1])) if len(loud) > 1 else 0.0
    if clipped > MOST_CLIPPED:
        problems.append(f"is clipped: {100 * clipped:.1f} % of its samples are at full scale")
    offset = float(waveform.mean(dtype=np.float64))
    if abs(offset) > MOST_DC_OFFSET:
        problems.append(f"has a DC offset of {offset:.3f}")
    return problems


def resample(
    waveform: NDArray[np.float32], source_rate: int, target_rate: int
) -> NDArray[np.float32]:
    """Resample (N,) samples by band-limited interpolation (soxr, high quality).

    Raises
    ------
    ConfigurationError
        for a rate that is not above 0.
    """
    if source_rate <= 0 or target_rate <= 0:
        raise ConfigurationError(f"rates {source_rate} and {target_rate} Hz must be above 0")
    if source_rate == target_rate:
        return np.ascontiguousarray(waveform, dtype=np.float32)
    resampled = soxr.resample(waveform, source_rate, target_rate, quality="HQ")
    return resampled.astype(np.float32) if len(resampled) else np.zeros(1, np.float32)


def write_audio(
    path: str | os.PathLike[str], waveform: NDArray[np.float32], sample_rate: int = 16_000
) -> None:
    """Write (N,) samples in [-1, 1] as 16 bits, WAV or FLAC by the ending, all or nothing.

    Raises
    ------
    AudioError
        if it cannot be written: an unknown ending, no such folder, a full disk.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    encoding = path.suffix.lstrip(".").upper() or "WAV"
    levels = np.rint(np.asarray(waveform) * 32768).clip(-32768, 32767).astype(np.int16)
    try:
        soundfile.write(partial, levels, sample_rate, subtype="PCM_16", format=encoding)
        partial.replace(path)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        partial.unlink(missing_ok=True)
        raise AudioError(f"{path}: cannot be written: {error}") from error


def audio_duration(source: Sound) -> float:
    """Return the seconds of a sound, from its header alone.

    Raises
    ------
    AudioError
        if it cannot be read.
    """
    name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "audio"
    try:
        with _open(source, name) as file:
            return float(soundfile.info(file).duration)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name}: is no sound that can be read ({error.error_string})") from error


def find_audio(
    paths: Sequence[str], *, recursive: bool = False, stdin: BinaryIO | None = None
) -> list[tuple[str, Sound]]:
    """Return (name, sound) for files, for the sound files of folders, and for ``-``.

    A file that is missing is returned too: whoever reads it tells its name.

    Raises
    ------
    ConfigurationError
        for a folder without sound files.
    """
    found: list[tuple[str, Sound]] = []
    for given in paths:
        path = Path(given)
        if given == "-" and stdin is not None:
            found.append((given, stdin))
        elif path.is_dir():
            inside = sorted(path.rglob("*") if recursive else path.iterdir())
            files = [file for file in inside if file.suffix.lower() in AUDIO_SUFFIXES]
            if not files:
                hint = "" if recursive else "; --recursive looks into its folders"
                raise ConfigurationError(f"path={given!r} holds no sound files{hint}")
            found += [(str(file), file) for file in files]
        else:
            found.append((given, path))
    return found
