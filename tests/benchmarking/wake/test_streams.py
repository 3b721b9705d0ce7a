"""The streams of the benchmark: the same words in every condition, and rooms."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import fftconvolve

from speech_rnn.audio import write_audio
from speech_rnn.benchmarking.wake import WakeStreams
from speech_rnn.benchmarking.wake.conditions import CLEAN_DB, SPEECH_DB
from speech_rnn.benchmarking.wake.scenes import InRoom, OfWords
from speech_rnn.data.folder import Folder
from speech_rnn.errors import ConfigurationError, DataError
from tests.detection.test_det_curve import sound
from tests.tones import TONES_HZ, tone

RATE = 16_000


def write_words(folder, clips=12):
    """Write one folder a word, and an impulse response."""
    for number, word in enumerate(TONES_HZ):
        (folder / "words" / word).mkdir(parents=True)
        for clip in range(clips):
            samples = tone(word, 0.4, 100 * number + clip)
            write_audio(folder / f"words/{word}/{clip}.wav", samples, RATE)
    response = np.random.default_rng(0).standard_normal(3000) * np.exp(-np.arange(3000) / 500)
    response[:200], response[200] = 0.0, 4.0
    write_audio(folder / "hall.wav", (response / 8).astype(np.float32), RATE)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_words(tmp_path_factory.mktemp("words"))


def streams(folder, **settings):
    given = {"words": ("low", "high"), "snr_db": (5.0,), "rooms": (str(folder / "hall.wav"),)}
    return WakeStreams(str(folder / "words"), hours=0.02, **given | settings)


def samples(scene, block_seconds=0.5):
    return np.concatenate(list(scene.blocks(block_seconds)))


def test_every_condition_has_the_same_words_at_the_same_times(folder):
    scenes = streams(folder).scenes()
    assert list(scenes) == ["clean", "5 dB", "hall"]
    clean, noisy, hall = scenes.values()
    assert clean.labels == noisy.labels == hall.labels
    assert {label.word for label in clean.labels} == {"low", "high"}
    assert streams(folder).scenes()["5 dB"].labels == noisy.labels
    assert streams(folder, seed=1).scenes()["5 dB"].labels != noisy.labels


def test_words_are_of_the_test_split_and_as_loud_in_every_condition(folder):
    scenes = streams(folder).scenes()
    test = {row.audio for row in Folder(str(folder / "words")).prepare().split("test")}
    for name, snr_db in (("clean", CLEAN_DB), ("5 dB", 5.0)):
        scene = scenes[name]
        pieces = [piece for segment in scene.segments for piece in segment.pieces]
        assert {piece.audio for piece in pieces} <= test
        assert {piece.snr_db for piece in pieces} == {snr_db}
        assert scene.noise_db + snr_db == SPEECH_DB


@settings(max_examples=8)
@given(st.sampled_from([0.013, 0.08, 0.5, 3.0, 9.0]), st.integers(1, 3000))
def test_a_room_is_a_convolution_however_the_blocks_are_cut(block_seconds, n_response):
    given = sound(["low", "high", "low"], gap=3.0, seed=3)
    response = np.random.default_rng(n_response).standard_normal(n_response).astype(np.float32)
    whole = fftconvolve(given.samples, response / np.linalg.norm(response))[: len(given.samples)]
    inside = InRoom(given, response)
    np.testing.assert_allclose(samples(inside, block_seconds), whole, atol=1e-4)
    assert (inside.labels, inside.duration) == (given.labels, given.duration)


def test_noise_is_as_loud_in_a_room(folder):
    scenes = streams(folder, snr_db=(-10.0,), gap_seconds=(5.0, 6.0)).scenes()
    outside = samples(scenes["-10 dB"])
    inside = samples(InRoom(scenes["-10 dB"], scenes["hall"].response))
    assert 20 * np.log10(inside.std() / outside.std()) == pytest.approx(0, abs=3)


def test_labels_of_some_words_are_left():
    given = sound(["low", "high", "low"])
    assert [label.word for label in OfWords(given, ("low",)).labels] == ["low", "low"]


def test_wrong_streams_are_reported(folder):
    with pytest.raises(ConfigurationError, match=r"snr_db=99 must lie in \[-20, 60\]"):
        streams(folder, snr_db=(99.0,))
    with pytest.raises(ConfigurationError, match="must name at least one word"):
        streams(folder, words=())
    with pytest.raises(DataError, match="has no folder for 'alexa'"):
        streams(folder, words=("alexa",)).scenes()
