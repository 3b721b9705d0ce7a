"""Limits of sample rates and channel counts; values beyond come from a wrong header or option."""

from __future__ import annotations

from speech_rnn.errors import AudioError, ConfigurationError, SpeechRnnError

LEAST_HZ, MOST_HZ = 1_000, 1_000_000
"""Range of sample rates: telephones have 8 kHz, converters at most 768 kHz. At 1 Hz, 32 kB of a
file would become 4 GB at 16 kHz."""
MOST_CHANNELS = 256


def check_rate(sample_rate: int, name: str | None = None) -> None:
    """Raise if a sample rate is impossible.

    Parameters
    ----------
    sample_rate : sample rate in Hz.
    name : file whose header gives the rate; None if the user or a program gave it.

    Raises
    ------
    AudioError
        if the rate is that of a file.
    ConfigurationError
        otherwise.
    """
    if not LEAST_HZ <= sample_rate <= MOST_HZ:
        raise _refusal(f"rate={sample_rate} must be from {LEAST_HZ} to {MOST_HZ} Hz", name)


def check_channels(n_channels: int, name: str | None = None) -> None:
    """Raise if a number of channels is impossible; see `check_rate`.

    Raises
    ------
    AudioError
        if the channels are those of a file.
    ConfigurationError
        otherwise.
    """
    if not 1 <= n_channels <= MOST_CHANNELS:
        raise _refusal(f"channels={n_channels} must be from 1 to {MOST_CHANNELS}", name)


def check_channel(channel: int, n_channels: int, name: str | None = None) -> None:
    """Raise if a sound lacks the channel with this index; see `check_rate`.

    Raises
    ------
    AudioError
        if the sound is a file.
    ConfigurationError
        otherwise.
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
