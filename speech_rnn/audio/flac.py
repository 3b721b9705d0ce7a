"""The header of a FLAC file, which a million clips are known by without decoding them."""

from __future__ import annotations

from typing import NamedTuple

MAGIC = b"fLaC"
HEADER_BYTES = 42
"""Bytes of the signature, the first block's header and STREAMINFO (RFC 9639, 8.2)."""


class FlacHeader(NamedTuple):
    """Sample rate in Hz, channels, bits, number of samples, and the MD5 of the samples."""

    sample_rate: int
    channels: int
    bits: int
    n_samples: int
    md5: bytes


def flac_header(content: bytes) -> FlacHeader | None:
    """Return the header of a FLAC file; None if it is none, or its length is not in its header."""
    if len(content) < HEADER_BYTES or not content.startswith(MAGIC):
        return None
    packed = int.from_bytes(content[18:26], "big")  # 20, 3, 5 and 36 bits
    n_samples = packed & (1 << 36) - 1
    if not n_samples:
        return None
    channels, bits = (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1
    return FlacHeader(packed >> 44, channels, bits, n_samples, content[26:42])
