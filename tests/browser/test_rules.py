"""The rules of the page against Python's: spotting, gate, resampling."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from speech_rnn.audio import load_audio
from speech_rnn.streaming.gate import Gate, Gating
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.streaming.stream import Posteriors, WordSpotter
from tests.browser.node import in_node, needs_node
from tests.streaming.test_spotter import TOKENS, draw_posteriors

pytestmark = needs_node

CLIPS = Path(__file__).parents[1] / "clips"
RATE, STEP = 16_000, 320
N_SPOTTERS = 400


def draw_spotting(random):
    """Settings of all kinds, also durations that lie in the middle between two steps."""
    words = ["yes", "no", "go"]
    own = {word: float(random.uniform(0.1, 1)) for word in words if random.random() < 0.3}
    lags = {word: random.normal(0, 0.1, 2).tolist() for word in words if random.random() < 0.3}
    durations = np.arange(13) * STEP / RATE / 2
    return Spotting(
        threshold=float(random.uniform(0.1, 0.9)),
        thresholds=own,
        release=float(random.uniform(0.2, 1)),
        smoothing=str(random.choice(["mean", "max"])),
        lags=lags,
        **{
            f"{name}_seconds": float(random.choice(durations))
            for name in ("smoothing", "settle", "min", "refractory")
        },
    )


def draw_case(seed):
    random = np.random.default_rng(seed)
    n_steps = int(random.integers(0, 120))
    posteriors = draw_posteriors(seed, n_steps, float(random.choice([1.0, 2.0, 4.0])))
    sizes = random.integers(0, 40, random.integers(0, 6)).tolist()
    return draw_spotting(random), posteriors, sizes


def spot(spotting, posteriors, sizes):
    """Return the words that Python finds, and those that are open after each piece."""
    spotter = WordSpotter(spotting, TOKENS, STEP, RATE)
    words, pending, first = [], [], 0
    for size in [*sizes, len(posteriors)]:
        piece = posteriors[first : first + size]
        first = min(len(posteriors), first + size)
        words += spotter.hear([Posteriors(piece, 0, first * STEP, closes=False)])
        pending.append(spotter.pending)
    words += spotter.hear([Posteriors(posteriors[:0], 0, first * STEP, closes=True)])
    return words, pending


def spotter_case(spotting, posteriors, sizes, **more):
    values = {"spotting": spotting.to_dict(), "posteriors": posteriors.ravel().tolist()}
    return values | {"tokens": TOKENS, "step": STEP, "rate": RATE, "sizes": sizes} | more


def test_random_posteriors_give_the_same_events():
    cases = [draw_case(seed) for seed in range(N_SPOTTERS)]
    found = in_node("rules.mjs", [spotter_case(*case) for case in cases], "spotter")
    n_words = 0
    for seed, (case, theirs) in enumerate(zip(cases, found, strict=True)):
        words, pending = spot(*case)
        mine = [(one.word, one.start, one.end, one.confidence) for one in words]
        assert [tuple(one.values()) for one in theirs["words"]] == mine, f"seed {seed}"
        assert theirs["pending"] == pending, f"seed {seed}"
        n_words += len(words)
    assert n_words > N_SPOTTERS


def test_a_word_may_have_any_name():
    posteriors = np.repeat(np.eye(3, dtype=np.float32), 30, axis=0)
    tokens = ["_blank_", "constructor", "toString"]
    case = spotter_case(Spotting(), posteriors, []) | {"tokens": tokens}
    (found,) = in_node("rules.mjs", [case], "spotter")
    assert [one["word"] for one in found["words"]] == tokens[1:]


def test_a_slider_does_what_thresholds_do():
    values = [0.2, 0.9, 0.4]
    cases = [draw_case(seed) for seed in range(50)]
    given = [spotter_case(*case, thresholds=values) for case in cases]
    found = in_node("rules.mjs", given, "spotter")
    own = dict(zip(["yes", "no", "go"], values, strict=True))
    for (spotting, posteriors, sizes), theirs in zip(cases, found, strict=True):
        slid = Spotting(**spotting.to_dict() | {"thresholds": own})
        words, _ = spot(slid, posteriors, sizes)
        assert [(one["word"], one["start"]) for one in theirs["words"]] == [
            (one.word, one.start) for one in words
        ]


def draw_sound(seed):
    """Noise whose level jumps, with bursts, and silence."""
    random = np.random.default_rng(seed)
    levels = 10 ** random.uniform(-4.5, -0.5, 12) * random.integers(0, 2, 12)
    parts = [
        level * random.standard_normal(random.integers(0, 3000)) for level in levels for _ in "ab"
    ]
    return np.concatenate(parts).clip(-1, 1).astype(np.float32)


@pytest.mark.parametrize("rate", [16_000, 8_000, 11_025])
def test_the_gate_passes_the_same_samples(rate):
    gatings = [
        Gating(),
        Gating(margin_db=8, hangover_seconds=0, preroll_seconds=0, floor_seconds=1),
        Gating(hangover_seconds=0.125, preroll_seconds=1, floor_seconds=1.5, least_db=-40),
    ]
    cases = [(gatings[seed % 3], draw_sound(seed)) for seed in range(6)]
    sizes = [0, 1, 7, 4000, 161, 5000]
    given = [
        {"gating": asdict(gating), "rate": rate, "sizes": sizes, "samples": sound.tolist()}
        for gating, sound in cases
    ]
    n_stretches = 0
    for (gating, sound), theirs in zip(cases, in_node("rules.mjs", given, "gate"), strict=True):
        gate, mine = Gate(gating, rate), []
        for piece in np.split(sound, np.minimum(np.cumsum(sizes), len(sound))):
            mine += gate.push(piece)
        mine += gate.finish()
        n_stretches += len(mine)
        assert [(one["start"], one["opens"], one["closes"]) for one in theirs] == [
            (one.start, one.opens, one.closes) for one in mine
        ]
        for one, other in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(one.samples, np.array(other["samples"], np.float32))
    assert n_stretches > 12


@pytest.mark.parametrize(
    ("source", "target", "bound"),
    [
        (48_000, 16_000, 1e-6),
        (24_000, 16_000, 1e-6),
        (8_000, 16_000, 1e-6),
        (44_100, 16_000, 1e-4),
        (22_050, 16_000, 1e-4),
        (96_000, 16_000, 1e-4),
        (16_000, 11_025, 1e-4),
    ],
)
def test_resampled_speech_equals_that_of_soxr(source, target, bound):
    speech = soxr.resample(load_audio(CLIPS / "stop.flac", 16_000), 16_000, source)
    sizes = [0, 1, 1000, 128, 4096]
    case = {"source": source, "target": target, "sizes": sizes, "samples": speech.tolist()}
    (found,) = in_node("rules.mjs", [case], "resampler")
    expected = soxr.resample(speech, source, target, quality="HQ")
    assert len(found) == len(expected)
    error = np.array(found) - expected
    assert np.sqrt(np.mean(error**2)) < bound * np.sqrt(np.mean(expected**2))


def test_resampling_does_not_depend_on_the_cuts_and_removes_what_would_fold():
    sound = (0.5 * np.sin(2 * np.pi * 12_000 / 48_000 * np.arange(24_000))).tolist()
    given = [
        {"source": 48_000, "target": 16_000, "sizes": sizes, "samples": sound}
        for sizes in ([], [1] * 50, [999, 0, 5000])
    ]
    whole, *others = in_node("rules.mjs", given, "resampler")
    assert all(other == whole for other in others)
    assert np.abs(whole[500:-500]).max() < 1e-5


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 96_000])
@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_the_rate_of_a_file_is_read_from_its_header(rate, kind, tmp_path):
    file = tmp_path / "a"
    soundfile.write(file, np.zeros(1000), rate, format=kind)
    cases = [{"content": list(content)} for content in (file.read_bytes(), b"RIFF", b"text" * 20)]
    assert in_node("rules.mjs", cases, "rate") == [rate, None, None]
