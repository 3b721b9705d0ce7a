"""Evaluate under degraded conditions: noise, other levels or speeds, a narrow band, a room."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, fftconvolve, resample_poly, sosfilt

from speech_rnn.audio import load_audio
from speech_rnn.audio.finding import sound_files
from speech_rnn.audio.signal import noise_gain
from speech_rnn.data.babble import clips_by_talker, sides_of, talker_of
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.noise_bank import Clips, NoiseBank
from speech_rnn.data.oddities import tell_oddities
from speech_rnn.errors import ConfigurationError
from speech_rnn.evaluation.results import Evaluation
from speech_rnn.evaluation.scoring import evaluate
from speech_rnn.recognizer import Recognizer
from speech_rnn.samples.integers import FULL_SCALE, quantize

Samples = NDArray[np.float32]
Measured = tuple["Condition", Evaluation]
BAND_ORDER = 6
SHOWN = ("accuracy", "word_error_rate", "calibration_error", "rejection")
SLOWEST = 0.1
"""Lowest speed: at a tenth of it, a clip is ten times as long."""


@dataclass(frozen=True)
class Condition:
    """A change that is applied to every clip: its name, amount, kind and sounds.

    `name` is ``clean``, ``snr_db``, ``gain_db``, ``speed``, ``band_hz`` or ``room``; `kind` is the
    kind of noise. `sounds` are a room's impulse response, or noise for clips of sides 0 and 1.
    """

    name: str
    value: float | str | None = None
    sounds: Sequence[Samples] = ()
    seed: int = 0
    kind: str = ""

    def __call__(self, samples: Samples, sample_rate: int, key: str, side: int = 0) -> Samples:
        """Return a changed clip (N,) in [-1, 1]; random draws depend on `key` alone."""
        random = Random(f"{self.seed}/{self.name}/{self.kind}/{self.value}/{key}")
        if self.name == "snr_db":
            noise = self.sounds[side]
            start = int(random.random() * len(noise))
            stretch = np.take(noise, np.arange(start, start + len(samples)), mode="wrap")
            return noisy(samples, stretch, float(self.value or 0))
        if self.name == "gain_db":
            return samples * np.float32(10 ** (float(self.value or 0) / 20))
        if self.name == "speed":
            percent = round(100 * float(self.value or 1))
            return resample_poly(samples, 100, percent).astype(np.float32)
        if self.name == "band_hz":
            low, high = map(float, str(self.value).split("-"))
            return band_limited(samples, sample_rate, low, high)
        if self.name == "room":
            return reverberant(samples, self.sounds[0])
        return samples


@dataclass(frozen=True)
class Conditions:
    """A sweep of conditions, one at a time.

    Parameters
    ----------
    snr_db : SNR in dB, relative to the mean power of the whole clip.
    noise : sound files, or folders of them, that training did not use; see `NoiseBank` for their
        kinds, and for the kinds that need no files.
    talk : recordings of speech for babble; if empty, clips of other speakers are played backwards.
    kinds : kinds of noise to use; None uses all.
    gain_db : changes of level; samples beyond full scale are clipped.
    speed : factors above 0.1 on the playback speed, which also change the pitch.
    band_hz : lowest and highest frequency, such as 300-3400 for a telephone.
    rooms : impulse responses, as files or folders of them.
    seed : seed of the noise.

    Raises
    ------
    ConfigurationError
        if an SNR or a gain is not a number, a speed is not above 0.1, or a band is invalid.
    """

    snr_db: Sequence[float] = (20.0, 10.0, 5.0, 0.0, -5.0)
    noise: Sequence[str] = ()
    talk: Sequence[str] = ()
    kinds: str | Sequence[str] | None = None
    gain_db: Sequence[float] = (-30.0, -20.0, -10.0, 10.0, 20.0)
    speed: Sequence[float] = (0.8, 0.9, 1.1, 1.25)
    band_hz: Sequence[str] = ("300-3400", "0-4000")
    rooms: Sequence[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        for name, lowest in (("snr_db", -np.inf), ("gain_db", -np.inf), ("speed", SLOWEST)):
            for value in getattr(self, name):
                is_number = isinstance(value, (int, float)) and np.isfinite(value)
                if not is_number or not value > lowest:
                    above = f" above {SLOWEST}" if name == "speed" else ""
                    raise ConfigurationError(f"{name}={value!r} must be a number{above}")
        for band in self.band_hz:
            low, mark, high = str(band).partition("-")
            if not (mark and low.isdigit() and high.isdigit() and int(low) < int(high)):
                raise ConfigurationError(f"band_hz={band!r} must be LOW-HIGH, such as 300-3400")

    def each(
        self, sample_rate: int, clips: Clips | None = None, split: str = "test"
    ) -> Iterator[Condition]:
        """Yield the conditions, ``clean`` first; sounds are read at `sample_rate`.

        Parameters
        ----------
        sample_rate : sample rate of the sounds, in Hz.
        clips : clips by speaker, for babble if there is no `talk`.
        split : the split whose files of `talk` are used, see `NoiseBank`.

        Raises
        ------
        ConfigurationError
            if `kinds` names an unknown kind.
        DataError
            if noise, talk or rooms have no sound file.
        """
        files = sound_files(self.noise, "noise")
        bank = NoiseBank(talk=self.talk, kinds=self.kinds, seed=self.seed)
        drawn = bank.draw(sample_rate, files=files, clips=clips, split=split) if self.snr_db else {}
        rooms = {
            file.stem: load_audio(file, sample_rate, check=False)
            for file in sound_files(self.rooms, "rooms")
        }
        yield Condition("clean")
        for kind, sides in drawn.items():
            for snr_db in self.snr_db:
                yield Condition("snr_db", float(snr_db), sides, self.seed, kind)
        for gain_db in self.gain_db:
            yield Condition("gain_db", float(gain_db))
        for speed in self.speed:
            yield Condition("speed", float(speed))
        for band in self.band_hz:
            yield Condition("band_hz", band)
        for room, response in rooms.items():
            yield Condition("room", room, (response,))

    def sweep(
        self, recognizer: Recognizer, utterances: Sequence[Utterance], *, batch_size: int = 64
    ) -> Stress:
        """Evaluate a recogniser under every condition; the worst kinds of noise come first."""
        rate = recognizer.sample_rate
        cache = AudioCache(utterances, rate)
        split = utterances[0].split if utterances else ""
        tell_oddities({split: cache})
        clips = clips_by_talker(cache)
        sides = sides_of(clips)

        def under(condition: Condition) -> Evaluation:
            def change(samples: NDArray[np.int16], row: Utterance) -> NDArray[np.int16]:
                key = f"{Path(row.audio).name}/{row.start_seconds}"
                side = sides.get(talker_of(row), 0)
                return quantize(condition(samples / np.float32(FULL_SCALE), rate, key, side))

            return evaluate(
                recognizer, utterances, batch_size=batch_size, change=change, cache=cache
            )

        conditions = self.each(rate, clips, split)
        found = [(condition, under(condition)) for condition in conditions]
        return Stress(tuple(_worst_kind_first(found)))


@dataclass(frozen=True)
class Stress:
    """Results of a recogniser under each condition."""

    evaluations: tuple[Measured, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with a row for each condition."""
        rows = []
        for condition, evaluation in self.evaluations:
            found = evaluation.summary()
            figures = {name: found[name] for name in SHOWN}
            what = {"condition": condition.name, "kind": condition.kind, "value": condition.value}
            rows.append(what | figures)
        means = {f"{snr_db:g}": mean for snr_db, mean in self.mean_over_kinds.items()}
        return {"rows": rows, "mean_over_kinds": means}

    @property
    def mean_over_kinds(self) -> dict[float, float]:
        """Accuracy by SNR, averaged over the kinds of noise."""
        shares: dict[float, list[float]] = {}
        for condition, evaluation in self.evaluations:
            if condition.kind:
                snr_db = float(condition.value or 0)
                shares.setdefault(snr_db, []).append(evaluation.accuracy.value)
        return {snr_db: fmean(values) for snr_db, values in shares.items()}


