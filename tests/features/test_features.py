import copy
import json
import math
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
from functools import cache
from itertools import accumulate, pairwise

import hypothesis.strategies as st
import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from hypothesis import given, settings
from torchaudio.compliance import kaldi as torchaudio_kaldi

from speech_rnn.errors import ConfigurationError
from speech_rnn.features import MFCC, LogMel, definitions
from tests.kernels import librosa
from tests.real import SHARED, needs_shared

knf = pytest.importorskip("kaldi_native_fbank")

RATE = 16000
BOTH = pytest.mark.parametrize("features", [LogMel, MFCC])
DIGITS = [
    f"digits/{digit}_{speaker}_{digit % 5}.wav"
    for digit in range(10)
    for speaker in ("george", "jackson", "nicolas", "yweweler")
]

# Where a filter's energy lies 70 dB and more below its window's, as in the high bands of the fourth
# speaker and of coded keywords, its digits are the rounding of a float32 Fourier transform: Kaldi's
# own MFCCs are off by up to 5e-3 there, against float64.
WIDE_BAND = [name for name in DIGITS if "george" not in name]


@cache
def read(name):
    return torch.from_numpy(soundfile.read(SHARED / name, dtype="float32")[0])


@cache
def keywords():
    files = sorted((SHARED / "keywords").glob("*/*.flac"))[::110]
    return [str(file.relative_to(SHARED)) for file in files]


def speech_like(n_samples=24000, seed=0):
    """Harmonics that glide under a changing envelope, with noise between them."""
    generator = torch.Generator().manual_seed(seed)
    t = torch.arange(n_samples, dtype=torch.float64) / RATE
    pitch = 2 * math.pi * (120 * t + 15 * torch.sin(2 * math.pi * 1.3 * t))
    voiced = sum(torch.sin(k * pitch) / k for k in range(1, 40))
    noise = torch.randn(n_samples, generator=generator, dtype=torch.float64)
    envelope = 0.55 + 0.45 * torch.sin(2 * math.pi * 2.7 * t)
    return (0.1 * envelope * voiced + 0.01 * noise).float()


SYNTHETIC = {
    "speech-like": speech_like(),
    "noise": 0.1 * torch.randn(20000, generator=torch.Generator().manual_seed(1)),
    "quiet noise": 1e-4 * torch.randn(20000, generator=torch.Generator().manual_seed(2)),
    "digital silence": torch.zeros(16000),
    "an odd number of samples": speech_like(12347, seed=3),
}


def kaldi_native(waveform, online=None, dither=0.0, **frame_options):
    online = online or knf.OnlineMfcc
    options = knf.MfccOptions() if online is knf.OnlineMfcc else knf.FbankOptions()
    options.frame_opts.dither = dither
    for name, value in frame_options.items():
        setattr(options.frame_opts, name, value)
    computer = online(options)
    computer.accept_waveform(options.frame_opts.samp_freq, (waveform * 32768).tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(i) for i in range(computer.num_frames_ready)])


