"""Open a sound from any source, and detect wrong headers."""

from __future__ import annotations

import io
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, cast

import soundfile

from speech_rnn.audio.containers import (
    AUDIO_SUFFIXES,
    FOREIGN,
    HEAD,
    SAMPLE_DUMP,
    claimed_kind,
    kind_of_file,
)
from speech_rnn.audio.ffmpeg import PROGRAM, can_convert, converted
from speech_rnn.audio.mpeg import LEAST_SHARE, begins_with_frame, count_frames, with_length
from speech_rnn.errors import AudioError, ConfigurationError, DataError
from speech_rnn.samples.limits import check_channels, check_rate
from speech_rnn.storage.tar import parted, read_member

Sound = str | os.PathLike[str] | bytes | BinaryIO
"""A path, the bytes of a file, or an open file, which need not be seekable."""
STREAMED = 0x7FFF0000
"""Sizes from here on mean that the writer did not know the length: GStreamer writes 0x7FFF0000,
sox 0x7FFFF000, arecord 0x80000000, ffmpeg 0xFFFFFFFF."""
UNKNOWN_LENGTH = 2**62
"""libsndfile reports at least this many samples for a FLAC stream of unknown length."""
IN_MEMORY = 1 << 26
"""Largest copy of an unseekable source in memory, in bytes; more goes to a temporary file."""
FEW_BYTES = 96
"""Number of bytes by which a header may exceed the file: some writers count the header itself."""
OGG_PAGE = 1 << 16
"""Largest size of an OGG page in bytes."""
OGG_FLAGS, OGG_LAST = 5, 4
"""Index of the byte of an OGG page that holds its flags, and the flag of the last page."""
SIZES_IN_LOG = ("AIFF", "AU", "CAF", "RF64", "W64")
MPEG_IN_WAV = (0x50, 0x55)


class Opened(NamedTuple):
    """An open sound, and the problems that do not prevent reading it."""

    file: soundfile.SoundFile
    problems: tuple[str, ...]


@contextmanager
def opened(source: Sound, name: str) -> Iterator[Opened]:
    """Open a sound; decoding errors within the block are raised with its name.

    Raises
    ------
    AudioError
        if the source is missing, empty, truncated or not a sound, or has an impossible sample rate
        or number of channels.
    ConfigurationError
        if the source is neither a path, nor bytes, nor an open binary file.
    """
    problems: list[str] = []
    file = _checked(source, name, problems)
    with ExitStack() as closing:
        if not isinstance(file, (str, bytes)):
            closing.enter_context(file)
        try:
            sound = closing.enter_context(soundfile.SoundFile(file))
        except soundfile.LibsndfileError as error:
            raise _no_sound(name, _reason(error)) from error
        if sound.format == "RAW":  # libsndfile guessed it from an ending such as .au, .gsm or .vox
            raise _no_sound(name, "it has no header")
        check_rate(sound.samplerate, name)
        check_channels(sound.channels, name)
        if sound.format in SIZES_IN_LOG and (missing := _missing_bytes(sound.extra_info)):
            problems += _missing(name, missing, FEW_BYTES)
        with decoding_errors(name):
            yield Opened(sound, tuple(problems))


