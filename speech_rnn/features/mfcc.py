"""MFCC: mel-frequency cepstral coefficients, as a torch module."""

from __future__ import annotations

import torch
from torch import Tensor

from speech_rnn.features.definitions import dct_matrix, lifter_weights
from speech_rnn.features.log_mel import LogMel
from speech_rnn.features.parameters import MFCCParameters

# Kaldi's lower limit of an energy before its logarithm.
SMALLEST_ENERGY = torch.finfo(torch.float32).eps


class MFCC(MFCCParameters, LogMel):
    """Mel-frequency cepstral coefficients: (B, N) samples to (B, T, D) frames.

    The orthonormal cosine transform (DCT-II) of `LogMel`'s frames (Davis and Mermelstein, 1980).
    ``MFCC()`` without arguments: 16 kHz, a 30 ms Hann window every 10 ms, 80 mel filters from 20 to
    7,600 Hz, natural logarithm, 40 coefficients, no normalisation.

    Parameters
    ----------
    n_mfcc : number of coefficients, at most `n_mels`.
    lifter : L in the factors 1 + L/2 sin(pi (n + lifter_offset) / L) of coefficients n; 0 for none.
    lifter_offset : 0 as in HTK and Kaldi, 1 as in librosa.
    use_energy : whether coefficient 0 is replaced by the log energy of the window (Kaldi).
    raw_energy : whether that energy is computed before pre-emphasis and window, or after.
    energy_floor : lowest energy of a window, after `scale`; 0 leaves only Kaldi's 2**-23.
    sample_rate, win_length, … allow_empty_filters : as in `LogMel`, whose docstring
        also lists the values of torchaudio, librosa and Kaldi (`MFCC.like`).

    Raises
    ------
    ConfigurationError
        if parameters are out of range or do not fit each other; the error lists all of them.
    """

    dct: Tensor
    dct_of_one: Tensor

    @property
    def n_static(self) -> int:
        """Width S of a frame without deltas."""
        return self.n_mfcc

    @property
    def _width(self) -> int:
        return self.win_length if self.use_energy else super()._width

    def _build(self) -> None:
        super()._build()
        lifter = lifter_weights(self.n_mfcc, self.lifter, self.lifter_offset)
        dct = dct_matrix(self.n_mels, self.n_mfcc) * lifter
        self.register_buffer("dct", dct.float(), persistent=False)  # (M, C)
        self.register_buffer("dct_of_one", dct.sum(0).float(), persistent=False)  # (C,)

    def _analyse(self, windows: Tensor) -> Tensor:
        level = self._level(windows)
        tapered = self._taper(level)
        log_mel = self._log_mel(tapered)
        if not self.use_energy:
            return log_mel  # (B, T, M)
        # The coefficients of the window include the scale already.
        samples = level * self.scale if self.raw_energy else tapered
        energy = samples.square().sum(-1, keepdim=True)
        energy = energy.clamp(min=max(SMALLEST_ENERGY, self.energy_floor)).log()
        return torch.cat([log_mel, energy], dim=-1)  # (B, T, M + 1)

    def _static(self, values: Tensor, n_frames: Tensor | None = None) -> Tensor:
        log_mel = self._floor(values[..., : self.n_mels], n_frames)
        dct = self.dct.to(log_mel.dtype)
        if self.precise:  # 128 times -100 dB, summed in float32, may lose 1e-3
            mean = log_mel.mean(-1, keepdim=True)
            mfcc = (log_mel - mean) @ dct + mean * self.dct_of_one.to(mean.dtype)
        else:
            mfcc = log_mel @ dct
        if self.use_energy:
            mfcc = torch.cat([values[..., self.n_mels :], mfcc[..., 1:]], dim=-1)
        return mfcc  # (B, T, C)
