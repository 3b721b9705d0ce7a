"""What befalls a clip, against its definition; and the sweep as a user runs it."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.data.manifest import read_manifest
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.evaluation.robustness import Condition, Conditions, band_limited, noisy, reverberant
from tests.commands import speech_rnn
from tests.test_recognizer import untrained
from tests.tones import tone, write_corpus

RATE = 16_000


def hiss(seed=0, n_samples=50_000):
    return np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)


@settings(max_examples=30, deadline=None)
@given(st.integers(10, 4000), st.floats(-10, 40), st.integers(0, 100))
def test_the_snr_is_exact(n_samples, snr_db, seed):
    random = np.random.default_rng(seed)
    clip, noise = random.standard_normal((2, n_samples)).astype(np.float32)
    added = noisy(clip, noise, snr_db).astype(np.float64) - clip
    found = 10 * np.log10(np.mean(clip.astype(np.float64) ** 2) / np.mean(added**2))
    assert found == pytest.approx(snr_db, abs=0.01)


def test_a_band_is_kept_and_the_rest_is_not():
    time = np.arange(RATE) / RATE
    for hz, gain in ((100, 0.0), (300, 0.5**0.5), (1000, 1.0), (3400, 0.5**0.5), (6000, 0.0)):
        found = band_limited(np.sin(2 * np.pi * hz * time).astype(np.float32), RATE, 300, 3400)
        assert np.std(found[4000:]) * 2**0.5 == pytest.approx(gain, abs=0.02)
    clip = tone("low")
    assert np.array_equal(band_limited(clip, RATE, 0, RATE / 2), clip)


def test_a_room_is_a_convolution_that_keeps_level_and_time():
    clip = tone("low")
    response = np.zeros(900, dtype=np.float32)
    response[[100, 400, 700]] = 1.0, 0.5, -0.25  # 100 samples of nothing, then the direct sound
    found = reverberant(clip, response)
    plain = np.convolve(clip, response)[100 : 100 + len(clip)]
    plain *= np.std(clip) / np.std(plain)
    assert found == pytest.approx(plain, rel=0.02, abs=1e-3)
    assert reverberant(clip, np.eye(1, 5, 2, dtype=np.float32)[0]) == pytest.approx(clip, abs=1e-6)


@pytest.mark.parametrize(
    ("condition", "length", "level"),
    [
        (Condition("clean"), 1.0, 1.0),
        (Condition("gain_db", -20.0), 1.0, 0.1),
        (Condition("speed", 1.25), 0.8, 1.0),
        (Condition("speed", 0.8), 1.25, 1.0),
        (Condition("snr_db", 0.0, (hiss(), hiss(1)), kind="hiss"), 1.0, 2**0.5),
    ],
)
def test_conditions_do_what_they_say(condition, length, level):
    clip = tone("low", 1.0)
    found = condition(clip, RATE, "a")
    assert len(found) == round(length * len(clip))
    assert np.std(found) / np.std(clip) == pytest.approx(level, rel=0.1)
    assert np.array_equal(found, condition(clip, RATE, "a"))


def test_noise_is_drawn_by_clip_seed_kind_and_side():
    clip = tone("low")
    drawn = [
        Condition("snr_db", 0.0, (hiss(), hiss(1)), seed, kind)(clip, RATE, key, side)
        for seed in (0, 1)
        for kind in ("fan", "rain")
        for key in "ab"
        for side in (0, 1)
    ]
    assert len({samples.tobytes() for samples in drawn}) == 16


@settings(max_examples=20, deadline=None)
@given(st.floats(-10, 30), st.integers(1, 20_000), st.text(max_size=5))
def test_the_snr_over_a_kind_is_exact(snr_db, n_samples, key):
    """Also where the clip is longer than the noise."""
    clip = hiss(2, n_samples)
    noisy = Condition("snr_db", snr_db, (hiss(0, 900),) * 2, kind="hiss")(clip, RATE, key)
    added = noisy.astype(np.float64) - clip
    found = 10 * np.log10(np.mean(clip.astype(np.float64) ** 2) / np.mean(added**2))
    assert found == pytest.approx(snr_db, abs=0.01)


NOISE_ALONE = {"gain_db": (), "speed": (), "band_hz": ()}


@pytest.mark.slow
def test_kinds_are_those_of_the_folders_and_those_that_are_made(tmp_path):
    for place in ("streets/one.wav", "streets/two.wav", "hens/one.wav"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        write_audio(tmp_path / place, 0.1 * hiss(0, RATE), RATE)
    clips = {name: [np.full(8000, 3000, dtype=np.int16)] for name in "abcd"}
    found = list(Conditions([10, 0], [str(tmp_path)], **NOISE_ALONE).each(RATE, clips))
    kinds = ["steady", "modulated", "clatter", "hum", "tones", "babble", "talker"]
    expected = [(kind, snr_db) for kind in (*kinds, "hens", "streets") for snr_db in (10.0, 0.0)]
    assert [(one.kind, one.value) for one in found] == [("", None), *expected]
    some = Conditions([0], [str(tmp_path)], kinds=["babble", "hens"], **NOISE_ALONE)
    assert [one.kind for one in some.each(RATE, clips)] == ["", "babble", "hens"]
    with pytest.raises(ConfigurationError, match=r"noise \['hen'\]; did you mean 'hens'"):
        list(Conditions(noise=[str(tmp_path)], kinds=["hen"]).each(RATE))


@pytest.mark.slow
def test_the_sweep_from_the_command_line(tmp_path):
    manifest = write_corpus(tmp_path / "tones", clips=(1, 1, 4))
    untrained().save(tmp_path / "model.safetensors")
    (tmp_path / "noise").mkdir()
    write_audio(tmp_path / "noise/bell.wav", tone("high", 3.0), RATE)
    arguments = [
        *("model=model.safetensors", "data=manifest", f"data.path={manifest}", "output_dir=out"),
        *("conditions.noise=[noise]", "conditions.rooms=[noise]", "conditions.snr_db=[10,-5]"),
        "conditions.kinds=[talker,bell,hum]",  # three speakers are too few for a babble
    ]
    result = speech_rnn("stress", *arguments, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "out/stress.json").read_text())
    rows = found["rows"]
    names = [row["condition"] for row in rows]
    others = [*["gain_db"] * 5, *["speed"] * 4, *["band_hz"] * 2, "room"]
    assert names == ["clean", *["snr_db"] * 6, *others]
    assert all(row["accuracy"]["total"] == 12 for row in rows)
    shares = {}
    for row in rows[1:7]:
        shares.setdefault(row["kind"], []).append(row["accuracy"]["accuracy"])
    assert set(shares) == {"talker", "bell", "hum"}
    assert [len(own) for own in shares.values()] == [2, 2, 2]
    means = [sum(own) / 2 for own in shares.values()]
    assert means == sorted(means)  # the worst first
    at_10 = sum(own[0] for own in shares.values()) / 3
    assert found["mean_over_kinds"]["10"] == pytest.approx(at_10)
    assert f"mean over kinds of noise: {100 * at_10:.2f} % at 10 dB" in result.stdout
    for told in ("in noise, the worst kind first", "bell, -5 dB", "gain_db -30.0"):
        assert told in result.stdout
    loud = "conditions.snr_db=[loud]"
    wrong = speech_rnn("stress", *arguments, loud, cwd=tmp_path, module=True)
    assert wrong.returncode == 2
    assert "conditions.snr_db=['loud'] must be of type list (number)" in wrong.stderr


def test_noise_is_worse_than_none(tmp_path):
    rows = read_manifest(write_corpus(tmp_path, clips=(1, 1, 4)))
    conditions = Conditions(snr_db=[-20], kinds=["steady"], **NOISE_ALONE)
    (clean, noise) = conditions.sweep(untrained(), rows).evaluations
    assert clean[1].rows[0].hypothesis != noise[1].rows[0].hypothesis


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"snr_db": [float("nan")]}, "snr_db=nan must be a number"),
        ({"speed": [0]}, "speed=0 must be a number above 0.1"),
        ({"speed": [0.004]}, "speed=0.004 must be a number above 0.1"),
        ({"band_hz": ["3400-300"]}, "band_hz='3400-300' must be LOW-HIGH"),
        ({"band_hz": ["wide"]}, "band_hz='wide'"),
    ],
)
def test_wrong_conditions_are_refused(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Conditions(**wrong)


def test_an_empty_folder_of_noise_is_reported(tmp_path):
    with pytest.raises(DataError, match=r"noise=.* is neither a sound file nor a folder of them"):
        list(Conditions(noise=[str(tmp_path)]).each(RATE))
