"""Find where speech begins and ends, and how far it stands above the noise of the pauses.

The energy of frames of 10 ms is measured twice, as in `speech_rnn.streaming.gate`: as they are,
which finds vowels in hiss, and differenced, which finds consonants over hum. The whole sound is
known here, so that the noise floor is a low quantile of the level rather than a running minimum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

FRAME_SECONDS = 0.01
SMOOTH = 5
"""Frames of which the median energy counts, so that a click is no speech."""
FLOOR_QUANTILE = 0.1
"""Quantile of the energies that is the noise floor: a tenth of a recording is pause."""
MARGIN_DB = 6.0
"""Level above the floor at which a frame belongs to speech."""
BELOW_PEAK_DB = 30.0
"""Level below the loudest frames under which a frame belongs to a pause, however low the floor."""
LEAST_DB = -70.0
"""Level in dB of full scale below which all sound is silence."""
EDGE = 3
"""Frames on either side of speech that count as neither speech nor pause: sounds fade there."""
LEAST_FRAMES = 8
"""Fewest frames of a stretch of speech; the thump of a switch is shorter."""
LEAST_PAUSE = 5
"""Fewest frames of pause from which the noise is measured."""
GAP = 30
"""Frames of pause within one stretch of speech, at most."""
MOST_SNR_DB = 60.0
"""Highest SNR that is reported; a pause of digital silence has no noise at all."""


@dataclass(frozen=True)
class Activity:
    """The extent of the speech in a sound, and its level above the noise.

    Parameters
    ----------
    start, end : seconds at which speech begins and ends; None without speech.
    snr_db : mean power of the speech relative to that of the pauses, in dB, at most `MOST_SNR_DB`;
        None without speech, or without a pause that shows the noise.
    """

    start: float | None
    end: float | None
    snr_db: float | None


def activity(waveform: NDArray[np.float32], sample_rate: int) -> Activity:
    """Return where the speech of a waveform (N,) in [-1, 1] lies, and its SNR.

    The SNR compares the mean power during speech, less that of the noise, with the median power of
    the pauses. Steady noise is measured; another talker counts as speech. Only frames that stand
    above the noise count as speech, so that an SNR below 10 dB is estimated too high.
    """
    size = max(1, round(FRAME_SECONDS * sample_rate))
    energies = _energies(waveform.astype(np.float64), size)  # (2, T)
    if energies.shape[1] < SMOOTH:
        return Activity(None, None, None)
    is_speech = _without_clicks(_is_speech(energies))
    frames = np.flatnonzero(is_speech)
    if not len(frames):
        return Activity(None, None, None)
    seconds = size / sample_rate
    start, end = float(frames[0] * seconds), float((frames[-1] + 1) * seconds)
    return Activity(start, end, _snr_db(energies[0], is_speech))


def _energies(samples: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Return the mean energies (2, T) of frames: without the sound's mean, and differenced."""
    centred = samples - samples.mean() if len(samples) else samples
    rows = (centred, np.diff(centred, prepend=centred[:1]))
    n_frames = len(samples) // size
    return np.stack([(row[: n_frames * size].reshape(-1, size) ** 2).mean(axis=1) for row in rows])


def _is_speech(energies: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which frames (T,) stand above the floor in either measure."""
    least = 10 ** (LEAST_DB / 10)
    found = np.zeros(energies.shape[1], bool)
    for row in energies:
        padded = np.pad(row, SMOOTH // 2, mode="reflect")
        level = np.median(sliding_window_view(padded, SMOOTH), axis=1)
        floor = np.quantile(level, FLOOR_QUANTILE) * 10 ** (MARGIN_DB / 10)
        quiet = level.max() * 10 ** (-BELOW_PEAK_DB / 10)
        found |= level > max(floor, quiet, least)
    return found


def _without_clicks(is_speech: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Leave out stretches, parted by more than `GAP`, with fewer than `LEAST_FRAMES`."""
    frames = np.flatnonzero(is_speech)
    kept = np.zeros_like(is_speech)
    for stretch in np.split(frames, np.flatnonzero(np.diff(frames) > GAP) + 1):
        if len(stretch) >= LEAST_FRAMES:
            kept[stretch] = True
    return kept


def _snr_db(energy: NDArray[np.float64], is_speech: NDArray[np.bool_]) -> float | None:
    near = np.convolve(is_speech, np.ones(2 * EDGE + 1), "same") > 0
    pauses = energy[~near]
    if len(pauses) < LEAST_PAUSE:
        return None
    noise = float(np.median(pauses))
    speech = float(energy[is_speech].mean()) - noise
    if speech <= 0:
        return None
    ratio = speech / max(noise, speech * 10 ** (-MOST_SNR_DB / 10))
    return float(10 * np.log10(ratio))