@cache
def torchaudio_mfcc(**changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that its default filters leave some empty
        return torchaudio.transforms.MFCC(**changes)


def torchaudio_log_mel(waveform):
    mel = torchaudio_mfcc().MelSpectrogram(waveform[None])
    return torchaudio.transforms.AmplitudeToDB("power", 80)(mel)[0].T


def librosa_log_mel(waveform):
    mel = librosa.feature.melspectrogram(y=waveform.numpy(), sr=RATE)
    return librosa.power_to_db(mel).T


# name: our features, the real library's, from a waveform to (T, D)
REFERENCES = {
    "torchaudio mfcc": (
        MFCC.like("torchaudio"),
        lambda x: torchaudio_mfcc()(x[None])[0].T,
    ),
    "torchaudio mfcc, 13 of 40 mel, no top_db": (
        MFCC.like("torchaudio", n_mfcc=13, n_mels=40, log="natural", log_offset=1e-6, top_db=None),
        lambda x: (
            torchaudio.transforms.MFCC(n_mfcc=13, log_mels=True, melkwargs={"n_mels": 40})(x[None])[
                0
            ].T
        ),
    ),
    "torchaudio log-mel": (LogMel.like("torchaudio"), torchaudio_log_mel),
    "torchaudio log-mel, slaney, magnitude, hamming, win < n_fft": (
        LogMel.like(
            "torchaudio",
            n_fft=512,
            win_length=400,
            hop_length=160,
            n_mels=40,
            power=1.0,
            window="hamming",
            mel_scale="slaney",
            mel_norm="slaney",
            top_db=None,
        ),
        lambda x: (
            torchaudio.transforms.AmplitudeToDB("power")(
                torchaudio.transforms.MelSpectrogram(
                    n_fft=512,
                    win_length=400,
                    hop_length=160,
                    n_mels=40,
                    power=1.0,
                    window_fn=torch.hamming_window,
                    mel_scale="slaney",
                    norm="slaney",
                )(x[None])
            )[0].T
        ),
    ),
    "librosa mfcc": (
        MFCC.like("librosa"),
        lambda x: librosa.feature.mfcc(y=x.numpy(), sr=RATE).T,
    ),
    "librosa mfcc, 30 of 64 htk mel to 6 kHz, reflect": (
        MFCC.like("librosa", n_mfcc=30, n_mels=64, fmax=6000, mel_scale="htk", pad_mode="reflect"),
        lambda x: (
            librosa.feature.mfcc(
                y=x.numpy(), sr=RATE, n_mfcc=30, n_mels=64, fmax=6000, htk=True, pad_mode="reflect"
            ).T
        ),
    ),
    "librosa log-mel": (LogMel.like("librosa"), librosa_log_mel),
    "torchaudio kaldi mfcc": (
        MFCC.like("kaldi", use_energy=False),
        lambda x: torchaudio_kaldi.mfcc(x[None] * 32768),
    ),
    "torchaudio kaldi mfcc, edges, energy, hamming, 40 mel, 20 coefficients": (
        MFCC.like(
            "kaldi",
            framing="edges",
            raw_energy=False,
            energy_floor=1.0,
            window="hamming",
            n_mels=40,
            n_mfcc=20,
            fmax=7600,
            lifter=0,
        ),
        lambda x: torchaudio_kaldi.mfcc(
            x[None] * 32768,
            snip_edges=False,
            use_energy=True,
            raw_energy=False,
            energy_floor=1.0,
            window_type="hamming",
            num_mel_bins=40,
            num_ceps=20,
            high_freq=7600,
            cepstral_lifter=0,
        ),
    ),
    "torchaudio kaldi fbank, blackman, no pre-emphasis": (
        LogMel.like("kaldi", window="blackman", preemphasis=0.0),
        lambda x: torchaudio_kaldi.fbank(
            x[None] * 32768, window_type="blackman", preemphasis_coefficient=0.0
        ),
    ),
    "torchaudio kaldi fbank, 8 kHz, rectangular, DC kept": (
        LogMel.like("kaldi", sample_rate=8000, window="rectangular", remove_dc_offset=False),
        lambda x: torchaudio_kaldi.fbank(
            x[None] * 32768,
            sample_frequency=8000.0,
            window_type="rectangular",
            remove_dc_offset=False,
        ),
    ),
}

KALDI = {
    "mfcc": (MFCC.like("kaldi"), kaldi_native),
    "mfcc, edges": (
        MFCC.like("kaldi", framing="edges"),
        lambda x: kaldi_native(x, snip_edges=False),
    ),
    "mfcc, 8 kHz": (
        MFCC.like("kaldi", sample_rate=8000),
        lambda x: kaldi_native(x, samp_freq=8000),
    ),
    "fbank": (LogMel.like("kaldi"), lambda x: kaldi_native(x, knf.OnlineFbank)),
}


def difference(features, reference, waveform):
    ours = features.eval()(waveform[None])[0][0]
    theirs = torch.as_tensor(np.asarray(reference(waveform)))
    assert ours.shape == theirs.shape
    return (ours - theirs).abs().max().item()


def kaldi_transform(windows, n):
    """Do what torch.fft.rfft does, by Kaldi's own transform (conjugate, which is all the same)."""
    rows = torch.nn.functional.pad(windows, (0, n - windows.shape[-1])).flatten(0, -2)
    transform = knf.Rfft(n)
    packed = torch.tensor([transform.compute(row) for row in rows.tolist()])
    real = torch.cat([packed[:, :1], packed[:, 2::2], packed[:, 1:2]], 1)
    imag = torch.nn.functional.pad(packed[:, 3::2], (1, 1))
    return torch.complex(real, imag).unflatten(0, windows.shape[:-1])


@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("signal", SYNTHETIC)
def test_dialects_equal_their_libraries_on_synthetic_signals(name, signal):
    assert difference(*REFERENCES[name], SYNTHETIC[signal]) < 1e-3


@needs_shared
@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large")
def test_dialects_equal_their_libraries_on_real_speech(name):
    for clip in [*DIGITS[::3], *keywords()]:
        assert difference(*REFERENCES[name], read(clip)) < 1e-3, clip


@pytest.mark.parametrize("name", KALDI)
@pytest.mark.parametrize("signal", SYNTHETIC)
def test_kaldi_equals_kaldi_on_synthetic_signals(name, signal):
    assert difference(*KALDI[name], SYNTHETIC[signal]) < 1e-3


@needs_shared
@pytest.mark.parametrize("name", KALDI)
def test_kaldi_equals_kaldi_on_real_speech(name):
    for clip in WIDE_BAND:
        assert difference(*KALDI[name], read(clip)) < 1e-3, clip


@needs_shared
@pytest.mark.parametrize("name", KALDI)
def test_kaldi_equals_kaldi_on_any_speech_given_its_transform(name, monkeypatch):
    features, reference = KALDI[name]
    options = knf.FrameExtractionOptions()
    options.samp_freq = features.sample_rate
    features = copy.deepcopy(features)
    features.window_weights = features.scale * torch.tensor(
        knf.FeatureWindowFunction(options).window
    )
    monkeypatch.setattr(torch.fft, "rfft", kaldi_transform)
    for clip in [*DIGITS[::10], *keywords()[::2]]:
        assert difference(features, reference, read(clip)[:32000]) < 1e-3, clip


@needs_shared
def test_librosas_lifter():
    features = MFCC.like("librosa", lifter=22)
    waveform = read(DIGITS[5])
    expected = librosa.feature.mfcc(y=waveform.numpy(), sr=RATE, lifter=22).T
    largest_weight = 1 + 22 / 2  # multiplies what float32 loses too
    assert difference(features, lambda _: expected, waveform) < 1e-3 * largest_weight


def test_kaldi_rounds_its_sizes_from_milliseconds():
    features = MFCC.like("kaldi", sample_rate=8000)
    assert (features.win_length, features.hop_length, features.n_fft) == (200, 80, 256)
    assert MFCC.like("torchaudio", n_fft=512).hop_length == 256
    assert MFCC.like("librosa", n_fft=1024).win_length == 1024


def test_default_is_the_published_recipe():
    features = MFCC()
    assert (features.n_features, features.hop_seconds) == (40, 0.01)
    waveform = SYNTHETIC["speech-like"]
    spectrum = torch.stft(
        waveform,
        512,
        160,
        480,
        torch.hann_window(480),
        pad_mode="constant",
        return_complex=True,
    )
    filters = torchaudio.functional.melscale_fbanks(257, 20.0, 7600.0, 80, RATE)
    log_mel = (spectrum.abs().square().T @ filters).clamp(min=1e-10).log()
    frames, lengths = features(waveform[None])
    expected = log_mel @ torchaudio.functional.create_dct(40, 80, "ortho")
    torch.testing.assert_close(frames[0], expected, atol=1e-4, rtol=1e-4)
    assert lengths.tolist() == [151]


def test_a_sine_lies_in_the_filter_around_it():
    features = LogMel(n_mels=40)
    sine = torch.sin(2 * math.pi * 1000 * torch.arange(RATE) / RATE)
    frames, _ = features(sine[None])
    mel = 2595 * np.log10(1 + np.array([20, 1000, 7600]) / 700)
    expected = round((mel[1] - mel[0]) / ((mel[2] - mel[0]) / 41)) - 1
    assert frames[0, 50].argmax() == expected


# Definitions


@pytest.mark.parametrize("mel_scale", ["htk", "slaney", "kaldi"])
def test_mel_and_hz_are_inverse(mel_scale):
    hz = torch.linspace(0, 8000, 1001, dtype=torch.float64)
    mel = definitions.hz_to_mel(hz, mel_scale)
    torch.testing.assert_close(definitions.mel_to_hz(mel, mel_scale), hz)
    assert (mel.diff() > 0).all()


@pytest.mark.parametrize("htk", [True, False])
@pytest.mark.parametrize("norm", [None, "slaney"])
def test_filters_equal_librosas(htk, norm):
    ours = definitions.mel_filterbank(
        512, 40, RATE, 20, 7600, "htk" if htk else "slaney", norm, True
    )
    theirs = librosa.filters.mel(
        sr=RATE, n_fft=512, n_mels=40, fmin=20, fmax=7600, htk=htk, norm=norm
    )
    np.testing.assert_allclose(ours.T, theirs, atol=1e-7)


def test_filters_equal_torchaudios_to_the_bit():
    ours = definitions.mel_filterbank(512, 80, RATE, 20, 7600, "htk", None, False)
    theirs = torchaudio.functional.melscale_fbanks(257, 20.0, 7600.0, 80, RATE, None, "htk")
    assert torch.equal(ours, theirs)


def test_cosine_transform_is_orthonormal():
    matrix = definitions.dct_matrix(40, 40)
    torch.testing.assert_close(matrix.T @ matrix, torch.eye(40, dtype=torch.float64))


@pytest.mark.parametrize("length", [1, 2, 3, 7])
@pytest.mark.parametrize("mode", ["reflect", "symmetric"])
def test_reflection_equals_numpys_for_any_distance(length, mode):
    clip = np.arange(length)
    index = definitions.reflect(
        torch.arange(-12, length + 12), torch.tensor([[length]]), mode == "symmetric"
    )
    assert index[0].tolist() == np.pad(clip, 12, mode).tolist()


@pytest.mark.parametrize("width", [3, 5, 9])
def test_deltas_equal_torchaudios(width):
    frames, _ = MFCC()(SYNTHETIC["speech-like"][None])
    ours, _ = MFCC(deltas=2, delta_window=width)(SYNTHETIC["speech-like"][None])
    first = torchaudio.functional.compute_deltas(frames.mT, width)
    second = torchaudio.functional.compute_deltas(first, width)
    expected = torch.cat([frames, first.mT, second.mT], -1)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=1e-4)
    assert MFCC(deltas=2).n_features == 120


