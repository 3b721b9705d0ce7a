"""Noise by kinds: what is drawn, from what, and that its draws are seeded."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import load_audio, write_audio
from speech_rnn.data.babble import babble, by_side, clips_by_talker, sides_of, unit_power
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.made_noise import MAKERS
from speech_rnn.data.noise_bank import NoiseBank, kinds_of
from speech_rnn.data.splits import split_by_hash
from speech_rnn.errors import ConfigurationError, DataError
from tests.real import SHARED, needs_shared

RATE = 16_000
SCENE = 5 * RATE


def sine(hz, n_samples, rate=RATE):
    return np.sin(2 * np.pi * hz * np.arange(n_samples) / rate).astype(np.float32)


def loud_hz(samples, rate=RATE, below_db=25.0):
    """Return the frequencies, in Hz, whose level is near that of the loudest."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    peaks = np.flatnonzero(power > power.max() * 10 ** (-below_db / 10))
    return {round(place * rate / len(samples) / 50) * 50 for place in peaks}


def of_speakers(n_speakers, n_clips=3):
    """Return clips by speaker, whose voices are tones 200 Hz apart, between silence."""
    clips = {}
    for number in range(n_speakers):
        voice = 0.3 * sine(400 + 200 * number, RATE // 2)
        clip = np.concatenate([np.zeros(4000), voice, np.zeros(4000)])
        clips[f"speaker {number}"] = [(32767 * clip).astype(np.int16)] * n_clips
    return clips


def hz_of(name):
    return 400 + 200 * int(name.split()[1])


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("rate", [8000, 16000])
def test_a_made_kind_is_sound_of_unit_power_in_each_scene(name, rate):
    bank = NoiseBank(kinds=[name], seconds=10)
    first, second = bank.draw(rate)[name]
    assert first is second
    assert first.dtype == np.float32
    assert len(first) == 10 * rate
    assert np.isfinite(first).all()
    scenes = first.reshape(2, -1)
    assert (scenes**2).mean(axis=1) == pytest.approx(1, abs=0.01)
    assert not np.array_equal(*scenes)


def levels(samples, size=RATE // 50):
    """Return the level of each 20 ms in dB."""
    power = (samples[: len(samples) // size * size].reshape(-1, size) ** 2).mean(axis=1)
    return 10 * np.log10(power + 1e-12)


def test_made_kinds_differ_in_what_they_are_named_for():
    drawn = {name: sides[0] for name, sides in NoiseBank(seconds=60).draw(RATE).items()}
    assert list(drawn) == list(MAKERS)
    spread = {name: np.ptp(np.quantile(levels(noise), [0.1, 0.9])) for name, noise in drawn.items()}
    crest = {name: np.abs(noise).max() / noise.std() for name, noise in drawn.items()}
    flat = {}  # spectral flatness: 1 of white noise, 0 of a tone
    for name, noise in drawn.items():
        frames = noise[: len(noise) // 2048 * 2048].reshape(-1, 2048) * np.hanning(2048)
        power = np.abs(np.fft.rfft(frames)) ** 2 + 1e-12
        flat[name] = np.median(np.exp(np.log(power).mean(axis=1)) / power.mean(axis=1))
    assert spread["modulated"] > 2 * spread["steady"]
    assert crest["clatter"] > 1.5 * crest["steady"]
    assert flat["hum"] < 0.2 * flat["steady"]
    assert flat["tones"] < 0.1 * flat["steady"]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 1000))
def test_draws_are_seeded_and_kinds_are_drawn_apart(seed):
    clips = of_speakers(8)
    drawn = NoiseBank(seconds=2, seed=seed).draw(RATE, clips=clips)
    again = NoiseBank(seconds=2, seed=seed, without=["hum"]).draw(RATE, clips=clips)
    other = NoiseBank(seconds=2, seed=seed + 1).draw(RATE, clips=clips)
    assert list(drawn) == [*MAKERS, "babble", "talker"]
    assert list(again) == [name for name in drawn if name != "hum"]
    for name, sides in again.items():
        for side in (0, 1):
            assert np.array_equal(sides[side], drawn[name][side])
            assert not np.array_equal(sides[side], other[name][side])


# Babble


@settings(max_examples=20, deadline=None)
@given(n_talkers=st.integers(1, 8), seed=st.integers(0, 100))
def test_babble_has_as_many_talkers_as_it_is_given(n_talkers, seed):
    tones = [300 + 300 * number for number in range(n_talkers)]
    talkers = [lambda n, random, hz=hz: 0.01 * hz * sine(hz, n) for hz in tones]
    mixed = babble(talkers, SCENE, np.random.default_rng(seed))
    assert loud_hz(mixed, below_db=12) == set(tones)  # whatever their levels were


@settings(max_examples=10, deadline=None)
@given(n_speakers=st.integers(16, 24), seed=st.integers(0, 100))
def test_a_crowd_has_three_to_eight_talkers_and_none_of_the_own_side(n_speakers, seed):
    clips = of_speakers(n_speakers)
    drawn = NoiseBank(kinds=["babble", "talker"], seconds=10, seed=seed).draw(RATE, clips=clips)
    sides = sides_of(clips)
    for side in (0, 1):
        others = {hz_of(name) for name in clips if sides[name] != side}
        for scene in drawn["babble"][side].reshape(2, -1):
            assert loud_hz(scene) <= others
            assert 3 <= len(loud_hz(scene)) <= 8
        for scene in drawn["talker"][side].reshape(2, -1):
            assert len(loud_hz(scene)) == 1
            assert loud_hz(scene) <= others


@given(st.sets(st.text(min_size=1, max_size=8), max_size=30))
def test_sides_are_halves_that_the_names_alone_decide(names):
    sides = sides_of(names)
    assert sides == sides_of(sorted(names, reverse=True))
    assert set(sides) == names
    n_first = list(sides.values()).count(0)
    assert n_first - (len(names) - n_first) in (0, 1)


def test_clips_are_played_backwards_without_the_silence_around_them():
    rising = np.linspace(0.1, 0.5, 8000, dtype=np.float32) * sine(500, 8000)
    clip = (32767 * np.concatenate([np.zeros(4000), rising, np.zeros(4000)])).astype(np.int16)
    one, other = by_side({"a": [clip], "b": [clip]}, RATE)
    assert len(one) == len(other) == 1
    talk = one[0](16_000, np.random.default_rng(0))
    assert len(talk) == 16_000
    found = levels(talk)
    assert (np.diff(found[2:18]) < 0).all()
    assert (found < -60).mean() < 0.15  # of a clip as it is one half is silence


def test_too_few_talkers_make_no_babble():
    for n_speakers, kinds in ((1, set()), (2, {"talker"}), (4, {"talker", "babble"})):
        drawn = NoiseBank(seconds=1).draw(RATE, clips=of_speakers(n_speakers))
        assert set(drawn) - set(MAKERS) == kinds


def test_talkers_of_a_cache(tmp_path):
    for name in ("one", "two", "three", "hush"):
        write_audio(tmp_path / f"{name}.wav", 0.5 * sine(500, 800), RATE)
    rows = [
        Utterance(str(tmp_path / "one.wav"), "yes", "anna"),
        Utterance(str(tmp_path / "two.wav"), "no", "anna"),
        Utterance(str(tmp_path / "three.wav"), "_unknown_"),
        Utterance(str(tmp_path / "hush.wav"), "_silence_"),
        Utterance(str(tmp_path / "one.wav"), "yes", "nobody", gain=0.0),
    ]
    found = clips_by_talker(AudioCache(rows, RATE))
    assert {name: len(clips) for name, clips in found.items()} == {"anna": 2, rows[2].audio: 1}


# Recordings


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["n/tap.wav", "n/hens_1.wav", "n/hens_2.wav"], {"tap": 1, "hens": 2}),
        (["n/street/a.wav", "n/street/b.wav", "n/farm/a.wav"], {"street": 2, "farm": 1}),
        (["n/tap.wav", "n/farm/a.wav", "n/farm/b.wav"], {"tap": 1, "farm": 2}),
        (["x/one/tap.wav", "y/two/hens.wav"], {"tap": 1, "hens": 1}),
        (["n/1.wav", "n/2.wav"], {"1": 1, "2": 1}),
    ],
)
def test_kinds_are_folders_or_names(files, expected):
    found = kinds_of(map(Path, files))
    assert {name: len(own) for name, own in found.items()} == expected


