"""Detect the format of a sound from its first bytes, because file endings can be wrong."""

from __future__ import annotations

from pathlib import PurePath
from typing import BinaryIO

from speech_rnn.audio.mpeg import first_frames

HEAD = 8192
"""Number of bytes that are enough to detect a format."""
SIGNATURES = (
    (0, b"fLaC", "FLAC"),
    (0, b"OggS", "OGG"),
    (0, b"RF64", "RF64"),
    (0, b"riff\x2e\x91\xcf\x11", "W64"),
    (0, b"FORM", "AIFF"),
    (0, b".snd", "AU"),
    (0, b"caff", "CAF"),
    (4, b"ftyp", "MP4"),
    (4, b"moov", "MP4"),
    (0, b"\x1aE\xdf\xa3", "WebM"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "WMA"),
    (0, b"#!AMR", "AMR"),
    (0, b"wvpk", "WavPack"),
    (0, b"MAC ", "Monkey's Audio"),
    (0, b"TTA1", "True Audio"),
    (0, b"ADIF", "AAC"),
)
AUDIO_SUFFIXES = frozenset(
    {
        ".aif", ".aifc", ".aiff", ".au", ".bwf", ".caf", ".flac", ".mp2", ".mp3", ".mpga", ".nist",
        ".oga", ".ogg", ".opus", ".rf64", ".snd", ".sph", ".voc", ".w64", ".wav", ".wave",
    }
)  # fmt: skip
"""Endings of sound files that are found in folders; a file that is named may have any ending."""
FOREIGN_SUFFIXES = frozenset(
    {
        ".3g2", ".3gp", ".aac", ".amr", ".ape", ".asf", ".awb", ".m4a", ".m4b", ".m4r", ".m4v",
        ".mka", ".mkv", ".mov", ".mp4", ".tta", ".webm", ".wma", ".wmv", ".wv",
    }
)  # fmt: skip
"""Endings of sound files in folders that only ffmpeg can read."""
FOREIGN = {
    "AAC": "aac",
    "AMR": "amr",
    "MP4": "mov",
    "Monkey's Audio": "ape",
    "True Audio": "tta",
    "WMA": "asf",
    "WavPack": "wv",
    "WebM": "matroska",
}
"""Formats that libsndfile does not read, with the name of ffmpeg's demuxer for each."""
SAMPLE_DUMP = "MIDI sample dump"
ID3_HEADER = 10


def kind_of(head: bytes) -> str | None:
    """Return the format of a sound, such as ``WAV`` or ``AAC``; None if it is unknown.

    Parameters
    ----------
    head : up to `HEAD` bytes from the start of the file, after any tags.
    """
    if head[:4] in (b"RIFF", b"RIFX"):
        return "WAV" if head[8:12] == b"WAVE" else None
    for place, mark, kind in SIGNATURES:
        if head[place : place + len(mark)] == mark:
            return kind
    # The same rule as in libsndfile.
    if head[:2] == b"\xf0\x7e" and len(head) > 3 and head[2] < 0x80 and head[3] == 1:
        return SAMPLE_DUMP
    return first_frames(head)


def kind_of_file(file: BinaryIO) -> tuple[str | None, int]:
    """Return the format of a seekable file, and the position at which it starts after ID3 tags."""
    begin = 0
    while True:
        file.seek(begin)
        head = file.read(HEAD)
        size = id3_size(head)
        if not size:
            break
        begin += size
    file.seek(0)
    return kind_of(head), begin


def id3_size(head: bytes) -> int:
    """Return the size in bytes of an ID3 tag (version 2) at the start of a file, or 0."""
    if head[:3] != b"ID3" or len(head) < ID3_HEADER:
        return 0
    size = 0
    for byte in head[6:ID3_HEADER]:  # each byte carries seven bits
        size = size << 7 | byte & 0x7F
    has_footer = head[5] & 0x10
    return ID3_HEADER + size + (ID3_HEADER if has_footer else 0)


def claimed_kind(name: str) -> str:
    """Return the format that a file's ending claims, such as ``MP3``; empty without an ending."""
    return PurePath(name).suffix[1:].upper()
