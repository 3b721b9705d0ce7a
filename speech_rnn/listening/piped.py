"""Standard input as a source: raw PCM, or a sound file, which is detected."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO, cast

from speech_rnn.audio.containers import HEAD, id3_size, kind_of
from speech_rnn.audio.headers import STREAMED
from speech_rnn.errors import AudioError
from speech_rnn.listening.interrupts import Stop
from speech_rnn.listening.pcm import PcmSource, WavForm, raw_encoding
from speech_rnn.listening.sources import FileSource, Source
from speech_rnn.samples.limits import check_channels, check_rate

FIRST_BYTES = 12
"""Number of bytes that contain the signature of a container."""
TEXT = 200
"""Number of bytes of text that cannot be samples by chance."""
PRINTED = frozenset([*range(0x20, 0x7F), *b"\t\r\n"])
MOST_HEADER = 1 << 20
"""Longest header of a WAV file in bytes: pictures may precede the samples."""


class Peeked(io.RawIOBase):
    """A stream whose first bytes can be inspected before they are read."""

    def __init__(self, file: BinaryIO, stop: Stop) -> None:
        self._file, self._stop = file, stop
        self._head = b""

    def peek(self, n_bytes: int) -> bytes:
        """Return the first bytes without consuming them; fewer only if the stream ends earlier."""
        while len(self._head) < n_bytes:
            with self._stop.at_once():
                content = self._file.read1(n_bytes - len(self._head))  # type: ignore[attr-defined]
            if not content:
                break
            self._head += content
        return self._head[:n_bytes]

    def read1(self, most: int) -> bytes:
        """Return at most this many of the next bytes; none at the end."""
        if not self._head:
            return cast(bytes, self._file.read1(most))  # type: ignore[attr-defined]
        content, self._head = self._head[:most], self._head[most:]
        return content

    def read(self, most: int = -1) -> bytes:
        """Return bytes as `read1` does, or all remaining bytes."""
        if most >= 0:
            return self.read1(most)
        return b"".join(iter(lambda: self.read1(HEAD), b""))

    def skip(self, n_bytes: int) -> None:
        """Discard the first bytes, which were inspected."""
        self._head = self._head[n_bytes:]


def piped_source(
    file: BinaryIO,
    *,
    rate: int | None,
    preferred_rate: int,
    dtype: str,
    n_channels: int,
    channel: int | None,
    tell: Callable[[str], None],
    stop: Stop,
) -> Source:
    """Return the source for a pipe, from which bytes may have arrived already.

    A WAV file of plain samples is processed as it arrives, in the format of its header. Other sound
    files are first read to their end, with a message.

    Parameters
    ----------
    file : file with ``read1``, open for reading in binary mode.
    rate, dtype, n_channels, channel : format of raw PCM; see `PcmSource`. A rate of None is
        `preferred_rate`.
    tell : called with a message if the input is not raw PCM.
    stop : checked while nothing arrives.

    Raises
    ------
    ConfigurationError
        if settings are out of range.
    AudioError
        if a sound file cannot be read, or the input is text.
    """
    encoding = raw_encoding(dtype)
    peeked = Peeked(file, stop)
    raw = PcmSource(
        cast(BinaryIO, peeked), rate or preferred_rate, encoding, n_channels, channel=channel
    )
    kind = _kind(peeked)
    if kind is None:
        return raw
    source: Source | None = _plain_wav(peeked, channel) if kind == "WAV" else None
    if source is None:
        tell(f"-: standard input holds {kind}: all of it is read before recognition starts")
        with stop.at_once():
            source = FileSource(cast(BinaryIO, peeked), "-", is_fast=True, channel=channel)
    if rate is not None and rate != source.sample_rate:
        tell(f"-: standard input holds {kind} of {source.sample_rate} Hz: rate={rate} is ignored")
    return source


def _kind(peeked: Peeked) -> str | None:
    """Return the format of a sound file, or None for raw PCM."""
    head = peeked.peek(FIRST_BYTES)
    if id3_size(head):
        return "MP3"
    if head[:1] == b"\xff":  # MPEG or AAC, if several frames follow one another
        head = peeked.peek(HEAD)
    kind = kind_of(head)
    if kind is None and _is_text(head) and _is_text(text := peeked.peek(TEXT)):
        raise AudioError(
            f"-: standard input holds text ({text.decode()!r:.60}…): does the program before the "
            "pipe write sound?"
        )
    return kind


def _is_text(content: bytes) -> bool:
    """Return whether all bytes are text; as samples they would be loud."""
    return len(content) >= FIRST_BYTES and all(byte in PRINTED for byte in content)


def _plain_wav(peeked: Peeked, channel: int | None) -> PcmSource | None:
    """Return the samples of a WAV file as they arrive; None if they must be decoded."""
    if peeked.peek(4) != b"RIFF":
        return None
    place, form = FIRST_BYTES, b""
    while place < MOST_HEADER:
        chunk = peeked.peek(place + 8)[place:]
        if len(chunk) < 8:
            break
        size = int.from_bytes(chunk[4:], "little")
        if chunk[:4] == b"data":
            return _samples(peeked, form, place + 8, size, channel)
        if chunk[:4] == b"fmt ":
            form = peeked.peek(place + 8 + min(size, 40))[place + 8 :]
        place += 8 + size + size % 2
    raise AudioError(
        "-: standard input begins like a WAV file and holds no samples; record it again"
    )


def _samples(
    peeked: Peeked, form: bytes, begin: int, size: int, channel: int | None
) -> PcmSource | None:
    encoding, n_channels, rate = WavForm.read(form)
    if encoding is None:
        return None
    check_rate(rate, "-")
    check_channels(n_channels, "-")
    peeked.skip(begin)
    is_known = 0 < size < STREAMED
    settings: dict[str, Any] = {"channel": channel, "n_bytes": size if is_known else None}
    return PcmSource(cast(BinaryIO, peeked), rate, encoding, n_channels, **settings)