@pytest.mark.parametrize("width", [3, 9])
def test_deltas_equal_librosas(width):
    waveform = SYNTHETIC["speech-like"][None]
    frames = MFCC()(waveform)[0][0].T.numpy()
    ours = MFCC(deltas=2, delta_window=width, delta_mode="interp")(waveform)[0][0].T.numpy()
    expected = [librosa.feature.delta(frames, width=width, order=order) for order in (1, 2)]
    np.testing.assert_allclose(ours, np.concatenate([frames, *expected]), atol=1e-4)


@pytest.mark.parametrize("window", [1, 2, 3])
def test_deltas_equal_kaldis(window):
    waveform = SYNTHETIC["speech-like"][None]
    frames = MFCC.like("kaldi")(waveform)[0][0].numpy()
    ours = MFCC.like("kaldi", deltas=2, delta_window=2 * window + 1)(waveform)[0][0]
    expected = knf.compute_deltas(knf.DeltaOptions(order=2, window=window), frames)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize("mode", ["replicate", "convolve", "interp"])
def test_deltas_of_a_line_are_its_slope(mode):
    line = 3.0 * torch.arange(20)[None, :, None] + 1
    found = definitions.add_deltas(line, torch.tensor([20]), 2, 5, mode)[0, 6:-6]
    torch.testing.assert_close(found[:, 1:], torch.tensor([3.0, 0.0]).expand(8, 2))


