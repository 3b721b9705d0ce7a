"""The recogniser of the package on ten real clips, which every checkout has."""

from pathlib import Path

import numpy as np
import pytest

from speech_rnn import Recognizer, load_audio

CLIPS = sorted((Path(__file__).parent / "clips").glob("*.flac"))


@pytest.fixture(scope="module")
def starter():
    return Recognizer.load()


def test_there_is_a_clip_of_each_command():
    commands = {"yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go"}
    assert {clip.stem for clip in CLIPS} == commands


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip.stem)
def test_the_starter_answers_a_real_clip(starter, clip):
    assert starter.transcribe(clip).text == clip.stem


@pytest.mark.parametrize("seconds", [0.01, 0.25])
def test_the_stream_of_a_real_clip_has_the_posteriors_of_the_clip(starter, seconds):
    waveform = load_audio(CLIPS[0], starter.sample_rate)
    log_probs, _ = starter.log_probs(waveform[None], [len(waveform)])
    stream = starter.stream().posteriors
    size = round(seconds * starter.sample_rate)
    chunks = [waveform[start : start + size] for start in range(0, len(waveform), size)]
    pieces = [piece for chunk in chunks for piece in stream.push(chunk)] + stream.finish()
    streamed = np.concatenate([piece.values for piece in pieces])
    assert np.allclose(streamed, np.exp(log_probs[0]), atol=1e-4)