def test_recordings_are_kinds_beside_those_of_a_corpus(tmp_path):
    for name, hz, level in (("fan", 300, 0.5), ("saw_1", 900, 0.01), ("saw_2", 2100, 0.9)):
        write_audio(tmp_path / f"{name}.wav", level * sine(hz, 2 * RATE), RATE)
    write_audio(tmp_path / "own.wav", 0.1 * sine(1500, 8000, 8000), 8000)
    bank = NoiseBank([str(tmp_path / "fan.wav"), *map(str, tmp_path.glob("saw*.wav"))], seconds=3)
    drawn = bank.draw(RATE, files=[tmp_path / "own.wav"])
    assert set(drawn) == {*MAKERS, "fan", "saw", "own"}
    assert loud_hz(drawn["fan"][0]) == {300}
    assert loud_hz(drawn["own"][0]) == {1500}
    assert loud_hz(drawn["saw"][0]) == {900, 2100}  # as loud, whatever their level was
    assert len(drawn["saw"][0]) == 3 * RATE  # and no longer than asked for
    assert len(drawn["fan"][0]) == 2 * RATE


def test_one_kind_may_be_named_without_a_list():
    assert [*NoiseBank(kinds="hum", seconds=1).draw(RATE)] == ["hum"]
    assert "hum" not in NoiseBank(without="hum", seconds=1).draw(RATE)


