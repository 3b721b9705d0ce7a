"""Read, resample, downmix: the only file that opens sound files. Needs no torch."""

from __future__ import annotations

import io
import math
import os
import re
import shutil
import tempfile
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from speech_rnn.errors import AudioError, ConfigurationError

__all__ = [
    "AUDIO_SUFFIXES",
    "AudioWarning",
    "OpenSound",
    "Sound",
    "audio_duration",
    "check_waveform",
    "encode_flac",
    "find_audio",
    "load_audio",
    "open_audio",
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
LEVEL = 1e-4
"""Neighbouring samples that differ by less, three steps of 16 bits, are level."""

STREAMED = 0x7FFF0000
"""Least size in a header whose writer could not know the length: GStreamer writes 0x7FFF0000,
sox 0x7FFFF000, arecord 0x80000000, ffmpeg 0xFFFFFFFF."""
UNKNOWN = 2**62
"""Least number of samples that libsndfile gives for a FLAC stream of unknown length."""
BLOCK = 1 << 20
"""Samples that are decoded at once: what a damaged header promises is never allocated whole."""
IN_MEMORY = 1 << 26
"""Bytes held of what cannot be read where it is; what is more waits in a temporary file."""
SIZES_IN_LOG = ("AIFF", "AU", "CAF", "RF64", "W64")
WRITTEN = {".wav": "WAV", ".flac": "FLAC"}


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
    start_seconds, duration_seconds : the stretch to read; a duration of None, or one beyond the
        end, goes to the end.
    name : in messages, for a source without a name of its own.
    check : whether to warn, as `AudioWarning` and once a file, of what `check_waveform` finds.

    Returns
    -------
    (N,) float32 in [-1, 1], at least one sample; what is louder is clipped.

    Raises
    ------
    AudioError
        for a source that is missing, a folder, empty, no sound or cut short, that has no samples
        in the stretch, or that holds a value which is no number.
    ConfigurationError
        for a rate or a duration that is not above 0, a negative start, and a source that is
        neither a path, nor bytes, nor an open binary file.
    """
    name = name or _name(source)
    if sample_rate <= 0:
        raise ConfigurationError(f"sample_rate={sample_rate} must be above 0 Hz")
    if not 0 <= start_seconds < math.inf:
        raise ConfigurationError(f"{name}: start_seconds={start_seconds} must be 0 or above")
    if duration_seconds is not None and not 0 < duration_seconds < math.inf:
        raise ConfigurationError(
            f"{name}: duration_seconds={duration_seconds} must be above 0; None goes to the end"
        )
    samples, source_rate = _read(source, name, start_seconds, duration_seconds)
    if not np.isfinite(samples).all():
        raise AudioError(f"{name}: holds samples that are no number (NaN or infinite); repair it")
    if check:
        part = " (in part)" if start_seconds or duration_seconds is not None else ""
        for problem in check_waveform(samples, source_rate):
            # At this line, whoever calls: so the same words about the same file come once.
            warnings.warn(AudioWarning(f"{name}{part}: {problem}"), stacklevel=1)
    # A resampler overshoots at steps, and float files may exceed full scale.
    waveform = np.clip(_downmix(samples), -1, 1)
    if source_rate == sample_rate:
        return waveform
    return np.clip(resample(waveform, source_rate, sample_rate), -1, 1)


@dataclass(frozen=True)
class OpenSound:
    """A sound that is read from its start to its end, a block at a time.

    Parameters
    ----------
    sample_rate : of the recording, in Hz.
    duration : in seconds, as the header tells; None where it does not.
    blocks : the mean of the channels, (n,) float32 each, as recorded: neither resampled nor
        clipped, and what is no number is there, too.
    """

    sample_rate: int
    duration: float | None
    blocks: Iterator[NDArray[np.float32]]


@contextmanager
def open_audio(
    source: Sound, *, block_seconds: float = 1.0, name: str | None = None
) -> Iterator[OpenSound]:
    """Open a sound of any length, to be read in memory that does not grow with it.

    Parameters
    ----------
    source, name : as in `load_audio`. What does not seek is copied first: beyond 64 MiB, into a
        temporary file.
    block_seconds : of a block.

    Raises
    ------
    AudioError
        for a source that is missing, a folder, empty or no sound; and from `blocks`, after what
        could be read, for one that is cut short, damaged or without samples.
    ConfigurationError
        for a source that is neither a path, nor bytes, nor an open binary file.
    """
    name = name or _name(source)
    with _opened(source, name) as sound:
        size = max(1, round(block_seconds * sound.samplerate))
        duration = None if sound.frames >= UNKNOWN else sound.frames / sound.samplerate
        yield OpenSound(sound.samplerate, duration, _all_blocks(sound, name, size))


def _all_blocks(sound: soundfile.SoundFile, name: str, size: int) -> Iterator[NDArray[np.float32]]:
    there = 0
    with _decoding(name):
        for block in _blocks(sound, sound.frames, size):
            there += len(block)
            yield _downmix(block)
    _check_length(sound, name, there, sound.frames)


def _name(source: Sound) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "audio"


def _downmix(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def _read(
    source: Sound, name: str, start_seconds: float, duration_seconds: float | None
) -> tuple[NDArray[np.float32], int]:
    """Read a stretch: (N, channels) float32 and its rate."""
    with _opened(source, name) as sound:
        rate, n_samples = sound.samplerate, sound.frames
        start = round(min(start_seconds * rate, UNKNOWN))
        if 0 < n_samples <= start:
            raise _beyond(name, start_seconds, n_samples / rate)
        start = min(start, n_samples)
        wanted = n_samples - start
        if duration_seconds is not None:
            wanted = min(wanted, max(1, round(min(duration_seconds * rate, UNKNOWN))))
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
    return samples, rate


def _seeks_exactly(sound: soundfile.SoundFile) -> bool:
    """Whether what follows a seek is what follows there; else it is decoded from the start.

    Measured with libsndfile 1.2.2: Vorbis lands elsewhere (even with a run-up), and MP3 lacks what
    earlier frames carry over; both are off by full scale. GSM and G.721 do not seek, and a stream
    without a length is not sought beyond its end.
    """
    is_exact = sound.format != "MP3" and sound.subtype != "VORBIS"
    return is_exact and sound.frames < UNKNOWN and bool(sound.seekable())


def _check_length(sound: soundfile.SoundFile, name: str, there: int, wanted: int) -> None:
    """Refuse a sound of which less can be read than its header promises, or nothing."""
    is_exact = sound.frames < UNKNOWN and sound.format not in ("MP3", "OGG")
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
    while True:
        size = min(wanted, most)
        block = sound.read(size, dtype="float32", always_2d=True)
        yield block
        wanted -= len(block)
        if len(block) < size or not wanted:
            return


@contextmanager
def _opened(source: Sound, name: str) -> Iterator[soundfile.SoundFile]:
    """Open a sound whose header keeps its promise; what fails to decode inside names it, too."""
    file = _checked(source, name)
    try:
        sound = soundfile.SoundFile(file)
    except soundfile.LibsndfileError as error:
        raise _no_sound(name, error.error_string.strip(" .")) from error
    with sound:
        if sound.format == "RAW":  # guessed by an ending such as .au, .gsm or .vox
            raise _no_sound(name, "it has no header")
        if sound.format in SIZES_IN_LOG and (missing := _missing_bytes(sound.extra_info)):
            raise _cut_short(name, missing)
        with _decoding(name):
            yield sound


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{name}: is cut short or damaged ({error.error_string.strip(' .')}); fetch or record "
            "it again"
        ) from error


def _no_sound(name: str, reason: str) -> AudioError:
    return AudioError(
        f"{name}: is no sound that can be read ({reason}); if other programs play it, convert it: "
        "ffmpeg -i FILE FILE.wav"
    )


def _cut_short(name: str, missing: int) -> AudioError:
    return AudioError(
        f"{name}: is cut short: its header promises {missing} bytes more than there are; fetch or "
        "record it again"
    )


def _missing_bytes(log: str) -> int:
    """Bytes that the headers of AIFF, AU, CAF, RF64 and W64 promise beyond the end of the file."""
    sizes = re.search(
        r"^ *(?:SSND|Data Size|data|riff|Riff size) *: (\d+) \(should be (\d+)\)", log, re.MULTILINE
    )
    promised, there = map(int, sizes.groups()) if sizes else (0, 0)
    return max(0, promised - there) if promised < STREAMED else 0


def _checked(source: Sound, name: str) -> str | BinaryIO:
    """Return what libsndfile is to open; refuse what is missing, empty or a WAV cut short."""
    if not isinstance(source, (str, os.PathLike)):
        copied = _copied(source, name)
        return _checked_header(copied, name) or copied
    path = Path(source)
    if path.is_dir():
        raise AudioError(f"{name}: is a folder; name a file in it")
    try:
        with path.open("rb") as file:
            # A pipe does not seek, and soundfile would ask for the rate of what ends in .raw.
            if file.seekable() and path.suffix.lower() != ".raw":
                return _checked_header(file, name) or os.fspath(path)
            copied = _copied(file, name)
    except (OSError, ValueError) as error:  # ValueError: a zero byte in a path
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name}: cannot be opened ({reason}); check path and rights") from error
    return _checked_header(copied, name) or copied


def _copied(source: BinaryIO | bytes, name: str) -> BinaryIO:
    """Copy what cannot be read where it is; hours of it do not fill the memory."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source)
    copied = cast(BinaryIO, tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115
    try:
        shutil.copyfileobj(source, copied)
    except (AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"source={name!r} of {type(source)} must be a path, a file's bytes or a file that "
            "is open for reading in binary"
        ) from error
    return copied


def _checked_header(file: BinaryIO, name: str) -> BinaryIO | None:
    """Refuse what is empty or a WAV cut short; return a copy where its header must be mended."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if not size:
        raise AudioError(f"{name}: is empty (0 bytes); fetch or record it again")
    begin, length = _wav_samples(file)
    if length < STREAMED and begin + length > size:
        raise _cut_short(name, begin + length - size)
    is_streamed = begin and not length and not _is_chunk(file, size)
    file.seek(0)
    if not is_streamed:
        return None
    # A writer that could not seek back, or was killed, leaves 0; libsndfile would read nothing.
    mended = _copied(file, "audio")
    mended.seek(begin - 4)
    mended.write(min(size - begin, 0xFFFFFFFF).to_bytes(4, "little"))
    mended.seek(0)
    return mended


def _wav_samples(file: BinaryIO) -> tuple[int, int]:
    """Where the samples of a RIFF WAVE begin, and how many bytes it promises; 0, 0 for others."""
    header = file.read(12)
    if header[:4] == b"RIFF" and header[8:] == b"WAVE":
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return file.tell(), length
            file.seek(length + length % 2, os.SEEK_CUR)
    return 0, 0


def _is_chunk(file: BinaryIO, size: int) -> bool:
    """Whether what comes next is another RIFF chunk, or nothing, rather than samples."""
    chunk = file.read(8)
    length = int.from_bytes(chunk[4:], "little")
    return len(chunk) < 8 or (chunk[:4].strip().isalnum() and file.tell() + length <= size)


def check_waveform(waveform: NDArray[np.float32], sample_rate: int) -> list[str]:
    """Return what silently ruins results: silence, clipping, a DC offset, a rate below 8 kHz.

    The words are the same for every waveform with the same problem.

    Parameters
    ----------
    waveform : (N,) or, as recorded, (N, channels), in [-1, 1]; one clipped channel is enough.
    sample_rate : of the recording, in Hz.
    """
    problems = []
    if sample_rate < LEAST_RATE:
        problems.append(
            f"is recorded at {sample_rate} Hz: below {LEAST_RATE} Hz speech loses its consonants"
        )
    heard = _downmix(waveform)
    if np.abs(heard).max(initial=0.0) <= 10 ** (SILENCE_DB / 20):
        problems.append(f"is silent: no sample is above {SILENCE_DB:g} dB of full scale")
        return problems
    if _clipped_share(waveform) > MOST_CLIPPED:
        problems.append(
            f"is clipped: more than {100 * MOST_CLIPPED:g} % of its samples are cut off at full "
            "scale; record it with less gain"
        )
    if abs(heard.mean(dtype=np.float64)) > MOST_DC_OFFSET:
        problems.append(
            f"has a DC offset: its mean is more than {MOST_DC_OFFSET:g} from 0; take it off"
        )
    return problems


def _clipped_share(waveform: NDArray[np.float32]) -> float:
    """Share of samples at full scale and level with the one before, in the worst channel.

    A peak that just fits is round: its neighbours differ.
    """
    if len(waveform) < 2 or np.abs(waveform).max() < FULL_SCALE:
        return 0.0
    limited = np.clip(waveform, -1, 1)
    level = np.abs(np.diff(limited, axis=0)) < LEVEL
    return float((level & (np.abs(limited[1:]) >= FULL_SCALE)).mean(axis=0).max())


def resample(
    waveform: NDArray[np.float32], source_rate: int, target_rate: int
) -> NDArray[np.float32]:
    """Resample (N,) samples by band-limited interpolation (soxr, high quality).

    The result has N · target_rate / source_rate samples, rounded, at least one if N is.

    Raises
    ------
    ConfigurationError
        for a rate that is not above 0.
    """
    if source_rate <= 0 or target_rate <= 0:
        raise ConfigurationError(
            f"source_rate={source_rate} and target_rate={target_rate} must be above 0 Hz"
        )
    waveform = np.ascontiguousarray(waveform, dtype=np.float32)
    if source_rate == target_rate or not len(waveform):
        return waveform
    resampled = soxr.resample(waveform, source_rate, target_rate, quality="HQ")
    return resampled if len(resampled) else waveform[:1]


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
        for another ending, and a rate that is not above 0.
    """
    path = Path(path)
    encoding = WRITTEN.get(path.suffix.lower())
    if encoding is None:
        raise ConfigurationError(f"path={str(path)!r} must end in {' or '.join(WRITTEN)}")
    if sample_rate <= 0:
        raise ConfigurationError(f"sample_rate={sample_rate} must be above 0 Hz")
    samples = np.asarray(waveform)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise AudioError(
            f"{path}: samples of shape={samples.shape} must be finite and one channel (N,)"
        )
    levels = np.rint(samples * 32768.0).clip(-32768, 32767).astype(np.int16)
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        # In memory first: libsndfile tells little of a disk that fills up.
        encoded = io.BytesIO()
        soundfile.write(encoded, levels, sample_rate, subtype="PCM_16", format=encoding)
        partial.write_bytes(encoded.getbuffer())
        partial.replace(path)
    except (OSError, ValueError, soundfile.LibsndfileError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(
            f"{path}: cannot be written ({reason}); check its folder, rights and free space"
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink()


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
    with _opened(source, name or _name(source)) as sound:
        n_samples = sound.frames
        if n_samples >= UNKNOWN:
            n_samples = sum(len(block) for block in _blocks(sound, n_samples))
        return float(n_samples / sound.samplerate)


def find_audio(
    paths: Sequence[str], *, recursive: bool = False, stdin: BinaryIO | None = None
) -> list[tuple[str, Sound]]:
    """Return (name, sound) for files, for the sound files of folders, sorted, and for ``-``.

    What starts with a dot is left alone in folders. A file that is missing is returned too:
    whoever reads it tells its name.

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
            files = [
                file
                for file in sorted(path.rglob("*") if recursive else path.iterdir())
                if file.suffix.lower() in AUDIO_SUFFIXES
                and not any(part.startswith(".") for part in file.relative_to(path).parts)
                and file.is_file()
            ]
            if not files:
                hint = "" if recursive else "; --recursive looks into its folders"
                raise ConfigurationError(f"path={given!r} holds no sound files{hint}")
            found += [(str(file), file) for file in files]
        else:
            found.append((given, path))
    return found