@pytest.mark.parametrize("norm_vars", [False, True])
@pytest.mark.parametrize(("window", "minimum"), [(600, 100), (30, 10), (20, 1)])
def test_sliding_normalisation_equals_torchaudios(norm_vars, window, minimum):
    waveform = speech_like(32000)[None]
    frames, _ = MFCC()(waveform)
    ours, _ = MFCC(
        normalization="sliding",
        normalize_variance=norm_vars,
        sliding_window=window,
        min_sliding_window=minimum,
    )(waveform)
    expected = torchaudio.functional.sliding_window_cmn(
        frames.double(), window, minimum, norm_vars=norm_vars
    )
    # a second frame that equals the first but for noise has next to no deviation to divide by
    torch.testing.assert_close(ours.double()[:, 5:], expected[:, 5:], atol=1e-3, rtol=1e-3)


def test_utterance_normalisation_centres_each_clip():
    features = LogMel(normalization="utterance", normalize_variance=True)
    clips = torch.stack([speech_like(16000, seed) for seed in range(3)])
    frames, lengths = features(clips, torch.tensor([16000, 9000, 4000]))
    for clip, length in zip(frames, lengths, strict=True):
        torch.testing.assert_close(clip[:length].mean(0), torch.zeros(80), atol=1e-4, rtol=0)
        torch.testing.assert_close(
            clip[:length].std(0, correction=0), torch.ones(80), atol=1e-3, rtol=0
        )


def test_global_normalisation_travels_with_the_state():
    plain, _ = MFCC()(SYNTHETIC["speech-like"][None])
    features = MFCC(normalization="global", normalize_variance=True)
    features.set_statistics(plain[0].mean(0), plain[0].std(0).tolist())
    frames, _ = features(SYNTHETIC["speech-like"][None])
    torch.testing.assert_close(frames[0].mean(0), torch.zeros(40), atol=1e-4, rtol=0)
    again = type(features)(**features.hyperparameters)
    again.load_state_dict(features.state_dict())
    assert torch.equal(again(SYNTHETIC["speech-like"][None])[0], frames)
    assert not MFCC().state_dict()


def test_digital_silence_stays_finite_and_still():
    features = MFCC(normalization="utterance", normalize_variance=True, deltas=2)
    frames, _ = features(torch.zeros(1, RATE))
    assert frames.abs().max() < 1e-2


# Batches

