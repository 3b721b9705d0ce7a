"""Frames of MPEG audio: count the length of an MP3, because the one in its header may be wrong.

libsndfile trusts the header (Xing). Without a header it estimates the length from the first bit
rate, and then reads only a part of a file with variable bit rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

KBITS = {
    (3, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (3, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (3, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""kbit/s by version (3: MPEG-1, 2: MPEG-2 and 2.5) and layer bits (3: I, 2: II, 1: III)."""
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
ADTS_HEADER = 7
CERTAIN = 3
"""Frames in a row that cannot be a coincidence; a single one occurs in raw samples."""
MOST_JUNK = 1024
"""Largest gap in bytes between two frames that mpg123 skips."""
LEAST_SHARE = 0.5
"""Smallest share of a file's bytes that are frames; below it, the file is not MPEG audio."""


class Frame(NamedTuple):
    """A frame header: layer bits, size in bytes, samples, sample rate, and bit rate in kbit/s."""

    layer: int
    size: int
    n_samples: int
    rate: int
    kbits: int


@lru_cache(maxsize=4096)
def _frame(second: int, third: int) -> Frame | None:
    """Return the frame that the second and third byte of a header describe, or None."""
    version, layer = second >> 3 & 3, second >> 1 & 3
    index, rate_index, padding = third >> 4, third >> 2 & 3, third >> 1 & 1
    if second < 0xE0 or version == 1 or layer == 0 or index in (0, 15) or rate_index == 3:
        return None
    is_first = version == 3
    table = (3, layer) if is_first else (2, max(layer, 2))  # layers II and III share a table
    kbits, rate = KBITS[table][index - 1], RATES[version][rate_index]
    if layer == 3:
        return Frame(layer, (12_000 * kbits // rate + padding) * 4, 384, rate, kbits)
    n_samples = 1152 if is_first or layer == 2 else 576
    return Frame(layer, 125 * n_samples * kbits // rate + padding, n_samples, rate, kbits)


def _frame_at(content: bytes, place: int) -> Frame | None:
    if len(content) < place + 4 or content[place] != 0xFF:
        return None
    return _frame(content[place + 1], content[place + 2])


def begins_with_frame(content: bytes) -> bool:
    """Return whether bytes may begin with a frame of MPEG audio."""
    return _frame_at(content, 0) is not None


def _adts_size(content: bytes, place: int) -> int:
    """Return the size of an AAC frame (ADTS) in bytes, or 0 if there is none."""
    header = content[place : place + ADTS_HEADER]
    if len(header) < ADTS_HEADER or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
        return 0
    size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return size if size >= ADTS_HEADER and header[2] >> 2 & 15 < 13 else 0


def first_frames(head: bytes) -> str | None:
    """Return ``MP3`` or ``AAC`` if bytes consist of frames of it, otherwise None."""
    for kind in ("MP3", "AAC"):
        place = n_frames = 0
        while n_frames < CERTAIN:
            frame = _frame_at(head, place)
            size = _adts_size(head, place) if kind == "AAC" else frame.size if frame else 0
            if not size:
                break
            n_frames, place = n_frames + 1, place + size
        if n_frames == CERTAIN or (n_frames and place >= len(head)):
            return kind
    return None


@dataclass(frozen=True)
class Frames:
    """The frames of MPEG audio.

    Parameters
    ----------
    first : the first frame of sound.
    begin : position of its first byte.
    n_frames : number of complete frames of sound.
    promised : number of frames according to the header; None without a header.
    share : share of the file's bytes that belong to frames.
    """

    first: Frame
    begin: int
    n_frames: int
    promised: int | None
    share: float

    @property
    def has_header_of_length(self) -> bool:
        """Whether this layer (III) can have a header with the length."""
        return self.first.layer == 1

    @property
    def seconds(self) -> float:
        """Actual duration in seconds."""
        return self.n_frames * self.first.n_samples / self.first.rate

    @property
    def promised_seconds(self) -> float:
        """Duration in seconds according to the header; the actual one without a header."""
        n_frames = self.n_frames if self.promised is None else self.promised
        return n_frames * self.first.n_samples / self.first.rate


def count_frames(content: bytes) -> Frames | None:
    """Count the frames of a file after its ID3 tag; None if it does not begin with a frame."""
    first, end = _frame_at(content, 0), _end_of_sound(content)
    if first is None:
        return None
    promised = _promised(content)
    begin = place = 0 if promised is None else first.size
    n_frames = n_bytes = 0
    while place < end:
        frame = _frame_at(content, place)
        if frame is None or (frame.layer, frame.rate) != (first.layer, first.rate):
            place = _next_frame(content, place + 1, first)
            if not place:
                break
            continue
        if place + frame.size > end:
            break
        n_frames, n_bytes, place = n_frames + 1, n_bytes + frame.size, place + frame.size
    return Frames(first, begin, n_frames, promised, n_bytes / max(1, end - begin))


def _next_frame(content: bytes, place: int, first: Frame) -> int:
    """Return the position of the next frame, or 0 if there is none nearby."""
    last = place + MOST_JUNK
    while (place := content.find(b"\xff", place, last)) >= 0:
        frame = _frame_at(content, place)
        if frame is not None and (frame.layer, frame.rate) == (first.layer, first.rate):
            return place
        place += 1
    return 0


def _end_of_sound(content: bytes) -> int:
    """Return the position at which the final tags begin: ID3 version 1, and APE (with pictures)."""
    end = len(content)
    if content[-128:-125] == b"TAG":
        end -= 128
    footer = content[max(0, end - 32) : end]
    if footer[:8] == b"APETAGEX":
        has_header = footer[23] & 0x80
        end -= int.from_bytes(footer[12:16], "little") + (32 if has_header else 0)
    return max(0, end)


def _side_size(content: bytes) -> int:
    """Return the size of layer III's side information, after which a length header starts."""
    is_first, is_mono = content[1] >> 3 & 3 == 3, content[3] >> 6 == 3
    return (17 if is_mono else 32) if is_first else (9 if is_mono else 17)


def _promised(content: bytes) -> int | None:
    """Return the number of frames in a Xing or VBRI header; None without a header."""
    place = 4 + _side_size(content)
    if content[place : place + 4] in (b"Xing", b"Info"):
        has_frames = content[place + 7] & 1 if len(content) > place + 12 else 0
        return int.from_bytes(content[place + 8 : place + 12], "big") if has_frames else 0
    if content[36:40] == b"VBRI" and len(content) >= 54:
        return int.from_bytes(content[50:54], "big")
    return None


def with_length(content: bytes, frames: Frames) -> bytes:
    """Return the frames of layer III after a header with their actual number."""
    header = bytearray(content[:4])
    header[1] |= 1  # turn the checksum off
    header[2] = 9 << 4 | header[2] & 0x0C
    size = _frame(header[1], header[2]).size  # type: ignore[union-attr]  # as the first, but 9
    tag = bytes(_side_size(content)) + b"Info\0\0\0\1" + frames.n_frames.to_bytes(4, "big")
    return (bytes(header) + tag).ljust(size, b"\0") + content[frames.begin :]
