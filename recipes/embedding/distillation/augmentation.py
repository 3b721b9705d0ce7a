"""Augmentation of log mels: noise, rooms, telephone bands, speed and vocal tract length.

Everything is applied to mel energies rather than samples: log mels are computed once, and a batch
is augmented in milliseconds. The teacher has processed the original clips.
milliseconds. The teacher has heard the clips as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log10, pi

import torch
from torch import Tensor

from distillation.settings import Settings
from distillation.windows import HOP, N_MELS, STEP

LOW_HZ, HIGH_HZ = 20.0, 7600.0
KNEE_HZ = 5500.0
"""Frequency in Hz above which the warping bends, so that the highest frequency stays in place."""
SILENT = 1e-8
MASKED = -9.0
QUIET = -13.0
"""Level of the frames before and after a clip that is not augmented."""
FAINT = 1.5e-6
"""Mel energy of a faint noise that all clips contain."""
SPEED, TRACT = (0.85, 1.18), (0.87, 1.15)
GAIN_DB = (-20.0, 6.0)
TELEPHONE_HZ, RUMBLE_HZ = (3300.0, 4000.0), (100.0, 350.0)
ECHO_FRAMES, ECHO_SHARE = (2.0, 9.0), (0.01, 0.15)
MARGIN = 200
"""Number of samples around a gated clip that are kept."""
CLOSE_DB = (-35.0, -12.0)
"""Level below the loudest frame at which a clip is cut closely."""
SHORTEST = 1600
"""Minimum number of samples of a clip."""
HISS_FRAMES = 40_000


def mel_of(hz: Tensor) -> Tensor:
    """Return frequencies on the mel scale (HTK)."""
    return 2595 * torch.log10(1 + hz / 700)


def hz_of(mel: Tensor) -> Tensor:
    """Return mels in Hz."""
    return 700 * (10 ** (mel / 2595) - 1)


LOW, HIGH = (2595 * log10(1 + hz / 700) for hz in (LOW_HZ, HIGH_HZ))
BAND = (HIGH - LOW) / (N_MELS + 1)


def band_of(hz: Tensor) -> Tensor:
    """Return the fractional number of the mel band of frequencies."""
    return (mel_of(hz) - LOW) / BAND - 1


@dataclass(frozen=True)
class Batch:
    """A batch of clips.

    Parameters
    ----------
    frames : natural log mels (B, T, 40).
    targets : targets from the teacher's states, (B, K, D).
    start, n_samples : position and length of each clip within the frames, in samples, (B,).
    """

    frames: Tensor
    targets: Tensor
    start: Tensor
    n_samples: Tensor


class Augmentation:
    """Augmentation of a batch; each effect is applied to its share of the clips.

    Parameters
    ----------
    settings : settings with the shares.
    noises : log mels (T, 40) of recorded noise; may be empty.
    generator : generator of all draws.
    """

    def __init__(
        self, settings: Settings, noises: Sequence[Tensor], generator: torch.Generator
    ) -> None:
        self.settings, self.generator = settings, generator
        self.noises = list(noises)
        self.hiss = torch.empty(HISS_FRAMES, N_MELS).exponential_(generator=generator)

    def __call__(self, batch: Batch, lead: int, trail: int) -> Batch:
        """Augment a batch, with `lead` frames before it and `trail` frames after it.

        `start` and `n_samples` are still relative to the batch's own first frame.
        """
        middle = batch.frames.shape[1] // 2 if lead else 0  # no clip loses its beginning
        return self.mixed(self.spoken_otherwise(batch, middle), lead, trail)

    def spoken_otherwise(self, batch: Batch, middle: int) -> Batch:
        """Change speed, vocal tract, spectral colour and room; targets follow the speed."""
        batch = self.stretched(batch, middle)
        frames = self.warped(batch.frames) + self.curves(len(batch.frames), 0.3)
        return replace(batch, frames=self.echoing(frames.exp()).log())

    def stretched(self, batch: Batch, middle: int) -> Batch:
        """Change the speed of clips and their targets; the frame `middle` stays in place."""
        n_clips, n_frames, _ = batch.frames.shape
        n_steps = batch.targets.shape[1]
        speed = self._some(self.settings.stretched, n_clips, *SPEED, otherwise=1.0)[:, None]
        frame, step = torch.arange(n_frames)[None], torch.arange(n_steps)[None]
        frames = torch.bmm(reading(middle + (frame - middle) * speed, n_frames), batch.frames)
        place = middle + (4 * step + 1 - middle) * speed
        targets = torch.bmm(reading((place - 1) / 4, n_steps), batch.targets)
        centre, speed = HOP * middle, speed[:, 0]
        start = centre + (batch.start - centre) / speed
        end = centre + (batch.start + batch.n_samples - centre) / speed
        start = start.clamp(0, STEP * n_steps - SHORTEST)
        end = end.clamp(SHORTEST, STEP * n_steps)
        return Batch(frames, targets, start, (end - start).clamp(min=SHORTEST))

    def warped(self, frames: Tensor) -> Tensor:
        """Change the vocal tract length: multiply frequencies by a factor, up to the knee."""
        factor = self._some(self.settings.warped, len(frames), *TRACT, otherwise=1.0)[:, None]
        hz = hz_of(LOW + BAND * (torch.arange(N_MELS)[None] + 1))
        slope = (HIGH_HZ - KNEE_HZ) / (HIGH_HZ - KNEE_HZ / factor)
        above = KNEE_HZ + (hz - KNEE_HZ / factor) * slope
        hz = torch.where(hz * factor < KNEE_HZ, hz * factor, above)
        return torch.bmm(frames, reading(band_of(hz), N_MELS).transpose(1, 2))

    def curves(self, n_clips: int, strength: float) -> Tensor:
        """Draw smooth curves over the mel bands, (B, 1, 40), for microphones and voices."""
        order = torch.arange(4)[None, :, None]
        along = torch.linspace(0, pi, N_MELS)[None, None]
        size = torch.randn(n_clips, 4, 1, generator=self.generator) * strength / (1 + 0.5 * order)
        phase = self._uniform(4 * n_clips, -0.5, 0.5).view(n_clips, 4, 1)
        return (size * torch.cos(order * along + phase)).sum(1, keepdim=True)

    def echoing(self, power: Tensor) -> Tensor:
        """Add reverberation, as decaying energy, to some clips."""
        n_rooms = round(len(power) * self.settings.echoing)
        if not n_rooms:
            return power
        some = torch.randperm(len(power), generator=self.generator)[:n_rooms]
        frame = torch.arange(power.shape[1])
        lag = (frame[:, None] - frame).float()
        decay = self._uniform(n_rooms, *ECHO_FRAMES)[:, None, None]
        share = self._uniform(n_rooms, *ECHO_SHARE)[:, None, None]
        room = torch.exp(-lag.clamp(min=0)[None] / decay) * (lag > 0) * share
        power = power.clone()
        power[some] += torch.bmm(room, power[some])
        return power

    def mixed(self, batch: Batch, lead: int, trail: int) -> Batch:
        """Apply noise, gain, gating, a band limit and masks."""
        n_clips, n_frames, _ = batch.frames.shape
        power, total = batch.frames.exp(), lead + n_frames + trail
        faint = FAINT * 10 ** self._uniform(n_clips, -0.5, 1.5)[:, None, None]
        heard = (torch.rand(n_clips, total, N_MELS, generator=self.generator) + 0.5) * faint
        heard[:, lead : lead + n_frames] += power
        heard = self.noisy(heard, power, batch)
        gain_db = self._some(self.settings.louder, n_clips, *GAIN_DB, otherwise=0.0)
        heard = heard * 10 ** (gain_db / 10)[:, None, None]
        heard, batch = self.gated(heard, batch, lead)
        frames = heard.clamp(min=SILENT).log() - self.cut_bands(n_clips)
        return replace(batch, frames=self.masked(frames))

    def noisy(self, heard: Tensor, power: Tensor, batch: Batch) -> Tensor:
        """Add noise to some clips, at an SNR relative to the mean energy of the clip."""
        inside = _inside(power.shape[1], batch).float()[:, :, None]
        level = (power.mean(2, keepdim=True) * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)
        is_noisy = torch.rand(len(power), generator=self.generator) < self.settings.noisy
        gain = level * 10 ** (-self._uniform(len(power), *self.settings.snr_db) / 10)
        some = is_noisy.nonzero()[:, 0]
        if not len(some):
            return heard
        noise = self.noise(power[some], heard.shape[1])
        return heard.index_add(0, some, noise * gain[some, None, None])

    def noise(self, power: Tensor, n_frames: int) -> Tensor:
        """Draw noise of mean 1, (B, n_frames, 40): recorded, hiss, or babble of its clips."""
        n_clips = len(power)
        kinds = torch.rand(n_clips, generator=self.generator).tolist()
        out = torch.stack([self._noise(kind, power, n_frames) for kind in kinds])
        tilt = torch.randn(n_clips, 1, 1, generator=self.generator) * 1.5
        out = out * (self.curves(n_clips, 1.2) + torch.linspace(0, 1, N_MELS) * tilt).exp()
        return out / out.mean((1, 2), keepdim=True).clamp(min=SILENT)

    def _noise(self, kind: float, power: Tensor, n_frames: int) -> Tensor:
        """Draw noise of a kind that is given as a number in [0, 1)."""
        recorded = [noise for noise in self.noises if len(noise) > n_frames]
        if kind < 0.4 and recorded:
            noise = recorded[self._below(len(recorded))]
            first = self._below(len(noise) - n_frames)
            return noise[first : first + n_frames].exp()
        if kind < 0.7:
            first = self._below(HISS_FRAMES - n_frames)
            return self.hiss[first : first + n_frames]
        voices = torch.zeros(n_frames, N_MELS)
        for _ in range(1 + self._below(4)):
            pair = [power[self._below(len(power))] for _ in range(2 + n_frames // len(power[0]))]
            row = torch.cat(pair)
            first = self._below(len(row) - n_frames + 1)
            voices += row[first : first + n_frames]
        return voices

    def gated(self, heard: Tensor, batch: Batch, lead: int) -> tuple[Tensor, Batch]:
        """Replace everything around some clips by digital silence, as in clips that were cut.

        Some are cut closely, at high levels, so that weak beginnings and ends of words are lost.
        """
        n_clips, n_frames, _ = heard.shape
        is_gated = torch.rand(n_clips, generator=self.generator) < self.settings.gated
        is_close = torch.rand(n_clips, generator=self.generator) < self.settings.close
        is_close &= is_gated
        louder_db = self._uniform(n_clips, *CLOSE_DB)
        start, n_samples = loud_part(heard, batch, lead, louder_db)
        batch = replace(
            batch,
            start=torch.where(is_close, start, batch.start),
            n_samples=torch.where(is_close, n_samples, batch.n_samples),
        )
        margin = torch.where(is_close, 0, MARGIN)[:, None]
        outside = ~_inside(n_frames, batch, lead, margin)
        return heard.masked_fill((outside & is_gated[:, None])[:, :, None], SILENT), batch

    def cut_bands(self, n_clips: int) -> Tensor:
        """Draw the attenuation of bands, (B, 1, 40): above a telephone's band, and of rumble."""
        share = self.settings.banded
        high = band_of(self._some(share, n_clips, *TELEPHONE_HZ, otherwise=1e6))[:, None]
        low = band_of(self._some(share / 3, n_clips, *RUMBLE_HZ, otherwise=0.0))[:, None]
        band = torch.arange(N_MELS)[None].float()
        loss = (band - high).clamp(min=0) * 4 + (low - band).clamp(min=0) * 1.5
        return loss.clamp(max=14)[:, None]

    def masked(self, frames: Tensor) -> Tensor:
        """Mask bands and stretches of time (SpecAugment, Park et al., 2019)."""
        bands = self._masks(len(frames), N_MELS, 6)[:, None]
        times = self._masks(len(frames), frames.shape[1], 12)[:, :, None]
        return frames.masked_fill(bands | times, MASKED)

    def _masks(self, n_clips: int, size: int, widest: int) -> Tensor:
        """Draw two masks for each clip, (B, size)."""
        width = torch.randint(0, widest + 1, (n_clips, 2, 1), generator=self.generator)
        place = torch.rand(n_clips, 2, 1, generator=self.generator)
        first = (place * (size - width)).long()
        is_on = torch.rand(n_clips, 2, 1, generator=self.generator) < self.settings.masked
        place = torch.arange(size)
        return ((place >= first) & (place < first + width) & is_on).any(1)

    def _uniform(self, count: int, low: float, high: float) -> Tensor:
        return torch.rand(count, generator=self.generator) * (high - low) + low

    def _some(
        self, share: float, count: int, low: float, high: float, *, otherwise: float
    ) -> Tensor:
        """Draw values for a share of the clips; the others get the value `otherwise`."""
        chosen = torch.rand(count, generator=self.generator) < share
        drawn = self._uniform(count, low, high)
        return torch.where(chosen, drawn, torch.full((count,), otherwise))

    def _below(self, end: int) -> int:
        return int(torch.randint(end, (), generator=self.generator))