def _worst_kind_first(found: Sequence[Measured]) -> list[Measured]:
    """Sort kinds of noise by mean accuracy; everything else stays in place."""
    shares: dict[str, list[float]] = {}
    for condition, evaluation in found:
        shares.setdefault(condition.kind, []).append(evaluation.accuracy.value)
    places = [place for place, (condition, _) in enumerate(found) if condition.kind]
    noise = sorted((found[place] for place in places), key=lambda one: fmean(shares[one[0].kind]))
    return [*found[: places[0]], *noise, *found[places[-1] + 1 :]] if places else [*found]


def noisy(samples: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise (N,) to a clip (N,) at an SNR of exactly `snr_db`."""
    power = float(np.mean(samples.astype(np.float64) ** 2))
    of_noise = max(float(np.mean(noise.astype(np.float64) ** 2)), 1e-20)
    return samples + noise * np.float32(noise_gain(power, of_noise, snr_db))


def band_limited(samples: Samples, sample_rate: int, low_hz: float, high_hz: float) -> Samples:
    """Keep a band (Butterworth, 36 dB per octave); 0 and half the sample rate are open ends."""
    ends = [(low_hz, "highpass", low_hz > 0), (high_hz, "lowpass", high_hz < sample_rate / 2)]
    for corner_hz, kind, is_needed in ends:
        if is_needed:
            filters = butter(BAND_ORDER, corner_hz, kind, fs=sample_rate, output="sos")
            samples = sosfilt(filters, samples).astype(np.float32)
    return samples


def reverberant(samples: Samples, response: Samples) -> Samples:
    """Convolve a clip with a room's impulse response, keeping its level, length and timing."""
    direct = int(np.abs(response).argmax())
    wet = fftconvolve(samples, response)[direct : direct + len(samples)].astype(np.float32)
    power = float(np.mean(wet**2))
    return wet * np.float32((float(np.mean(samples**2)) / power) ** 0.5) if power else wet