@contextmanager
def decoding_errors(name: str) -> Iterator[None]:
    """Turn libsndfile's decoding errors into errors with the name of the file."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        raise AudioError(
            f"{name}: is cut short or damaged ({error.error_string.strip(' .')}); fetch or record "
            "it again"
        ) from error


def _reason(error: soundfile.LibsndfileError) -> str:
    text = str(error.error_string).strip(" .")
    # libsndfile says so of any file that it takes for MP3 and cannot decode.
    return "it cannot be decoded" if text.startswith("File does not exist") else text


def _no_sound(name: str, reason: str) -> AudioError:
    return AudioError(
        f"{name}: is no sound that can be read ({reason}); if other programs play it, convert it: "
        "ffmpeg -i FILE FILE.wav"
    )


def _missing(name: str, n_bytes: int, few: int) -> list[str]:
    """Return a problem if only a few of the bytes that a header promises are missing.

    Raises
    ------
    AudioError
        if more are missing.
    """
    promise = f"its header promises {n_bytes} bytes more than there are"
    if n_bytes > few:
        raise AudioError(f"{name}: is cut short: {promise}; fetch or record it again")
    return [f"{promise}; it is read up to its end"]


def _missing_bytes(log: str) -> int:
    """Return the bytes beyond the end of the file that an AIFF, AU, CAF, RF64 or W64 promises."""
    sizes = re.search(
        r"^ *(?:SSND|Data Size|data|riff|Riff size) *: (\d+) \(should be (\d+)\)", log, re.MULTILINE
    )
    promised, there = map(int, sizes.groups()) if sizes else (0, 0)
    return max(0, promised - there) if promised < STREAMED else 0


def _checked(source: Sound, name: str, problems: list[str]) -> str | bytes | BinaryIO:
    """Return what libsndfile should open; raise if it cannot be read completely."""
    if not isinstance(source, (str, os.PathLike)):
        copied = _copied(source, name)
        return _prepared(copied, name, problems) or copied
    if inside := parted(os.fspath(source)):
        return _member(*inside, name, problems)
    path = Path(source)
    if path.is_dir():
        raise AudioError(f"{name}: is a folder; name a file in it")
    try:
        with path.open("rb") as file:
            # A pipe is not seekable, and soundfile requires a sample rate for the ending .raw.
            if file.seekable() and path.suffix.lower() != ".raw":
                # Pass the path: with this handle, libsndfile is 35 % (WAV) to 65 % (OGG) slower.
                # Pass it as bytes: soundfile rejects names that are not UTF-8, such as Latin-1.
                # Windows has no such names.
                own_name = os.fspath(path) if os.name == "nt" else os.fsencode(path)
                return _prepared(file, name, problems) or own_name
            copied = _copied(file, name)
    except (OSError, ValueError) as error:  # ValueError: the path contains a null byte
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name}: cannot be opened ({reason}); check path and rights") from error
    return _prepared(copied, name, problems) or copied


def _member(archive: str, member: str, name: str, problems: list[str]) -> BinaryIO:
    """Return a member of a tar archive."""
    try:
        content = io.BytesIO(read_member(archive, member))
    except OSError as error:
        reason = error.strerror or error
        raise AudioError(f"{name}: cannot be opened ({reason}); check its name") from error
    except DataError as error:
        raise AudioError(str(error)) from error
    return _prepared(content, name, problems) or content


def _copied(source: BinaryIO | bytes, name: str) -> BinaryIO:
    """Copy a source that is not seekable; hours of sound go to a temporary file."""
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


def _prepared(file: BinaryIO, name: str, problems: list[str]) -> BinaryIO | None:
    """Raise if a file cannot be read; return a corrected copy if one must be read instead."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise AudioError(f"{name}: is empty (0 bytes); fetch or record it again")
    kind, begin = kind_of_file(file)
    if kind == SAMPLE_DUMP:  # libsndfile prints errors of damaged ones on standard output
        raise _no_sound(name, f"it is a {kind}")
    if kind in FOREIGN:
        return _foreign(file, kind, name)
    if kind == "WAV":
        return _wav(file, size, name, problems)
    if kind == "MP3" or (kind is None and _may_be_mpeg(file, begin)):
        return _mpeg(file, size, begin, name, problems)
    if kind == "OGG":
        problems += _ogg_problems(file, size)
    file.seek(0)
    return None


def _ogg_problems(file: BinaryIO, size: int) -> list[str]:
    """Return a problem if the last page of an OGG file lacks the flag of a last page."""
    file.seek(max(0, size - OGG_PAGE))
    tail = file.read()
    page = tail[tail.rfind(b"OggS") :]
    if len(page) > OGG_FLAGS and page[OGG_FLAGS] & OGG_LAST:
        return []
    return ["has no end mark: it may be truncated; it is read as far as it goes"]