def reading(places: Tensor, size: int) -> Tensor:
    """Return matrices (B, K, size) that interpolate a sequence at fractional positions (B, K)."""
    apart = places.clamp(0, size - 1)[:, :, None] - torch.arange(size, dtype=torch.float32)
    return (1 - apart.abs()).clamp(min=0)


def loud_part(heard: Tensor, batch: Batch, lead: int, louder_db: Tensor) -> tuple[Tensor, Tensor]:
    """Return start and end of the part above a level relative to the clip's peak, in samples.

    Parameters
    ----------
    heard : mel energies (B, lead + T, 40).
    louder_db : level of each clip relative to its peak, (B,), below 0.
    """
    n_frames = heard.shape[1]
    level = heard.mean(2) * _inside(n_frames, batch, lead)
    is_loud = level > level.amax(1, keepdim=True) * 10 ** (louder_db[:, None] / 10)
    frame = torch.arange(n_frames)[None]
    first = torch.where(is_loud, frame, n_frames).amin(1)
    last = torch.where(is_loud, frame, 0).amax(1)
    start = HOP * (first - lead).float()
    return start, (HOP * (last + 1 - first).float()).clamp(min=SHORTEST)


def padded(batch: Batch, lead: int, trail: int) -> Batch:
    """Put quiet frames around a batch that is not augmented."""
    frames = torch.nn.functional.pad(batch.frames, (0, 0, lead, trail), value=QUIET)
    return replace(batch, frames=frames)


def _inside(n_frames: int, batch: Batch, lead: int = 0, margin: Tensor | int = 0) -> Tensor:
    """Return True for frames within a clip, or within `margin` samples around it, (B, T)."""
    sample = (torch.arange(n_frames)[None] - lead) * HOP
    end = batch.start + batch.n_samples
    return (sample >= batch.start[:, None] - margin) & (sample < end[:, None] + margin)
