"""How fast the MFCCs are: python -m tests.benchmark_features [threads].

256 one-second clips at 16 kHz; 30 ms window, 10 ms hop, FFT of 512, 80 mel from 20 to 7,600 Hz, 40
coefficients, for all. One run, interleaved, so that other work on the machine slows all alike.
"""

import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path

import kaldi_native_fbank as knf
import librosa
import torch
import torchaudio

from speech_rnn.features import MFCC

CLIPS, RATE, ROUNDS = 256, 16000, 21


def processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(names) or '?'} cores"


def kaldi(clips: list[list[float]]) -> None:
    options = knf.MfccOptions()
    options.frame_opts.dither = 0.0
    options.frame_opts.frame_length_ms = 30.0
    options.mel_opts.num_bins, options.num_ceps = 80, 40
    options.mel_opts.low_freq, options.mel_opts.high_freq = 20.0, 7600.0
    for clip in clips:
        computer = knf.OnlineMfcc(options)
        computer.accept_waveform(RATE, clip)
        computer.input_finished()
        for i in range(computer.num_frames_ready):
            computer.get_frame(i)


def main() -> None:
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    torch.set_num_threads(threads)
    waveform = 0.1 * torch.randn(CLIPS, RATE, generator=torch.Generator().manual_seed(0))
    lengths = torch.randint(RATE // 2, RATE, (CLIPS,), generator=torch.Generator().manual_seed(1))
    array, lists = waveform.numpy(), (waveform * 32768).tolist()
    sizes = {"n_fft": 512, "win_length": 480, "hop_length": 160, "n_mels": 80}
    ours = MFCC()
    like_torchaudio = MFCC.like("torchaudio", **sizes, fmin=20.0, fmax=7600.0)
    like_librosa = MFCC.like("librosa", **sizes, fmin=20.0, fmax=7600.0, n_mfcc=40)
    like_kaldi = MFCC.like(
        "kaldi", win_length=480, n_mels=80, n_mfcc=40, fmin=20.0, fmax=7600.0
    ).eval()
    theirs = torchaudio.transforms.MFCC(
        RATE, 40, melkwargs={**sizes, "f_min": 20.0, "f_max": 7600.0}
    )
    runs = {
        "speech_rnn MFCC()": lambda: ours(waveform),
        "speech_rnn MFCC(), padded clips": lambda: ours(waveform, lengths),
        "speech_rnn like torchaudio": lambda: like_torchaudio(waveform),
        "speech_rnn like librosa": lambda: like_librosa(waveform),
        "speech_rnn like kaldi": lambda: like_kaldi(waveform),
        "torchaudio": lambda: theirs(waveform),
        "librosa": lambda: librosa.feature.mfcc(
            y=array, sr=RATE, n_mfcc=40, **sizes, fmin=20.0, fmax=7600.0
        ),
        "kaldi_native_fbank": lambda: kaldi(lists),
    }
    took: dict[str, list[float]] = {name: [] for name in runs}
    with torch.inference_mode():
        for turn in range(ROUNDS + 2):
            for name, run in runs.items():
                begun = time.perf_counter()
                run()
                if turn > 1:  # the first two warm up
                    took[name].append(time.perf_counter() - begun)
    packages = ("torch", "torchaudio", "librosa", "kaldi_native_fbank", "numpy")
    print(f"{processor()}; {threads} threads; Python {platform.python_version()}, ", end="")
    print(", ".join(f"{name} {version(name)}" for name in packages))
    print(f"{CLIPS} clips of 1 s, median of {ROUNDS} interleaved rounds\n")
    print(f"{'':34}{'ms':>8}{'s of audio / s':>16}{'times torchaudio':>18}")
    median = {name: statistics.median(times) for name, times in took.items()}
    for name, seconds in median.items():
        ratio = median["torchaudio"] / seconds
        print(f"{name:34}{1000 * seconds:8.1f}{CLIPS / seconds:16.0f}{ratio:18.2f}")


if __name__ == "__main__":
    main()
