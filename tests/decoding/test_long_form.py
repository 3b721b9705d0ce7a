"""Long sound: in bounded memory, with the words of the whole."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import load_audio, resample, write_audio
from speech_rnn.decoding.greedy import greedy_ctc
from speech_rnn.decoding.hypothesis import Hypothesis
from speech_rnn.decoding.long_form import LONG_SECONDS, joined, stretches, windows
from speech_rnn.listening.transcribing import transcribe_files
from speech_rnn.vocabulary import Vocabulary
from tests.test_recognizer import untrained
from tests.tones import tone

STEP = 0.03
VOCABULARY = Vocabulary.of(["low", "high"], "words")


def steps_of(words, n_steps):
    """Log-probabilities of words, each (token, first step, last step)."""
    probabilities = np.full((n_steps, 3), 0.001, dtype=np.float32)
    probabilities[:, 0] = 1.0
    for token, first, last in words:
        probabilities[first : last + 1, 0] = 0.001
        probabilities[first : last + 1, token] = 1.0
    return np.log(probabilities / probabilities.sum(axis=1, keepdims=True))


def recognize(log_probs, answer=None, block=700):
    """The log-probabilities are the sound: a sample is a step, so that windows can be compared."""
    sound = np.arange(len(log_probs)).astype("f4")
    blocks = [sound[first : first + block] for first in range(0, len(sound), block)]
    cut = list(windows(blocks, 1, round(1 / STEP)))
    assert max(len(samples) for samples, _ in cut) * STEP <= 36.1
    heard = [log_probs[samples.astype(int)][counts] for samples, counts in cut]
    assert len(np.concatenate(heard)) == len(log_probs)
    answers = []
    for start, stretch in stretches(heard, STEP):
        assert len(stretch) * STEP <= 20.1
        found = answer or greedy_ctc(stretch, VOCABULARY, STEP, len(stretch) * STEP)
        answers.append((start, found))
    return joined(answers)


@given(
    st.lists(st.tuples(st.integers(1, 2), st.integers(1, 30), st.integers(1, 2000)), max_size=12)
)
def test_the_words_are_those_of_the_whole(drawn):
    words, place = [], 0
    for token, size, gap in drawn:
        words.append((token, place + gap, place + gap + size - 1))
        place += gap + size
    log_probs = steps_of(words, place + 5)
    whole = greedy_ctc(log_probs, VOCABULARY, STEP, len(log_probs) * STEP)
    found = recognize(log_probs)
    assert [word.word for word in found.words] == [word.word for word in whole.words]
    for one, other in zip(found.words, whole.words, strict=True):
        assert one.start == pytest.approx(other.start)
        assert one.end == pytest.approx(other.end)
    assert found.reason == whole.reason


def test_speech_without_a_pause_is_cut_where_it_is_quietest():
    words = [(1 + number % 2, 10 * number, 10 * number + 8) for number in range(400)]
    found = recognize(steps_of(words, 4000))
    assert len(found.words) == 400


def test_sentences_outside_of_a_grammar_are_unknown():
    log_probs = steps_of([(1, 50, 60)], 3000)
    found = recognize(log_probs, Hypothesis((), 0.0, "unknown"))
    assert found == Hypothesis((), 1.0, "unknown")


def listening():
    """An untrained recogniser of sequences."""
    return untrained("words", bidirectional=False, pooling=None, dense=None, n_layers=1)


def test_a_file_in_windows_is_nearly_the_file_as_a_whole(tmp_path):
    recognizer = listening()
    random = np.random.default_rng(0)
    samples = np.concatenate([tone("low", 0.5, seed) for seed in range(150)])
    samples += 0.01 * random.standard_normal(len(samples)).astype(np.float32)
    write_audio(tmp_path / "long.wav", samples, 16_000)
    duration = len(samples) / 16_000
    assert duration > LONG_SECONDS
    assert recognizer.is_long(duration)
    assert not untrained().is_long(duration)  # a class is of the whole
    (result,) = transcribe_files(recognizer, [("long", tmp_path / "long.wav")])
    assert result.duration == pytest.approx(duration)
    assert result.hypothesis == recognizer.transcribe(tmp_path / "long.wav")
    alone = recognizer.transcribe(samples)
    assert alone.text == result.hypothesis.text


PEAKS = """
import sys
from speech_rnn.listening.transcribing import transcribe_files
from speech_rnn.recognizer import Recognizer
recognizer = Recognizer.load("model.safetensors")
for result in transcribe_files(recognizer, [(path, path) for path in sys.argv[1:]]):
    assert result.error is None, result.error
    lines = open("/proc/self/status").read().splitlines()
    print(*(line.split()[1] for line in lines if line.startswith("VmHWM")))  # so far
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    """A quarter of an hour more is 58 MB of samples and more of features; the process has none."""
    listening().save(tmp_path / "model.safetensors")
    minute = np.concatenate([tone("low", 1.0, seed) for seed in range(60)])
    for minutes in (2, 17):
        with soundfile.SoundFile(tmp_path / f"{minutes}.wav", "w", 16_000, 1) as file:
            for _ in range(minutes):
                file.write(minute)
    command = [sys.executable, "-c", PEAKS, "2.wav", "17.wav"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    short, long = map(int, said.stdout.split())  # kB
    assert (long - short) / 1024 < 40


def test_a_long_file_of_another_rate_is_the_sound_itself(tmp_path):
    recognizer = listening()
    samples = np.concatenate([tone("low", 0.5, seed) for seed in range(130)])
    soundfile.write(tmp_path / "wide.flac", resample(samples, 16_000, 22_050), 22_050)
    found = recognizer.transcribe(tmp_path / "wide.flac")
    expected = recognizer.transcribe(load_audio(tmp_path / "wide.flac"))
    assert found.text == expected.text
    assert [word.start for word in found.words] == [word.start for word in expected.words]


def test_a_long_file_that_is_cut_short_says_so(tmp_path):
    write_audio(tmp_path / "long.flac", np.tile(tone("low", 1.0), 70))
    content = (tmp_path / "long.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(content[: len(content) // 2])
    (result,) = transcribe_files(listening(), [("cut.flac", tmp_path / "cut.flac")])
    assert result.error.startswith("cut.flac: is cut short")
