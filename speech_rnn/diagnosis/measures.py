"""Measure what decides whether a recording can be recognised: level, noise, bandwidth, extent."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech_rnn.audio.signal import clipped_share
from speech_rnn.samples.activity import activity
from speech_rnn.samples.downmix import Downmix
from speech_rnn.samples.levels import decibels
from speech_rnn.samples.spectrum import bandwidth


@dataclass(frozen=True)
class Measures:
    """Figures of a recording.

    Parameters
    ----------
    seconds : duration that was measured.
    sample_rate : sample rate in Hz.
    n_channels : number of channels; all figures but `clipped_share` are those of their mix.
    rms_db, peak_db : level of the samples less their mean, in dB relative to full scale, by which
        a sine of full scale has an RMS level of -3 dB; None in silence.
    clipped_share : share of samples that are cut off at full scale, in the worst channel.
    dc_offset : mean of the samples, in [-1, 1].
    bandwidth_hz : frequency in Hz at which the spectrum ends; None in silence.
    speech_start, speech_end : seconds at which speech begins and ends; None without speech.
    snr_db : power of the speech relative to the noise, in dB; None if either is missing. See
        `speech_rnn.samples.activity`.
    """

    seconds: float
    sample_rate: int
    n_channels: int
    rms_db: float | None
    peak_db: float | None
    clipped_share: float
    dc_offset: float
    bandwidth_hz: float | None
    speech_start: float | None
    speech_end: float | None
    snr_db: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def measure(recorded: NDArray[np.float32], sample_rate: int) -> Measures:
    """Measure a recording.

    Parameters
    ----------
    recorded : (N, channels) as recorded, finite, at least one sample.
    sample_rate : sample rate of the recording, in Hz.
    """
    mono = Downmix()(recorded)
    offset = float(mono.mean(dtype=np.float64))
    centred = mono.astype(np.float64) - offset
    speech = activity(mono, sample_rate)
    return Measures(
        seconds=len(mono) / sample_rate,
        sample_rate=sample_rate,
        n_channels=recorded.shape[1],
        rms_db=decibels(float(np.sqrt(np.mean(centred**2)))),
        peak_db=decibels(float(np.abs(centred).max())),
        clipped_share=clipped_share(recorded),
        dc_offset=offset,
        bandwidth_hz=bandwidth(mono, sample_rate),
        speech_start=speech.start,
        speech_end=speech.end,
        snr_db=speech.snr_db,
    )
