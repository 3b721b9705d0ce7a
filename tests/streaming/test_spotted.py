"""A clip that is answered as a stream is: the words of the stream, at the threshold of clips."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.decoding.confidence import Calibration
from speech_rnn.decoding.decoder import Decoder
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.training.clip_threshold import THRESHOLDS, clip_threshold
from tests.listeners import RATE, scene, train_listener

LASTING = Spotting(smoothing="mean", smoothing_seconds=0.2)
STEP = 0.03


@pytest.fixture
def listener():
    """Return a recogniser that answers clips as it listens, at a threshold of clips of 0.4."""
    recognizer = train_listener(bidirectional=False)
    recognizer.spotting = LASTING
    recognizer.calibration = Calibration(unknown_below=0.4)
    return recognizer


def words(found):
    return [(word.word, round(word.start, 3)) for word in found]


@settings(max_examples=10)
@given(st.lists(st.sampled_from(["low", "middle", "high"]), max_size=4), st.integers(0, 99))
def test_a_clip_has_the_words_of_its_stream(spoken, seed):
    recognizer = train_listener(bidirectional=False)
    recognizer.spotting = LASTING
    recognizer.calibration = Calibration(unknown_below=0.4)
    waveform, _ = scene(spoken, seed=seed)
    stream = recognizer.stream(spotting=replace(LASTING, threshold=0.4), check=False)
    heard = [*stream.push(waveform), *stream.finish()]
    answer = recognizer.transcribe(waveform)
    assert words(answer.words) == words(sorted(heard, key=lambda word: word.start))
    assert answer.text.split() == spoken
    assert (answer.reason == "silence") == (not spoken)


def test_a_long_sound_has_the_words_of_its_parts(listener):
    one, truth = scene(["low", "high", "middle"], seed=3)
    answer = listener.transcribe(np.tile(one, 80)[: round(70 * RATE)])
    n_whole = int(70 * RATE) // len(one)
    assert answer.text.split()[: 3 * n_whole] == ["low", "high", "middle"] * n_whole
    starts = [word.start for word in answer.words]
    assert starts == sorted(starts)
    late = 3 * (n_whole - 1)
    assert starts[late] == pytest.approx(
        (n_whole - 1) * len(one) / RATE + truth[0][1], abs=3 * STEP
    )


def test_clips_have_a_threshold_of_their_own(listener):
    waveform, _ = scene(["low"], seed=1)
    (word,) = listener.transcribe(waveform).words
    listener.spotting = replace(LASTING, threshold=1.0, thresholds={"low": 1.0})
    assert listener.transcribe(waveform).words == (word,)
    listener.calibration = Calibration(unknown_below=1.0)
    assert not listener.transcribe(waveform).words


def test_a_beam_is_not_answered_so(listener):
    listener.calibration = Calibration(unknown_below=1.0)
    waveform, _ = scene(["low"], seed=1)
    assert not listener.transcribe(waveform).words
    listener.decoder = Decoder(beam_size=5)
    assert listener.transcribe(waveform).text == "low"


def test_the_file_keeps_the_threshold_and_the_silence(listener, tmp_path):
    listener.calibration = Calibration(unknown_below=0.4, silence_seconds=0.2)
    waveform, _ = scene(["low", "high"], seed=5)
    listener.save(tmp_path / "model.safetensors")
    loaded = Recognizer.load(tmp_path / "model.safetensors")
    assert loaded.answers_as_it_listens
    assert loaded.calibration == listener.calibration
    assert loaded.transcribe(waveform) == listener.transcribe(waveform)


@pytest.mark.parametrize("seconds", [0.0, 0.06, 0.3])
def test_silence_around_a_clip_is_that_of_its_stream(listener, seconds):
    """The words and their times are those of the clip; the silence moves them in the stream."""
    clip, _ = scene(["low", "high"], seed=5)
    around = np.zeros(round(seconds * RATE), np.float32)
    stream = listener.stream(spotting=replace(LASTING, threshold=0.4), check=False)
    heard = [*stream.push(np.concatenate([around, clip, around])), *stream.finish()]
    listener.calibration = Calibration(unknown_below=0.4, silence_seconds=seconds)
    answer = listener.transcribe(clip)
    assert [word.word for word in answer.words] == [word.word for word in heard] == ["low", "high"]
    for word, same in zip(answer.words, heard, strict=True):
        assert word.start == pytest.approx(max(0, same.start - seconds), abs=1e-6)
        assert word.end == pytest.approx(min(same.end - seconds, len(clip) / RATE), abs=1e-6)


def test_times_lie_within_a_clip_that_is_cut_into_its_words(listener):
    whole, ((_, start, _), (_, _, end)) = scene(["low", "high"], seed=5)
    clip = whole[round((start + 0.05) * RATE) : round((end - 0.05) * RATE)]
    listener.calibration = Calibration(unknown_below=0.4, silence_seconds=0.2)
    times = [time for word in listener.transcribe(clip).words for time in (word.start, word.end)]
    assert len(times) == 4
    assert times == sorted(times)
    assert 0 <= times[0] < times[-1] <= len(clip) / RATE


def test_clips_of_a_batch_have_silence_of_their_own(listener):
    listener.calibration = Calibration(unknown_below=0.4, silence_seconds=0.2)
    clips = [scene(words, seed=3)[0] for words in (["low"], ["middle", "high"], [])]
    assert listener.transcribe(clips) == [listener.transcribe(clip) for clip in clips]


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Write clips that are half a word, ever longer."""
    folder = tmp_path_factory.mktemp("others")
    whole, ((_, start, end),) = scene(["middle"], seed=7)
    rows = []
    for number, share in enumerate(np.linspace(0.02, 1, 20)):
        stop = round((start + share * (end - start)) * RATE)
        write_audio(folder / f"{number}.wav", whole[:stop], RATE)
        rows.append(Utterance(str(folder / f"{number}.wav"), "_unknown_", split="validation"))
    return Corpus(tuple(rows), ("low", "middle", "high"))