SMALL = {
    "sample_rate": 1600,
    "win_length": 48,
    "hop_length": 16,
    "n_fft": 64,
    "n_mels": 8,
    "fmin": 0.0,
    "fmax": None,
    "n_mfcc": 5,
}
STREAMS = {
    "center": {},
    "center, reflect, odd window": {"pad_mode": "reflect", "win_length": 47, "precise": True},
    "center, hop above window": {"win_length": 10, "hop_length": 37, "pad_mode": "reflect"},
    "snip, energy": {"framing": "snip", "use_energy": True, "preemphasis": 0.97},
    "snip, hop above window": {"framing": "snip", "win_length": 10, "hop_length": 37},
    "edges, Kaldi's steps": {
        "framing": "edges",
        "remove_dc_offset": True,
        "preemphasis": 0.97,
        "scale": 32768.0,
        "window": "povey",
        "periodic": False,
    },
    "edges, hop above window": {"framing": "edges", "win_length": 10, "hop_length": 37},
    "edges, odd hop": {"framing": "edges", "win_length": 33, "hop_length": 13},
    "deltas": {"deltas": 2},
    "one delta": {"deltas": 1, "delta_window": 3, "framing": "edges"},
    "deltas, convolved": {"deltas": 2, "delta_mode": "convolve", "framing": "snip"},
    "deltas, interpolated": {"deltas": 2, "delta_mode": "interp", "delta_window": 9},
    "sliding": {"normalization": "sliding", "sliding_window": 20, "min_sliding_window": 7},
    "sliding variance, deltas": {
        "normalization": "sliding",
        "normalize_variance": True,
        "sliding_window": 12,
        "min_sliding_window": 12,
        "deltas": 2,
        "pad_mode": "reflect",
    },
    "global, deltas": {"normalization": "global", "normalize_variance": True, "deltas": 1},
}
WHOLE = {
    "utterance": {"normalization": "utterance", "normalize_variance": True, "deltas": 2},
    "top_db": {"log": "db", "top_db": 20.0, "deltas": 1, "delta_mode": "interp"},
}


@cache
def small(name):
    features = MFCC(**{**SMALL, **{**STREAMS, **WHOLE}[name]}).eval()
    if features.normalization == "global":
        features.set_statistics(torch.arange(5.0), torch.arange(1.0, 6.0))
    return features


@pytest.mark.parametrize("name", [*STREAMS, *WHOLE])
@settings(max_examples=8, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 400), min_size=1, max_size=12),
    garbage=st.sampled_from([math.nan, math.inf, 1e30, 0.5]),
    seed=st.integers(0, 100),
)
def test_padding_never_changes_a_result(name, lengths, garbage, seed):
    features = small(name)
    waveform = torch.full((len(lengths), max(lengths) + seed % 3 * 50), garbage)
    clips = [0.3 * torch.randn(1, n, generator=torch.manual_seed(seed)) for n in lengths]
    for row, clip, length in zip(waveform, clips, lengths, strict=True):
        row[:length] = clip[0]
    frames, counts = features(waveform, torch.tensor(lengths))
    assert counts.tolist() == [features.n_frames(n) for n in lengths]
    assert frames.shape[1:] == (features.n_frames(waveform.shape[1]), features.n_features)
    for row, clip, count in zip(frames, clips, counts, strict=True):
        alone, alone_count = features(clip)
        assert alone_count == count
        torch.testing.assert_close(row[:count], alone[0], atol=1e-4, rtol=1e-4)
        assert (row[count:] == 0).all()