def _foreign(file: BinaryIO, kind: str, name: str) -> BinaryIO:
    """Decode a format that libsndfile does not read, unless the file's ending is wrong."""
    claimed = claimed_kind(name)
    if f".{claimed.lower()}" in AUDIO_SUFFIXES:
        raise AudioError(
            f"{name}: holds {kind}, not {claimed}; convert it: ffmpeg -i FILE OTHER.wav"
        )
    if not can_convert():
        raise AudioError(
            f"{name}: holds {kind}, which cannot be read without the program {PROGRAM}; "
            "install it, or convert the file on a computer that has it: ffmpeg -i FILE FILE.wav"
        )
    return converted(file, kind, name)


def _wav(file: BinaryIO, size: int, name: str, problems: list[str]) -> BinaryIO | None:
    """Raise if a WAV is truncated; return a copy if its size is unknown or it holds MPEG audio."""
    file.seek(0)
    begin, length, encoding = _wav_samples(file)
    if length < STREAMED and begin + length > size:
        few = max(FEW_BYTES, begin) if size > begin else 0
        problems += _missing(name, begin + length - size, few)
    is_streamed = begin and not length and not _is_chunk(file, size)
    if begin and encoding in MPEG_IN_WAV:
        file.seek(begin)
        inner = io.BytesIO(file.read(size - begin if is_streamed else length))
        return _mpeg(inner, inner.getbuffer().nbytes, 0, name, problems) or inner
    file.seek(0)
    if not is_streamed:
        return None
    # Writers that cannot seek back, or were killed, leave 0; libsndfile would then read nothing.
    mended = _copied(file, "audio")
    mended.seek(begin - 4)
    mended.write(min(size - begin, 0xFFFFFFFF).to_bytes(4, "little"))
    mended.seek(0)
    return mended


def _wav_samples(file: BinaryIO) -> tuple[int, int, int]:
    """Return position, promised bytes and encoding of the samples of a RIFF WAVE, or zeros.

    The encoding is the format tag in the ``fmt`` chunk.
    """
    header, encoding = file.read(12), 0
    if header[:4] == b"RIFF" and header[8:] == b"WAVE":
        while len(chunk := file.read(8)) == 8:
            length = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":
                return file.tell(), length, encoding
            begin = file.tell()
            if chunk[:4] == b"fmt ":
                encoding = int.from_bytes(file.read(2), "little")
            file.seek(begin + length + length % 2)
    return 0, 0, 0


def _is_chunk(file: BinaryIO, size: int) -> bool:
    """Return whether another RIFF chunk or the end of the file follows, rather than samples."""
    chunk = file.read(8)
    length = int.from_bytes(chunk[4:], "little")
    return len(chunk) < 8 or (chunk[:4].strip().isalnum() and file.tell() + length <= size)


def _may_be_mpeg(file: BinaryIO, begin: int) -> bool:
    file.seek(begin)
    return begins_with_frame(file.read(HEAD))


def _mpeg(file: BinaryIO, size: int, begin: int, name: str, problems: list[str]) -> BinaryIO | None:
    """Raise unless it is MPEG audio throughout; return a copy if its header's length is wrong."""
    if size > IN_MEMORY:  # hours of sound: rely on libsndfile's estimate of the length
        file.seek(0)
        return None
    file.seek(begin)
    content = file.read()
    file.seek(0)
    frames = count_frames(content)
    if frames is None or not frames.n_frames or frames.share < LEAST_SHARE:
        raise _no_sound(name, "it begins like MP3, but most of it is not")
    promised = frames.promised
    if promised and promised > frames.n_frames + 1:
        problems.append(
            f"is cut short: its header promises {frames.promised_seconds:.2f} s and there are "
            f"{frames.seconds:.2f} s, which are read; fetch or record it again"
        )
    is_right = promised is not None and abs(promised - frames.n_frames) <= 1
    if is_right or not frames.has_header_of_length:
        return None
    return io.BytesIO(with_length(content, frames))
