"""MFCCs compared with other libraries: same clips, windows, filters and coefficients."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.benchmarking.results import Section
from speech_rnn.benchmarking.settings import Settings
from speech_rnn.benchmarking.subjects import clips, one_second
from speech_rnn.benchmarking.timing import Candidates, Contender
from speech_rnn.features import MFCC

RATE = 16_000
WINDOW: dict[str, Any] = {"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 80}
FROM_HZ, TO_HZ, N_MFCC = 20.0, 7600.0, 40


def of_a_batch(settings: Settings) -> Section:
    """Time the MFCCs of many one-second clips."""
    n = 4 if settings.quick else 256
    return _section("features", f"MFCC of {n} one-second clips", clips(n, RATE), settings)


def of_a_clip(settings: Settings) -> Section:
    """Time the MFCCs of one one-second clip."""
    clip = one_second(settings.audio, RATE)
    return _section("clip", "MFCC of one one-second clip", clip[None], settings)


@torch.inference_mode()
def _section(name: str, title: str, sounds: NDArray[np.float32], settings: Settings) -> Section:
    waveform = torch.from_numpy(sounds)
    lengths = torch.full((len(sounds),), sounds.shape[1] - 1)  # each clip has one padded sample
    ranged = {"fmin": FROM_HZ, "fmax": TO_HZ, "n_mfcc": N_MFCC}
    plain = MFCC().eval()
    ours = {
        "speech_rnn": partial(plain, waveform),
        "speech_rnn, with lengths": partial(plain, waveform, lengths),
        "speech_rnn, like torchaudio": partial(
            MFCC.like("torchaudio", **WINDOW, **ranged), waveform
        ),
        "speech_rnn, like librosa": partial(MFCC.like("librosa", **WINDOW, **ranged), waveform),
        "speech_rnn, like kaldi": partial(
            MFCC.like("kaldi", win_length=480, n_mels=80, **ranged).eval(), waveform
        ),
    }
    found = Candidates()
    for contender, run in ours.items():
        found.add(contender, partial(lambda run: run, run))
    found.add("torchaudio", lambda: _torchaudio(waveform))
    found.add("librosa", lambda: _librosa(sounds))
    found.add("kaldi-native-fbank", lambda: _kaldi(sounds))
    return Section(name, title, found.rows(settings.n_rounds))


def _torchaudio(waveform: torch.Tensor) -> Contender:
    import torchaudio

    mel = {**WINDOW, "f_min": FROM_HZ, "f_max": TO_HZ}
    return partial(torchaudio.transforms.MFCC(RATE, N_MFCC, melkwargs=mel), waveform)


def _librosa(sounds: NDArray[np.float32]) -> Contender:
    mfcc = import_module("librosa").feature.mfcc
    return partial(mfcc, y=sounds, sr=RATE, n_mfcc=N_MFCC, fmin=FROM_HZ, fmax=TO_HZ, **WINDOW)


def _kaldi(sounds: NDArray[np.float32]) -> Contender:
    knf = import_module("kaldi_native_fbank")
    options = knf.MfccOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.frame_length_ms = 30.0
    options.mel_opts.num_bins, options.num_ceps = WINDOW["n_mels"], N_MFCC
    options.mel_opts.low_freq, options.mel_opts.high_freq = FROM_HZ, TO_HZ
    samples = (sounds * 32768).tolist()  # the library reads lists faster than arrays

    def run() -> None:
        for clip in samples:
            computer = knf.OnlineMfcc(options)
            computer.accept_waveform(RATE, clip)
            computer.input_finished()
            for i in range(computer.num_frames_ready):
                computer.get_frame(i)

    return run
