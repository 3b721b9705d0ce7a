"""Rates and numbers of channels of sound: what is beyond them comes of a wrong header or option."""

from __future__ import annotations

from speech_rnn.errors import AudioError, ConfigurationError, SpeechRnnError

LEAST_HZ, MOST_HZ = 1_000, 1_000_000
"""Rates of recordings: telephones have 8 kHz, converters at most 768 kHz. From 1 Hz, 32 kB of a
file would become 4 GB at 16 kHz."""
MOST_CHANNELS = 256


def check_rate(sample_rate: int, name: str | None = None) -> None:
    """Refuse a rate at which nobody records.

    Parameters
    ----------
    sample_rate : the rate, in Hz.
    name : the file whose header tells it; None for one that a person or a program gave.

    Raises
    ------
    AudioError
        for the rate of a file.
    ConfigurationError
        for another.
    """
    if not LEAST_HZ <= sample_rate <= MOST_HZ:
        raise _refusal(f"rate={sample_rate} must be from {LEAST_HZ} to {MOST_HZ} Hz", name)


def check_channels(n_channels: int, name: str | None = None) -> None:
    """Refuse more channels than a recording has; see `check_rate`.

    Raises
    ------
    AudioError
        for those of a file.
    ConfigurationError
        for others.
    """
    if not 1 <= n_channels <= MOST_CHANNELS:
        raise _refusal(f"channels={n_channels} must be from 1 to {MOST_CHANNELS}", name)


def check_channel(channel: int, n_channels: int, name: str | None = None) -> None:
    """Refuse a channel, counted from 0, that a sound of so many channels lacks; see `check_rate`.

    Raises
    ------
    AudioError
        for one that a file lacks.
    ConfigurationError
        for another.
    """
    if 0 <= channel < n_channels:
        return
    there = f"0 to {n_channels - 1}" if n_channels > 1 else "only 0"
    text = f"channel={channel} is not there; it has {there}, counted from 0"
    raise ConfigurationError(text) if name is None else AudioError(f"{name}: {text}")


def _refusal(text: str, name: str | None) -> SpeechRnnError:
    if name is None:
        return ConfigurationError(text)
    return AudioError(f"{name}: {text}; its header may be damaged: fetch or record it again")