@pytest.mark.parametrize("share", [0.45, 0.6, 0.9])
def test_the_threshold_is_the_lowest_that_keeps_the_share(listener, others, share):
    found = clip_threshold(listener, others, share)
    assert listener.calibration == Calibration(unknown_below=0.4)

    def answered(threshold):
        listener.calibration = Calibration(unknown_below=threshold)
        return np.mean([bool(listener.transcribe(row.audio).words) for row in others.utterances])

    assert answered(found) <= share
    if found > THRESHOLDS[0]:
        assert answered(found - 0.01) > share


def test_the_threshold_says_how_many_words_it_withholds(listener, others, caplog):
    rows = [replace(row, text="middle") for row in others.utterances]
    corpus = replace(others, utterances=(*others.utterances, *rows))
    with caplog.at_level("INFO"):
        clip_threshold(listener, corpus, 0.45)
    answered = float(re.search(r"training did not see, ([\d.]+) % are", caplog.text)[1])
    assert f"clips of the words that get no answer: {100 - answered:.1f} % of 20\n" in caplog.text
    with caplog.at_level("INFO"):
        clip_threshold(listener, replace(corpus, synthetic=("middle",)), 0.45)
    assert "of people's words, 3 to 24 % got none" in caplog.text


def test_a_threshold_needs_other_words_and_a_spotter(listener, others):
    with pytest.raises(ConfigurationError, match=r"false_accepts=1.5 must lie in \[0, 1\)"):
        clip_threshold(listener, others, 1.5)
    with pytest.raises(DataError, match="needs other words in the validation split"):
        clip_threshold(listener, replace(others, utterances=()), 0.05)
    listener.spotting = None
    with pytest.raises(ConfigurationError, match="spotting=mean"):
        clip_threshold(listener, others, 0.05)