@BOTH
def test_pieces_and_whole_agree(features, monkeypatch):
    features = features.like("kaldi")
    waveform = 0.1 * torch.randn(3, 20000, generator=torch.manual_seed(0))
    expected, _ = features(waveform)
    monkeypatch.setattr("speech_rnn.features.log_mel.FRAMES_AT_ONCE", 7)
    torch.testing.assert_close(features(waveform)[0], expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", STREAMS)
def test_frame_counts_follow_the_formula(name):
    features = small(name)
    hop, window = features.hop_length, features.win_length
    count = {
        "center": lambda n: 1 + n // hop,
        "snip": lambda n: 1 + (n - window) // hop if n >= window else 0,
        "edges": lambda n: (n + hop // 2) // hop,
    }[features.framing]
    for n in range(1, 300):
        assert features.n_frames(n) == count(n) == features(torch.zeros(1, n))[1]


def test_no_samples_give_no_frames():
    frames, lengths = MFCC()(torch.zeros(2, 0))
    assert frames.shape == (2, 0, 40)
    assert lengths.tolist() == [0, 0]
    assert MFCC()(torch.zeros(0, 800))[0].shape == (0, 0, 40)
    assert MFCC.like("kaldi")(torch.zeros(2, 399))[0].shape == (2, 0, 13)


@pytest.mark.parametrize("name", [*STREAMS, *WHOLE])
def test_gradients_are_right(name):
    features = copy.deepcopy(small(name)).double()
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randn(2, 150, generator=generator, dtype=torch.float64).requires_grad_()
    lengths = torch.tensor([150, 90])
    assert torch.autograd.gradcheck(
        lambda x: features(x, lengths)[0], waveform, fast_mode=True, atol=1e-3, rtol=1e-3
    )


@pytest.mark.parametrize("power", [1.0, 2.0, 0.5])
def test_gradients_of_silence_are_finite(power):
    waveform = torch.zeros(1, 4000, requires_grad=True)
    MFCC(power=power, normalization="utterance", normalize_variance=True)(waveform)[
        0
    ].sum().backward()
    assert waveform.grad.isfinite().all()


QUICK = ("center, reflect, odd window", "edges, Kaldi's steps", "sliding variance, deltas")


@pytest.mark.parametrize(
    "name",
    [
        name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
        for name in [*STREAMS, *WHOLE]
    ],
)
def test_exports_with_any_batch_and_length(name):
    features = small(name)
    samples = torch.randn(3, 900, generator=torch.manual_seed(0))
    batch, n_samples = torch.export.Dim("batch"), torch.export.Dim("n_samples", min=100)
    program = torch.export.export(
        features,
        (samples, torch.tensor([900, 500, 100])),
        dynamic_shapes={"waveform": {0: batch, 1: n_samples}, "lengths": {0: batch}},
    )
    other = torch.randn(5, 711, generator=torch.manual_seed(1))
    lengths = torch.tensor([711, 0, 640, 20, 100])
    frames, counts = program.module()(other, lengths)
    expected, expected_counts = features(other, lengths)
    torch.testing.assert_close(frames, expected, atol=1e-4, rtol=1e-4)
    assert torch.equal(counts, expected_counts)


def test_half_precision_and_autocast_compute_in_float32():
    waveform = SYNTHETIC["speech-like"][None]
    features = MFCC.like("kaldi")
    expected, _ = features(waveform)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(features(waveform)[0], expected)
        assert features.stream().push(waveform).dtype == torch.float32
    assert features(waveform.half())[0].dtype == torch.float32
    assert copy.deepcopy(features).double()(waveform)[0].dtype == torch.float64


def test_dither_is_for_training_and_comes_from_the_generator():
    features = MFCC.like("kaldi", dither=1.0)
    silence = torch.zeros(2, RATE)
    first, _ = features(silence, generator=torch.Generator().manual_seed(1))
    second, _ = features(silence, generator=torch.Generator().manual_seed(1))
    other, _ = features(silence, generator=torch.Generator().manual_seed(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    # 400 samples of variance 1 around their mean
    assert first[..., 0].mean().item() == pytest.approx(math.log(399), abs=0.02)
    assert torch.equal(features.eval()(silence)[0], MFCC.like("kaldi")(silence)[0])
    assert torch.equal(features.train().stream().push(silence[:1]), features.eval()(silence[:1])[0])


# Streams


def chunks_of(waveform, sizes):
    return [waveform[:, a:b] for a, b in pairwise([0, *accumulate(sizes)])]


def streamed(stream, waveform, sizes):
    frames = [stream.push(chunk) for chunk in chunks_of(waveform, sizes)]
    return torch.cat([*frames, stream.flush()], 1)


def filled(sizes, total):
    """Repeat the sizes until they add up to the total."""
    result = []
    while total > 0:
        result.append(min(total, sizes[len(result) % len(sizes)]))
        total -= result[-1]
    return result


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=8, deadline=None)
@given(
    total=st.integers(0, 900),
    sizes=st.lists(st.one_of(st.integers(1, 40), st.integers(41, 3200)), min_size=1, max_size=8),
)
def test_a_stream_equals_its_batch(name, total, sizes):
    features = small(name)
    waveform = torch.randn(2, total, generator=torch.manual_seed(total))
    expected, _ = features(waveform)
    stream = features.stream(batch_size=2)
    for _ in range(2):  # the flush begins anew
        frames = streamed(stream, waveform, filled(sizes, total))
        torch.testing.assert_close(frames, expected, atol=1e-4, rtol=1e-4)


@needs_shared
@pytest.mark.parametrize("size", [1, 160, 1111, 32000])
@pytest.mark.parametrize("dialect", ["torchaudio", "librosa", "kaldi"])
def test_a_stream_of_real_speech_equals_its_batch(dialect, size):
    features = MFCC.like(dialect, top_db=None, deltas=2).eval()
    waveform = read(DIGITS[1])[None, :6000]
    frames = streamed(features.stream(), waveform, filled([size], waveform.shape[1]))
    torch.testing.assert_close(frames, features(waveform)[0], atol=1e-4, rtol=1e-4)


def test_a_frame_comes_out_with_its_last_sample():
    stream = MFCC.like("kaldi").stream()
    assert stream.push(torch.zeros(1, 399)).shape == (1, 0, 13)
    assert stream.push(torch.zeros(1, 1)).shape == (1, 1, 13)
    assert stream.push(torch.zeros(1, 0)).shape == (1, 0, 13)
    assert stream.push(torch.zeros(1, 320)).shape == (1, 2, 13)
    assert stream.flush().shape == (1, 0, 13)


def tensors_of(stream):
    yield stream._samples
    yield from (delay._kept for delay in stream._later)


def test_a_stream_keeps_no_more_after_an_hour():
    features = MFCC(
        **{**SMALL, "normalization": "sliding", "sliding_window": 50, "min_sliding_window": 5},
        deltas=2,
    )
    stream = features.stream()
    kept = []
    for _ in range(36):
        stream.push(torch.randn(1, 100 * 1600))
        kept.append(sum(tensor.untyped_storage().nbytes() for tensor in tensors_of(stream)))
    assert max(kept) == min(kept) < 5000


def test_streams_leave_no_gradients_behind():
    frames = MFCC().stream().push(torch.zeros(1, 1600, requires_grad=True))
    assert not frames.requires_grad


# Parameters


@BOTH
def test_parameters_do_not_change_under_the_filters(features):
    with pytest.raises(FrozenInstanceError):
        features().n_mels = 20


@BOTH
@pytest.mark.parametrize("dialect", [None, "torchaudio", "librosa", "kaldi"])
def test_hyperparameters_rebuild_the_features(features, dialect):
    first = features.like(dialect, deltas=1) if dialect else features()
    values = json.loads(json.dumps(first.hyperparameters))
    again = type(first)(**values)
    assert again.hyperparameters == first.hyperparameters
    waveform = SYNTHETIC["speech-like"][None]
    assert torch.equal(again(waveform)[0], first(waveform)[0])


def test_repr_names_what_departs_from_the_default():
    assert repr(MFCC(n_mfcc=13, window="hamming")) == "MFCC(window='hamming', n_mfcc=13)"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_fft": 400}, "n_fft=400 is below win_length=480; set n_fft=512"),
        ({"n_fft": 513}, "n_fft=513 must be even; set n_fft=514"),
        ({"fmax": 9000}, "fmax=9000 Hz is above half of sample_rate=16000; set fmax=8000"),
        ({"sample_rate": 8000}, "fmax=7600.0 Hz is above half of sample_rate=8000"),
        ({"fmin": 7700}, "fmin=7700 Hz must be below fmax=7600"),
        ({"n_mfcc": 81}, "n_mfcc=81 is above n_mels=80"),
        (
            {"n_mels": 128, "n_mfcc": 13},
            "n_mels=128 is too many for n_fft=512: .* filters 1 .*set n_fft=",
        ),
        ({"deltas": 3}, "deltas=3 must be 0, 1 or 2"),
        ({"delta_window": 4}, "delta_window=4 must be odd.*set delta_window=5"),
        ({"sliding_window": 50}, "min_sliding_window=100 is above sliding_window=50"),
        ({"preemphasis": 1.5}, "preemphasis=1.5 must be between 0 and 1"),
        ({"window": "hanning"}, "window='hanning' must be one of .*; did you mean 'hann'"),
        ({"normalization": "cmvn"}, "normalization='cmvn' must be one of .* or None"),
        ({"log": None}, "log=None must be one of natural, db"),
        ({"n_mels": 80.0}, "n_mels=80.0 must be a whole number"),
        ({"hop_length": 0}, "hop_length=0 must be a whole number of at least 1"),
        ({"deltas": True}, "deltas=True must be a whole number"),
        ({"amin": 0}, "amin=0 must be a number above 0"),
        ({"fmin": -1}, "fmin=-1 must be a number of at least 0"),
        ({"lifter": math.nan}, "lifter=nan must be a number of at least 0"),
        ({"dither": "no"}, "dither='no' must be a number"),
        ({"use_energy": 1}, "use_energy=1 must be True or False"),
    ],
)
def test_wrong_parameters_are_named(values, message):
    with pytest.raises(ConfigurationError, match=message):
        MFCC(**values)


def test_all_wrong_parameters_are_named_at_once():
    with pytest.raises(ConfigurationError, match=r"window='han' .*\nn_mels=0"):
        LogMel(n_mels=0, window="han")


def test_the_way_out_of_empty_filters_works():
    with pytest.raises(ConfigurationError, match="set n_fft=1024 or n_mels=124"):
        LogMel(n_mels=128)
    LogMel(n_mels=128, n_fft=1024)
    LogMel(n_mels=124)
    assert LogMel(n_mels=128, allow_empty_filters=True).n_features == 128


def test_unknown_dialects_and_parameters_are_named():
    with pytest.raises(
        ConfigurationError, match=r"dialect='kald' is unknown; did you mean 'kaldi'"
    ):
        MFCC.like("kald")
    with pytest.raises(
        ConfigurationError, match=r"n_mel=40 is not a parameter.*did you mean 'n_mels'"
    ):
        MFCC.like("kaldi", n_mel=40)
    with pytest.raises(ConfigurationError, match="n_mfcc=13 is not a parameter of LogMel"):
        LogMel.like("kaldi", n_mfcc=13)
    with pytest.raises(ConfigurationError, match="sample_rate='8k' must be a whole number"):
        MFCC.like("kaldi", sample_rate="8k")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(16000),), r"shape \(16000,\); it must be \(B, N\).*waveform\[None\]"),
        ((torch.zeros(2, 1, 100),), r"shape \(2, 1, 100\); it must be \(B, N\)"),
        ((torch.zeros(2, 100, dtype=torch.int16),), "torch.int16.*divide 16-bit samples by 32768"),
        ((torch.zeros(2, 100), torch.tensor([100])), r"lengths has shape \(1,\).*\(2,\) of int64"),
        ((torch.zeros(1, 100), torch.tensor([0.5])), "float32; it must be"),
        (
            (torch.zeros(1, 100), torch.tensor([101])),
            r"lengths=\[101\] must be between 0 and the 100",
        ),
        ((torch.zeros(1, 100), torch.tensor([-1])), r"lengths=\[-1\] must be between"),
    ],
)
def test_wrong_input_is_named(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        MFCC()(*arguments)


def test_wrong_statistics_are_named():
    features = MFCC(normalization="global", normalize_variance=True)
    for use in (lambda: features(torch.zeros(1, 800)), features.stream):
        with pytest.raises(ConfigurationError, match="has no statistics yet; call set_statistics"):
            use()
    with pytest.raises(ConfigurationError, match="std=None, but normalize_variance=True"):
        features.set_statistics(torch.zeros(40))
    with pytest.raises(ConfigurationError, match=r"mean has shape \(39,\); it must be 40 finite"):
        features.set_statistics(torch.zeros(39), torch.ones(39))
    with pytest.raises(ConfigurationError, match="must be 40 finite values"):
        features.set_statistics(torch.full((40,), math.nan), torch.ones(40))
    with pytest.raises(ConfigurationError, match="std must be above 0"):
        features.set_statistics(torch.zeros(40), torch.zeros(40))
    with pytest.raises(ConfigurationError, match="normalization=None uses no statistics"):
        MFCC().set_statistics(torch.zeros(40))


def test_streaming_errors_give_reason_and_way_out():
    assert MFCC().can_stream
    for values, message in [
        (
            {"normalization": "utterance"},
            "'utterance' needs the last frame of a clip.*use 'sliding'",
        ),
        ({"top_db": 80.0}, "top_db=80.0 needs the greatest value of a clip.*use top_db=None"),
    ]:
        features = MFCC(**values)
        assert not features.can_stream
        with pytest.raises(ConfigurationError, match=message):
            features.stream()


def test_wrong_chunks_are_named():
    with pytest.raises(ConfigurationError, match="batch_size=0 must be at least 1"):
        MFCC().stream(batch_size=0)
    stream = MFCC().stream(batch_size=2)
    for chunk in (torch.zeros(800), torch.zeros(1, 800), torch.zeros(2, 800, dtype=torch.int16)):
        with pytest.raises(ConfigurationError, match=r"chunk has shape .* must be \(2, n\) floats"):
            stream.push(chunk)


@pytest.mark.parametrize("name", ["torchaudio", "librosa", "kaldi"])
def test_kept_memory_never_shows_in_results(name):
    """Frames are new memory: another call, thread or mode of autograd leaves them alone."""
    features = MFCC.like(name).eval()
    first, second = torch.randn(2, 3, 40_000, generator=torch.Generator().manual_seed(0)) / 10
    with torch.inference_mode():
        frames, _ = features(first)
        kept = frames.clone()
        features(second)
    assert torch.equal(frames, kept)
    again, _ = features(first)  # after inference mode, with gradients enabled
    torch.testing.assert_close(again, kept)
    by_gradient, _ = features(first.clone().requires_grad_())
    torch.testing.assert_close(by_gradient.detach(), kept, atol=1e-4, rtol=1e-4)
    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(lambda clip: features(clip)[0], [first, second] * 8))
    for result in results[::2]:
        torch.testing.assert_close(result, kept)
    for result in results[1::2]:
        torch.testing.assert_close(result, features(second)[0])
