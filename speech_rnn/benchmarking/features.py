"""MFCCs beside those of other libraries: the same clips, windows, filters and coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.benchmarking.candidates import Candidates, peer
from speech_rnn.benchmarking.results import Section
from speech_rnn.benchmarking.settings import THREADS, Settings
from speech_rnn.benchmarking.sounds import clips, one_second
from speech_rnn.benchmarking.timing import Contender
from speech_rnn.features import MFCC

__all__ = ["of_a_batch", "of_a_clip"]

RATE, BATCH, QUICK_BATCH = 16_000, 256, 4
WINDOW: dict[str, Any] = {"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 80}
FROM_HZ, TO_HZ, N_MFCC = 20.0, 7600.0, 40


def of_a_batch(settings: Settings) -> Section:
    """Time the MFCCs of many one-second clips."""
    n = QUICK_BATCH if settings.quick else BATCH
    return _section("features", f"MFCC of {n} one-second clips", clips(n, RATE), settings)


def of_a_clip(settings: Settings) -> Section:
    """Time the MFCCs of one one-second clip."""
    clip = one_second(settings.audio, RATE)
    return _section("clip", "MFCC of one one-second clip", clip[None], settings)


@torch.inference_mode()
def _section(name: str, title: str, sounds: NDArray[np.float32], settings: Settings) -> Section:
    waveform = torch.from_numpy(sounds)
    lengths = torch.full((len(sounds),), sounds.shape[1] - 1)  # one sample of padding each
    ranged = {"fmin": FROM_HZ, "fmax": TO_HZ, "n_mfcc": N_MFCC}
    ours = {
        "speech_rnn, like torchaudio": MFCC.like("torchaudio", **WINDOW, **ranged),
        "speech_rnn, like librosa": MFCC.like("librosa", **WINDOW, **ranged),
        "speech_rnn, like kaldi": MFCC.like("kaldi", win_length=480, n_mels=80, **ranged).eval(),
    }
    found = Candidates()
    plain = MFCC().eval()
    found.add("speech_rnn", lambda: lambda: plain(waveform))
    found.add("speech_rnn, with lengths", lambda: lambda: plain(waveform, lengths))
    for contender, features in ours.items():
        found.add(contender, lambda features=features: lambda: features(waveform))  # type: ignore[misc]
    found.add("torchaudio", lambda: _torchaudio(waveform))
    found.add("librosa", lambda: _librosa(sounds))
    found.add("kaldi-native-fbank", lambda: _kaldi(sounds))
    return Section(name, title, THREADS[name], found.rows(settings.n_rounds))


def _torchaudio(waveform: torch.Tensor) -> Contender:
    import torchaudio

    transform = torchaudio.transforms.MFCC(
        RATE, N_MFCC, melkwargs={**WINDOW, "f_min": FROM_HZ, "f_max": TO_HZ}
    )
    return lambda: transform(waveform)


def _librosa(sounds: NDArray[np.float32]) -> Contender:
    librosa = peer("librosa")
    settings = {**WINDOW, "sr": RATE, "n_mfcc": N_MFCC, "fmin": FROM_HZ, "fmax": TO_HZ}
    return lambda: librosa.feature.mfcc(y=sounds, **settings)


def _kaldi(sounds: NDArray[np.float32]) -> Contender:
    knf = peer("kaldi_native_fbank")
    options = knf.MfccOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.frame_length_ms = 30.0
    options.mel_opts.num_bins, options.num_ceps = WINDOW["n_mels"], N_MFCC
    options.mel_opts.low_freq, options.mel_opts.high_freq = FROM_HZ, TO_HZ
    samples = (sounds * 32768).tolist()  # it takes lists faster than arrays

    def run() -> None:
        for clip in samples:
            computer = knf.OnlineMfcc(options)
            computer.accept_waveform(RATE, clip)
            computer.input_finished()
            for i in range(computer.num_frames_ready):
                computer.get_frame(i)

    return run