def test_a_recorded_kind_replaces_a_made_one(tmp_path):
    write_audio(tmp_path / "clatter.wav", 0.5 * sine(1000, RATE), RATE)
    drawn = NoiseBank([str(tmp_path)], seconds=1).draw(RATE)
    assert loud_hz(drawn["clatter"][0]) == {1000}
    assert sorted(drawn) == sorted(MAKERS)


def test_talk_is_split_by_its_files_and_replaces_the_clips(tmp_path):
    hz = {}
    for number in range(12):
        file = tmp_path / f"reader_{number}.wav"
        hz[file.name] = 400 + 200 * number
        write_audio(file, 0.3 * sine(hz[file.name], RATE), RATE)
    bank = NoiseBank(talk=[str(tmp_path)], kinds=["talker"], seconds=30)
    heard = {}
    for split in ("train", "test"):
        noise, other = bank.draw(RATE, clips=of_speakers(2), split=split)["talker"]
        assert noise is other
        heard[split] = set().union(*map(loud_hz, noise.reshape(6, -1)))
        assert heard[split] <= {hz[name] for name in hz if split_by_hash(name) == split}
    assert heard["train"]
    assert heard["test"]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"seconds": 0}, ConfigurationError, "seconds=0 must be above 0"),
        ({"without": ["clater"]}, ConfigurationError, "did you mean 'clatter'"),
        ({"kinds": ["babble"]}, ConfigurationError, r"unknown kinds of noise \['babble'\]"),
        ({"kinds": ["hum"], "without": ["hum"]}, ConfigurationError, "no kind of noise is left"),
        ({"recordings": ["none"]}, DataError, "recordings='none' is neither a sound file"),
        ({"talk": ["none"]}, DataError, "talk='none' is neither a sound file"),
    ],
)
def test_wrong_settings_are_reported(changes, error, message):
    with pytest.raises(error, match=message):
        NoiseBank(**changes).draw(RATE)


def test_silence_has_no_power_to_change():
    assert not unit_power(np.zeros(10, dtype=np.float32)).any()
    assert len(unit_power(np.zeros(0, dtype=np.float32))) == 0


@needs_shared
def test_people_who_talk_make_babble():
    bank = NoiseBank([str(SHARED / "noise")], talk=[str(SHARED / "speech")], seconds=20)
    drawn = bank.draw(RATE)
    assert list(drawn)[:7] == [*MAKERS, "babble", "talker"]
    assert "running_tap" in drawn
    babble_db, talker_db = (
        np.quantile(levels(drawn[name][0]), 0.05) for name in ("babble", "talker")
    )
    assert babble_db > talker_db + 5  # between words somebody else talks
    tap = load_audio(SHARED / "noise/running_tap.wav", RATE, check=False)
    assert len(drawn["running_tap"][0]) == min(len(tap), 20 * RATE)
