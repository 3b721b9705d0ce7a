"""The chain of effects, their order, and the random draws for each clip."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Generator, Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from speech_rnn.augment.filters import band_limit, equalize, reverberate, shelve
from speech_rnn.augment.frames import frame_means, mask_spans
from speech_rnn.augment.noise import NoiseKinds, coloured_noise, mix
from speech_rnn.augment.voice import stretch, time_warp, vocal_tract_warp
from speech_rnn.errors import ConfigurationError
from speech_rnn.tensors.lengths import is_inside

Range = Sequence[float]

LOW_CORNER_HZ = (50.0, 400.0)
HIGH_CORNER_HZ = (1100.0, 3200.0)
LOWEST_PEAK_HZ = 60.0
PEAK_OCTAVES = (0.2, 1.0)
RANGES = (
    *("speed", "tempo", "pitch_semitones", "vtlp", "lead_ms", "trail_ms", "gain_db"),
    *("noise_snr_db", "low_shelf_db", "high_shelf_db", "equalizer_db"),
    *("band_low_hz", "band_high_hz"),
)
PAIR_SHARE = 0.3
"""Share of clips that get noise of two kinds at once."""
SECOND_BELOW_DB = (0.0, 10.0)
# At a tenth of the speed, a clip is ten times as long; slower ones would exhaust the memory.
ABOVE = {"speed": 0.1, "tempo": 0.1, "vtlp": 0.0, "band_low_hz": 0.0, "band_high_hz": 0.0}


class Responses(Protocol):
    """A source of rooms, such as `speech_rnn.augment.rooms.Rooms`."""

    def responses(self, sample_rate: int) -> Sequence[NDArray[np.float32]]:
        """Return impulse responses (K,), each starting with its direct sound."""


class Noises(Protocol):
    """A source of noise by kind, such as `speech_rnn.data.noise_bank.NoiseBank`."""

    def draw(
        self,
        sample_rate: int,
        *,
        files: Sequence[Path] = (),
        clips: Mapping[str, Sequence[NDArray[np.int16]]] | None = None,
    ) -> Mapping[str, Sequence[NDArray[np.float32]]]:
        """Return noise (N,) of each kind, for clips of side 0 and of side 1.

        `files` are noise recordings of a corpus, `clips` its clips by speaker.
        """


# eq=False, repr=False: the subclass is a torch module, which has its own.
@dataclass(frozen=True, eq=False, repr=False)
class _Parameters:
    """The parameters of `Augment`, which are described and checked there."""

    sample_rate: int = 16_000
    _: KW_ONLY
    speed: Range | None = None
    tempo: Range | None = None
    pitch_semitones: Range | None = None
    vtlp: Range | None = None
    lead_ms: Range | None = None
    trail_ms: Range | None = None
    gain_db: Range | None = None
    rooms: Responses | None = None
    reverb_probability: float = 0.0
    noise_probability: float = 0.0
    noise_snr_db: Range = (0.0, 30.0)
    noise: Noises | None = None
    recorded_share: float = 0.5
    low_shelf_db: Range | None = None
    high_shelf_db: Range | None = None
    equalizer_db: Range | None = None
    equalizer_bands: int = 3
    band_probability: float = 0.0
    band_low_hz: Range = (50.0, 500.0)
    band_high_hz: Range = (2500.0, 7000.0)
    time_masks: int = 0
    time_mask_frames: int = 25
    feature_masks: int = 0
    feature_mask_size: int = 7

    def __post_init__(self) -> None:
        for name in RANGES:
            _check_range(name, getattr(self, name), ABOVE.get(name, -math.inf))
        shares = ("reverb_probability", "noise_probability", "recorded_share", "band_probability")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigurationError(f"{name}={getattr(self, name)} must lie in [0, 1]")
        if self.equalizer_bands < 1:
            raise ConfigurationError(
                f"equalizer_bands={self.equalizer_bands} must be 1 or more; "
                "equalizer_db=null is off"
            )
        if self.reverb_probability and self.rooms is None:
            raise ConfigurationError(
                f"reverb_probability={self.reverb_probability} needs rooms, recorded or simulated"
            )


class Augment(_Parameters, nn.Module):
    """Voice, surrounding silence, room, noise, frequency response and gain; SpecAugment for frames.

    Effects are applied in this order, which follows the path from mouth to file: the echoes of a
    room are of the voice alone, and the microphone's frequency response and level affect both voice
    and noise. Every draw is uniform in its range, once per clip, from the generator of the call.
    An effect is off if its range is None, or its probability or number is 0.

    Parameters
    ----------
    sample_rate : sample rate in Hz.
    speed : factor on the playback speed; pitch and formants change with it (resampling).
    tempo : factor on the speaking rate; pitch and formants stay (phase vocoder).
    pitch_semitones : change of pitch and formants that keeps the duration.
    vtlp : factor on the formant frequencies; pitch and duration stay (vocal tract length
        perturbation: Jaitly and Hinton, 2013).
    lead_ms : silence added before the clip, in ms; a negative value cuts the clip.
    trail_ms : silence added after the clip, in ms; a negative value cuts the clip.
    gain_db : change of level, in dB.
    rooms : source of impulse responses; each clip with reverberation gets a random one.
    reverb_probability : probability of reverberation.
    noise_probability : probability of mixing noise into a clip.
    noise_snr_db : range of the SNR in dB, relative to the power of the whole clip.
    noise : source of noise by kind; all kinds are equally frequent. Three in ten clips get two
        kinds at once, the second up to 10 dB below the first. See `set_kinds`.
    recorded_share : share of noisy clips whose noise is from recordings, if there are any
        (`set_noise`) and there is no `noise`. The other clips get white, pink or brown noise: its
        spectrum falls with f^-a, a in [0, 2].
    low_shelf_db : change of level of low frequencies, in dB. They end at a random frequency from 50
        to 400 Hz. Microphones and rooms differ much there.
    high_shelf_db : change of level of high frequencies, in dB. They begin at a random frequency
        from 1.1 to 3.2 kHz.
    equalizer_db : change of level at each of `equalizer_bands` peaks, in dB. Their frequencies are
        uniform in octaves from 60 Hz to nine tenths of half the sample rate. Half of a change is
        left 0.2 to 1 octave away from its peak.
    equalizer_bands : number of peaks of the equaliser.
    band_probability : probability of limiting a clip to a band, as telephones and small microphones
        do.
    band_low_hz : lower end of the band, in Hz.
    band_high_hz : upper end of the band, in Hz.
    time_masks : number of stretches of frames that are masked (SpecAugment, Park et al., 2019).
    time_mask_frames : longest stretch, in frames.
    feature_masks : number of ranges of features that are masked (SpecAugment). Masked values are
        replaced by the clip's mean.
    feature_mask_size : widest range of features.

    Raises
    ------
    ConfigurationError
        if a range is not an ascending pair, a speed or tempo is not above 0.1, a `vtlp` or an end
        of a band is not above 0, a probability is outside [0, 1], an equaliser has no bands, or
        there is reverberation without rooms.
    """

    recorded: Tensor
    responses: Tensor
    kinds: NoiseKinds

    def __post_init__(self) -> None:
        super().__post_init__()
        nn.Module.__init__(self)
        self.register_buffer("recorded", torch.zeros(0), persistent=False)
        self.kinds = NoiseKinds()
        self.sides: Mapping[str, int] = {}
        found: Sequence[NDArray[np.float32]] = ()
        if self.rooms and self.reverb_probability:
            found = self.rooms.responses(self.sample_rate)
        padded = pad_sequence([*map(torch.from_numpy, found)], batch_first=True) if found else None
        self.register_buffer("responses", padded, persistent=False)  # (R, K)

    def set_noise(self, recordings: Sequence[Tensor]) -> None:
        """Set the noise recordings, (N,) each in [-1, 1]."""
        if recordings:
            self.recorded = torch.cat(list(recordings)).to(self.recorded.device)

    def set_kinds(
        self, kinds: Mapping[str, Sequence[NDArray[np.float32]]], sides: Mapping[str, int]
    ) -> None:
        """Set the noise that `noise` has drawn, and the side (0 or 1) of each speaker."""
        self.kinds.set(kinds)
        self.sides = sides

    def waveform(
        self,
        waveform: Tensor,
        lengths: Tensor,
        generator: Generator,
        spans: Tensor | None = None,
        talkers: Sequence[str] = (),
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Augment clips (B, N) of these lengths (B,), and adjust the times of their words.

        `spans` (B, L, 2), in samples, are moved with the sound. `talkers` are the speakers of the
        clips: the noise of a clip never contains its own speaker.
        """
        side = torch.tensor([self.sides.get(name, 0) for name in talkers or [""] * len(waveform)])
        draw = _Draw(len(waveform), generator, waveform.device)
        waveform, lengths, spans = self._change_voice(waveform, lengths, spans, draw)
        for effect in (
            self._warp_formants,
            self._reverberate,
            partial(self._add_noise, side=side.to(waveform.device)),
            self._shelve,
            self._equalize,
            self._limit_band,
        ):
            waveform = effect(waveform, lengths, draw)
        gain = 10 ** (draw(self.gain_db) / 20)
        return waveform * gain[:, None], lengths, spans

    def frames(self, frames: Tensor, lengths: Tensor, generator: Generator) -> Tensor:
        """Mask stretches of frames (B, T, D) and of features: the two masks of SpecAugment."""
        n_frames, n_features = frames.shape[1:]
        masked = torch.zeros(frames.shape[:2], dtype=torch.bool, device=frames.device)  # (B, T)
        for _ in range(self.time_masks):
            masked |= mask_spans(lengths, n_frames, self.time_mask_frames, generator)
        deaf = torch.zeros(len(frames), n_features, dtype=torch.bool, device=frames.device)
        for _ in range(self.feature_masks):
            width = torch.full_like(lengths, n_features)
            deaf |= mask_spans(width, n_features, self.feature_mask_size, generator)
        hidden = (masked[:, :, None] | deaf[:, None, :]) & is_inside(n_frames, lengths)[:, :, None]
        return torch.where(hidden, frame_means(frames, lengths), frames)

    def _change_voice(
        self, waveform: Tensor, lengths: Tensor, spans: Tensor | None, draw: _Draw
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Change speed, tempo and pitch, and the silence around each clip."""
        samples_per_ms = self.sample_rate / 1000
        speed = draw(self.speed, 1.0)
        lead = (draw(self.lead_ms) * samples_per_ms).round()
        trail = (draw(self.trail_ms) * samples_per_ms).round()
        if self.tempo or self.pitch_semitones:
            # Slower speech, played faster by the same factor, has a higher pitch and its duration.
            pitch = 2 ** (draw(self.pitch_semitones) / 12)
            tempo = draw(self.tempo, 1.0) / pitch
            waveform, lengths = stretch(waveform, lengths, self.sample_rate, tempo)
            speed = speed * pitch
            spans = None if spans is None else spans / tempo[:, None, None]
        waveform, lengths = time_warp(waveform, lengths, speed=speed, lead=lead, trail=trail)
        if spans is not None:
            spans = spans / speed[:, None, None] + lead[:, None, None]
        return waveform, lengths, spans

    def _warp_formants(self, waveform: Tensor, lengths: Tensor, draw: _Draw) -> Tensor:
        if not self.vtlp:
            return waveform
        return vocal_tract_warp(waveform, lengths, self.sample_rate, draw(self.vtlp))

    def _reverberate(self, waveform: Tensor, lengths: Tensor, draw: _Draw) -> Tensor:
        if not self.reverb_probability:
            return waveform
        place = (draw.share() * len(self.responses)).long()
        is_wet = draw.share() < self.reverb_probability

        def wet(rows: Tensor) -> Tensor:
            return reverberate(waveform[rows], lengths[rows], self.responses[place[rows]])

        return _changed(waveform, is_wet, wet)

    def _add_noise(self, waveform: Tensor, lengths: Tensor, draw: _Draw, *, side: Tensor) -> Tensor:
        snr_db = draw(self.noise_snr_db)
        is_noisy = draw.share() < self.noise_probability
        if not self.noise_probability:
            return waveform
        if len(self.kinds):
            noise = self._noise_of_kinds(waveform.shape[1], lengths, side, draw)
        else:
            noise = self._noise(waveform.shape, draw)
        noisy = mix(waveform, noise, lengths, snr_db)
        return torch.where(is_noisy[:, None], noisy, waveform)

    def _noise_of_kinds(self, n_samples: int, lengths: Tensor, side: Tensor, draw: _Draw) -> Tensor:
        """Return noise of one or two kinds for each clip, (B, N), at any level."""
        first, second = (self.kinds(n_samples, draw.share(), draw.share(), side) for _ in range(2))
        both = mix(first, second, lengths, draw(SECOND_BELOW_DB))
        return torch.where((draw.share() < PAIR_SHARE)[:, None], both, first)

    def _noise(self, shape: torch.Size, draw: _Draw) -> Tensor:
        """Return recorded or coloured noise for each clip, (B, N), at any level."""
        tilt = draw((0.0, 2.0))
        noise = coloured_noise(shape, tilt, draw.generator)
        if not len(self.recorded):
            return noise
        start = (draw.share() * len(self.recorded)).long()
        steps = torch.arange(shape[1], device=self.recorded.device)
        recorded = self.recorded[(start[:, None] + steps) % len(self.recorded)]  # (B, N)
        is_recorded = draw.share() < self.recorded_share
        return torch.where(is_recorded[:, None], recorded, noise)

    def _shelve(self, waveform: Tensor, lengths: Tensor, draw: _Draw) -> Tensor:
        if not (self.low_shelf_db or self.high_shelf_db):
            return waveform
        return shelve(
            waveform,
            lengths,
            self.sample_rate,
            low_db=draw(self.low_shelf_db),
            low_hz=draw(LOW_CORNER_HZ),
            high_db=draw(self.high_shelf_db),
            high_hz=draw(HIGH_CORNER_HZ),
        )

    def _equalize(self, waveform: Tensor, lengths: Tensor, draw: _Draw) -> Tensor:
        if not self.equalizer_db:
            return waveform
        audible = (math.log2(LOWEST_PEAK_HZ), math.log2(0.45 * self.sample_rate))
        peak_db, peak, octaves = (
            torch.stack([draw(interval) for _ in range(self.equalizer_bands)], dim=1)
            for interval in (self.equalizer_db, audible, PEAK_OCTAVES)
        )  # (B, P)
        return equalize(
            waveform,
            lengths,
            self.sample_rate,
            peak_db=peak_db,
            peak_hz=2**peak,
            octaves=octaves,
        )

    def _limit_band(self, waveform: Tensor, lengths: Tensor, draw: _Draw) -> Tensor:
        if not self.band_probability:
            return waveform
        is_narrow = draw.share() < self.band_probability
        low_hz, high_hz = draw(self.band_low_hz), draw(self.band_high_hz)

        def narrow(rows: Tensor) -> Tensor:
            ends = low_hz[rows], high_hz[rows]
            return band_limit(waveform[rows], lengths[rows], self.sample_rate, *ends)

        return _changed(waveform, is_narrow, narrow)


@dataclass(frozen=True)
class _Draw:
    """Uniform draws, one for each of `n_clips`."""

    n_clips: int
    generator: Generator
    device: torch.device

    def __call__(self, interval: Range | None, neutral: float = 0.0) -> Tensor:
        """Draw from an interval, (B,); if it is None, return `neutral` for all."""
        low, high = interval or (neutral, neutral)
        return low + (high - low) * self.share()

    def share(self) -> Tensor:
        """Draw from [0, 1), (B,)."""
        return torch.rand(self.n_clips, generator=self.generator, device=self.device)


def _changed(waveform: Tensor, chosen: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Return clips (B, N) in which `change` has replaced the chosen (B,) rows."""
    rows = chosen.nonzero()[:, 0]
    return waveform.index_copy(0, rows, change(rows)) if len(rows) else waveform


def _check_range(name: str, interval: Range | None, above: float = -math.inf) -> None:
    if interval is None:
        return
    rule = "must be a pair of numbers [low, high], low <= high"
    if len(interval) != 2 or not all(isinstance(value, (int, float)) for value in interval):
        raise ConfigurationError(f"{name}={list(interval)} {rule}")
    if not above < interval[0] <= interval[1]:
        rule += f", above {above:g}" if above > -math.inf else ""
        raise ConfigurationError(f"{name}={list(interval)} {rule}")
