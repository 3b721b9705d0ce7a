"""Resample, and check for problems that silently ruin results."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from speech_rnn.errors import AudioError, SpeechRnnWarning
from speech_rnn.samples.downmix import Downmix
from speech_rnn.samples.levels import integer_scale, low_level
from speech_rnn.samples.limits import check_rate

LEAST_RATE = 8_000
MOST_DC_OFFSET = 0.02
FULL_SCALE = 0.999
MOST_CLIPPED = 0.001
LEVEL = 1e-4
"""Neighbouring samples count as level if they differ by less than this: three 16-bit steps."""


class AudioWarning(SpeechRnnWarning):
    """A problem of a sound that silently ruins results."""


def noise_gain(signal_power: Any, noise_power: Any, snr_db: Any) -> Any:
    """Return the factor on noise that gives an SNR of `snr_db`; all mixing uses this formula.

    Parameters
    ----------
    signal_power, noise_power : mean or sum of squares over the same samples, as numbers or as
        tensors of a batch; the noise power is above 0.
    snr_db : signal-to-noise ratio of the mixture, in dB.
    """
    return (signal_power / noise_power * 10 ** (-snr_db / 10)) ** 0.5


def check_waveform(waveform: NDArray[np.float32], sample_rate: int) -> list[str]:
    """Return the problems of a sound that silently ruin results.

    They are silence, a low level, clipping, integers stored as floating point, a DC offset, a
    sample rate below 8 kHz, and channels that cancel each other or have nothing in common.

    Parameters
    ----------
    waveform : (N,) or, as recorded, (N, channels), in [-1, 1]; one clipped channel is a problem.
    sample_rate : sample rate of the recording, in Hz.
    """
    problems = []
    if sample_rate < LEAST_RATE:
        problems.append(
            f"is recorded at {sample_rate} Hz: below {LEAST_RATE} Hz speech loses its consonants"
        )
    mix = Downmix()
    mono = mix(waveform)
    problems += mix.problems()
    if wrong := integer_scale(float(np.abs(waveform).max(initial=0.0))):
        return [*problems, wrong]
    offset = float(mono.mean(dtype=np.float64)) if len(mono) else 0.0
    if wrong := low_level(float(np.abs(mono - np.float32(offset)).max(initial=0.0))):
        problems.append(wrong)
    if clipped_share(waveform) > MOST_CLIPPED:
        problems.append(
            f"is clipped: more than {100 * MOST_CLIPPED:g} % of its samples are cut off at full "
            "scale; record it with less gain"
        )
    if abs(offset) > MOST_DC_OFFSET:
        problems.append(
            f"has a DC offset: its mean is more than {MOST_DC_OFFSET:g} from 0; remove it: "
            "ffmpeg -i FILE -af highpass=f=20 OTHER.wav"
        )
    return problems


def clipped_share(waveform: NDArray[np.float32]) -> float:
    """Return the share of samples at full scale and level with the one before.

    Of (N, channels) it is that of the channel with the largest share. A peak that just reaches full
    scale is round, so its neighbours differ.
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

    The result has N · target_rate / source_rate samples, rounded, and at least one unless N is 0.

    Raises
    ------
    ConfigurationError
        if a sample rate is impossible.
    """
    for rate in (source_rate, target_rate):
        check_rate(rate)
    waveform = np.ascontiguousarray(waveform, dtype=np.float32)
    if source_rate == target_rate or not len(waveform):
        return waveform
    resampled = soxr.resample(waveform, source_rate, target_rate, quality="HQ")
    return resampled if len(resampled) else waveform[:1]


def waveform_of(samples: Any, source_rate: int, target_rate: int) -> NDArray[np.float32]:
    """Return a caller's samples as (N,) float32 at `target_rate`.

    Parameters
    ----------
    samples : (N,) floating point in [-1, 1], as an array or anything that numpy converts to one.
        Samples in the range of integers cause an `AudioWarning`.
    source_rate, target_rate : sample rates before and after, in Hz.

    Raises
    ------
    AudioError
        if they have another form, are empty, or contain NaN or infinite values.
    """
    if isinstance(samples, (bytearray, memoryview)):
        kind = type(samples).__name__
        raise AudioError(
            f"audio of type {kind} is not the bytes of a file; give bytes(audio) for a file"
        )
    try:
        waveform = np.asarray(samples)
    except ValueError:  # sounds of different lengths
        waveform = np.array(None)
    if isinstance(samples, (list, tuple)) and (waveform.dtype.kind in "OSU" or not len(samples)):
        raise AudioError(
            f"audio={samples!r:.80} is neither a sound nor a list of at least one; give several "
            "sounds as a list, such as transcribe(['a.wav', 'b.wav'])"
        )
    if waveform.ndim != 1 or not np.issubdtype(waveform.dtype, np.floating):
        raise AudioError(
            f"samples of shape={waveform.shape} and dtype={waveform.dtype} must be one channel "
            "(N,) of floating point in [-1, 1]; divide 16-bit integers by 32768"
        )
    if not len(waveform) or not np.isfinite(waveform).all():
        raise AudioError(f"samples of shape={waveform.shape} must be finite, and at least one")
    if wrong := integer_scale(float(np.abs(waveform).max())):
        warnings.warn(AudioWarning(f"samples of shape={waveform.shape}: {wrong}"), stacklevel=2)
    return resample(waveform.astype(np.float32), source_rate, target_rate)
