"""MFCC: mel-frequency cepstral coefficients, as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from speech_rnn.features.definitions import dct_matrix, lifter_weights
from speech_rnn.features.log_mel import LogMel

# Kaldi's floor of an energy whose logarithm is taken
SMALLEST_ENERGY = torch.finfo(torch.float32).eps


class MFCC(LogMel):
    """Mel-frequency cepstral coefficients: (B, N) samples to (B, T, D) frames.

    The orthonormal cosine transform (DCT-II) of `LogMel`'s frames (Davis and Mermelstein, 1980).
    ``MFCC()`` alone: 16 kHz, a 30 ms Hann window every 10 ms, 80 mel filters from 20 to 7,600 Hz,
    natural logarithm, 40 coefficients, no normalisation.

    Parameters
    ----------
    n_mfcc : coefficients kept, at most `n_mels`.
    lifter : L of the factors 1 + L/2 sin(pi (n + lifter_offset) / L) on coefficients n; 0 for none.
    lifter_offset : 0 as HTK and Kaldi, 1 as librosa.
    use_energy : whether the log energy of the window takes the place of coefficient 0 (Kaldi).
    raw_energy : whether that is taken before pre-emphasis and window, or after.
    energy_floor : least energy of a window, after `scale`; 0 for none but Kaldi's 2**-23.
    sample_rate, win_length, hop_length, n_fft, window, periodic, framing, pad_mode, preemphasis,
    remove_dc_offset, dither, scale, power, n_mels, fmin, fmax, mel_scale, mel_norm, log, amin,
    log_offset, top_db, normalization, normalize_variance, sliding_window, min_sliding_window,
    deltas, delta_window, delta_mode, precise, allow_empty_filters : as `LogMel`, whose docstring
        also has the values with which torchaudio, librosa and Kaldi compute (`MFCC.like`).

    Raises
    ------
    ConfigurationError
        for parameters out of range or that do not fit each other, all at once.
    """

    n_mfcc: int
    lifter: float
    lifter_offset: int
    use_energy: bool
    raw_energy: bool
    energy_floor: float

    _dct: Tensor
    _dct_of_one: Tensor

    def __init__(
        self,
        *,
        sample_rate: int = 16000,
        win_length: int = 480,
        hop_length: int = 160,
        n_fft: int = 512,
        window: str = "hann",
        periodic: bool = True,
        framing: str = "center",
        pad_mode: str = "constant",
        preemphasis: float = 0.0,
        remove_dc_offset: bool = False,
        dither: float = 0.0,
        scale: float = 1.0,
        power: float = 2.0,
        n_mels: int = 80,
        fmin: float = 20.0,
        fmax: float | None = 7600.0,
        mel_scale: str = "htk",
        mel_norm: str | None = None,
        log: str = "natural",
        amin: float = 1e-10,
        log_offset: float = 0.0,
        top_db: float | None = None,
        n_mfcc: int = 40,
        lifter: float = 0.0,
        lifter_offset: int = 0,
        use_energy: bool = False,
        raw_energy: bool = True,
        energy_floor: float = 0.0,
        normalization: str | None = None,
        normalize_variance: bool = False,
        sliding_window: int = 600,
        min_sliding_window: int = 100,
        deltas: int = 0,
        delta_window: int = 5,
        delta_mode: str = "replicate",
        precise: bool = False,
        allow_empty_filters: bool = False,
    ) -> None:
        nn.Module.__init__(self)  # LogMel's own constructor knows only its own parameters
        self._keep(locals())
        self._build()

    @property
    def _n_static(self) -> int:
        return self.n_mfcc

    @property
    def _width(self) -> int:
        return self.win_length if self.use_energy else super()._width

    def _build(self) -> None:
        super()._build()
        lifter = lifter_weights(self.n_mfcc, self.lifter, self.lifter_offset)
        dct = dct_matrix(self.n_mels, self.n_mfcc) * lifter
        self.register_buffer("_dct", dct.float(), persistent=False)  # (M, C)
        self.register_buffer("_dct_of_one", dct.sum(0).float(), persistent=False)  # (C,)

    def _analyse(self, windows: Tensor) -> Tensor:
        level = self._level(windows)
        tapered = self._taper(level)
        log_mel = self._log_mel(tapered)
        if not self.use_energy:
            return log_mel  # (B, T, M)
        # the window's coefficients already hold the scale
        samples = level * self.scale if self.raw_energy else tapered
        energy = samples.square().sum(-1, keepdim=True)
        energy = energy.clamp(min=max(SMALLEST_ENERGY, self.energy_floor)).log()
        return torch.cat([log_mel, energy], dim=-1)  # (B, T, M + 1)

    def _static(self, values: Tensor, n_frames: Tensor, ragged: bool) -> Tensor:
        log_mel = self._floor(values[..., : self.n_mels], n_frames, ragged)
        dct = self._dct.to(log_mel.dtype)
        if self.precise:  # 128 times -100 dB, summed in float32, may lose 1e-3
            mean = log_mel.mean(-1, keepdim=True)
            mfcc = (log_mel - mean) @ dct + mean * self._dct_of_one.to(mean.dtype)
        else:
            mfcc = log_mel @ dct
        if self.use_energy:
            mfcc = torch.cat([values[..., self.n_mels :], mfcc[..., 1:]], dim=-1)
        return mfcc  # (B, T, C)
