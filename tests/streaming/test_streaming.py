"""A recogniser that listens: its stream is its batch, and its words come once, with their times."""

import tracemalloc
from resource import RUSAGE_SELF, getrusage

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from speech_rnn.audio import resample
from speech_rnn.errors import AudioError, ConfigurationError
from speech_rnn.features import MFCC, LogMel
from speech_rnn.recognizer import Recognizer
from speech_rnn.streaming.gate import Gating
from speech_rnn.streaming.spotter import Spotting
from speech_rnn.streaming.stream import reasons_against_streaming
from speech_rnn.vocabulary import Vocabulary
from tests.listeners import scene, train_listener
from tests.model.test_model import CONVOLUTIONS
from tests.test_recognizer import WORDS, untrained
from tests.tones import tone

RATE = 16_000
FEATURES = {
    "mfcc": {"deltas": 1},
    "sliding": {"normalization": "sliding", "deltas": 2, "delta_mode": "convolve"},
    "snip": {"framing": "snip", "preemphasis": 0.97},
}
MODELS = {
    "rnn": {"cell": "rnn_tanh", "bidirectional": False},
    "gru": {"bidirectional": False, "stack": 2, "convolutions": CONVOLUTIONS},
    "lstm": {"cell": "lstm", "bidirectional": False, "stack": 3},
    "chunks": {"chunk": 5, "look_ahead": 6, "stack": 2},
    "chunks of an lstm": {
        "cell": "lstm",
        "chunk": 4,
        "look_ahead": 9,
        "convolutions": CONVOLUTIONS,
    },
}


def streaming(unit, features="mfcc", **settings):
    features = MFCC(n_mels=20, n_mfcc=10, **FEATURES[features])
    return untrained(unit, features, **{"pooling": "last", "dense": 8} | settings)


def step_logits(recognizer, waveform):
    """The offline pass: that of `Recognizer.logits`, at every step."""
    lengths = torch.tensor([len(waveform)])
    if recognizer.vocabulary.head == "ctc":
        return recognizer.logits(waveform[None], lengths)[0][0]
    frames, lengths = recognizer.features(torch.from_numpy(waveform)[None], lengths)
    with torch.no_grad():
        return recognizer.model.step_logits(frames, lengths)[0][0].numpy()


def cut(sound, sizes):
    """Pieces of `sizes`, over and over, until the sound has ended."""
    first, number = 0, 0
    while first < len(sound):
        size = max(1, sizes[number % len(sizes)])
        yield sound[first : first + size]
        first, number = first + size, number + 1


@pytest.mark.parametrize("unit", ["classes", "words"])
@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=6)
@given(
    n_samples=st.integers(480, 6 * RATE),
    sizes=st.lists(st.integers(1, 500) | st.integers(1, 2 * RATE), min_size=1, max_size=20),
    seed=st.integers(0, 99),
)
def test_the_stream_equals_the_offline_pass(unit, features, model, n_samples, sizes, seed):
    recognizer = streaming(unit, features, **MODELS[model])
    assert recognizer.can_stream
    waveform = tone("middle", n_samples / RATE, seed)
    sizes += [1, 2 * RATE] * 3 + [2 * RATE]  # all of it, with samples alone
    stream = recognizer.engine.stream()
    for _ in range(2):  # the second time: a flush leaves nothing behind
        pieces = [stream.push(piece) for piece in cut(waveform, sizes)]
        found = np.concatenate([*pieces, stream.flush()])
        np.testing.assert_allclose(found, step_logits(recognizer, waveform), atol=1e-4, rtol=0)


@pytest.mark.parametrize("model", MODELS)
def test_sample_by_sample(model):
    recognizer = streaming("words", **MODELS[model])
    waveform = tone("high", 0.15)
    stream = recognizer.engine.stream()
    found = np.concatenate(
        [*(stream.push(waveform[n : n + 1]) for n in range(2400)), stream.flush()]
    )
    np.testing.assert_allclose(found, step_logits(recognizer, waveform), atol=1e-4, rtol=0)


@pytest.mark.parametrize("n_samples", [1, 100, 479])
def test_less_than_a_window(n_samples):
    recognizer = streaming("words", **MODELS["gru"])
    waveform = tone("high", n_samples / RATE)
    stream = recognizer.engine.stream()
    found = np.concatenate([stream.push(waveform), stream.flush()])
    np.testing.assert_allclose(found, step_logits(recognizer, waveform), atol=1e-4, rtol=0)


@pytest.fixture(scope="module", params=["carried", "chunks"])
def listener(request):
    """A small recogniser that has learned the tones, in a few seconds."""
    layers = {"carried": {"bidirectional": False}, "chunks": {"chunk": 4, "look_ahead": 6}}
    return train_listener(**layers[request.param])


def hear(stream, sound, sizes=(1600,)):
    found = []
    for piece in cut(sound, sizes):
        found += stream.push(piece)
    return [*found, *stream.finish()]


SAID = ["low", "high", "high", "middle", "low", "middle", "high", "low"]


def is_right(found, truth):
    assert [word.word for word in found] == [word for word, _, _ in truth]
    for word, (_, start, end) in zip(found, truth, strict=True):
        assert abs(word.start - start) < 0.1
        assert start < word.end < end + 0.1
        assert 0.5 <= word.confidence <= 1
    return True


@pytest.mark.slow
@pytest.mark.parametrize("gating", [None, Gating()])
def test_every_word_is_detected_once_in_order_at_its_time(listener, gating):
    waveform, truth = scene(SAID, gap=1.5, seed=99)
    assert is_right(hear(listener.stream(gating=gating), waveform), truth)


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
def test_other_rates_and_kinds(listener, rate):
    waveform, truth = scene(SAID, seed=99)
    sound = np.rint(32767 * resample(waveform, RATE, rate).clip(-1, 1)).astype("<i2")
    stream = listener.stream(rate)
    found = hear(stream, sound.tobytes(), [333, 5001])  # odd: a sample may be cut in two
    assert is_right(found, truth)
    assert hear(stream, sound) == found


@pytest.fixture(scope="module")
def usual(listener):
    """Return the words detected in pieces of the default size, with and without a gate."""
    waveform, _ = scene(SAID[:4], seed=7)
    return {gating: hear(listener.stream(gating=gating), waveform) for gating in (None, Gating())}


@settings(max_examples=15)
@given(
    sizes=st.lists(st.integers(1, 2 * RATE), min_size=1, max_size=5),
    block_seconds=st.sampled_from([0.0, 0.1, 0.5]),
    gating=st.sampled_from([None, Gating()]),
)
def test_pieces_change_nothing(listener, usual, sizes, block_seconds, gating):
    waveform, _ = scene(SAID[:4], seed=7)
    expected = usual[gating]
    sizes = [max(size, 200) for size in sizes]
    found = hear(listener.stream(gating=gating, block_seconds=block_seconds), waveform, sizes)
    assert [(w.word, w.start, w.end) for w in found] == [(w.word, w.start, w.end) for w in expected]


def test_a_word_is_detected_soon_after_its_end(listener):
    waveform, truth = scene(SAID[:4], gap=1.5, seed=3)
    stream, told = listener.stream(), []
    for number, piece in enumerate(cut(waveform, [160])):
        told += [(number + 1) * 0.01 for _ in stream.push(piece)]
    assert len(told) == len(truth)
    ahead = listener.model.latency_frames * 0.01
    for when, (_, start, end) in zip(told, truth, strict=True):
        assert start < when < end + ahead + 0.25  # settling 0.1 s, a block 0.1 s, a step


@pytest.mark.slow
def test_times_are_exact_after_an_hour(listener):
    waveform, _ = scene(SAID[:2], seed=5)
    gating = Gating()
    stream = listener.stream(gating=gating)
    silence = np.zeros(60 * RATE, np.int16)
    sound = np.rint(32767 * waveform.clip(-1, 1)).astype(np.int16)
    expected = hear(listener.stream(gating=gating), np.concatenate([silence, sound]))
    found = []
    for _ in range(60):
        found += stream.push(silence)
    found += hear(stream, sound)
    assert [w.word for w in found] == [w.word for w in expected] == SAID[:2]
    for word, early in zip(found, expected, strict=True):
        assert word.start * RATE == early.start * RATE + 59 * 60 * RATE  # to the sample
        assert word.end * RATE == early.end * RATE + 59 * 60 * RATE


@pytest.mark.slow
@pytest.mark.parametrize("listener", ["carried"], indirect=True)
def test_a_day_through_one_stream(listener):
    """Each hour ends with the same two words: they are found by the sample, and nothing grows."""
    waveform, _ = scene(SAID[:2], seed=5)
    whole = waveform[: len(waveform) // 1600 * 1600]  # so that each hour lies alike on the blocks
    sound = np.rint(32767 * whole.clip(-1, 1)).astype(np.int16)
    minute = np.zeros(60 * RATE, np.int16)
    stream = listener.stream(gating=Gating())
    hours, sizes = [], []
    for _ in range(24):
        found = [word for _ in range(60) for word in stream.push(minute)]
        hours.append(found + [word for piece in cut(sound, [1600]) for word in stream.push(piece)])
        sizes.append(getrusage(RUSAGE_SELF).ru_maxrss)
    assert sizes[-1] - sizes[2] < 5_000  # kB
    period = 60 * len(minute) + len(sound)
    first = [(word.word, word.start * RATE, word.end * RATE) for word in hours[0]]
    assert [word for word, *_ in first] == SAID[:2]
    for number, found in enumerate(hours):
        for word, (said, start, end) in zip(found, first, strict=True):
            assert word.word == said
            assert word.start * RATE == pytest.approx(start + number * period, abs=1e-3)
            assert word.end * RATE == pytest.approx(end + number * period, abs=1e-3)


def test_known_lags_are_taken_off_the_times(listener):
    waveform, _ = scene(SAID[:4], seed=7)
    plain = hear(listener.stream(), waveform)
    lags = {"low": (0.25, 0.0625), "middle": (60.0, -60.0)}
    spotting = Spotting(**vars(Spotting.of("ctc")) | {"lags": lags})
    found = hear(listener.stream(spotting=spotting), waveform)
    assert [word.word for word in found] == [word.word for word in plain]
    for word, before in zip(found, plain, strict=True):
        if word.word == "low":
            assert word.start == pytest.approx(max(0.0, before.start - 0.25))
            assert word.end == pytest.approx(before.end - 0.0625)
        elif word.word == "middle":  # no earlier than the sound, no later than what is heard of it
            assert word.start == 0
            assert before.end < word.end <= len(waveform) / RATE
        else:
            assert word == before


@pytest.mark.slow
def test_memory_stays_flat(listener):
    waveform, _ = scene(SAID, seed=9)
    stream = listener.stream()
    sizes = []
    tracemalloc.start()
    for _ in range(10):
        for piece in cut(waveform, [1600]):
            stream.push(piece)
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert sizes[-1] - sizes[2] < 20_000


def test_chunks_that_complete_no_step_give_nothing():
    recognizer = streaming("words", **MODELS["gru"])
    posteriors = recognizer.stream(block_seconds=0).posteriors
    sound = tone(WORDS[0], 0.5)
    hops = [sound[first : first + 40] for first in range(0, len(sound), 40)]  # a quarter of a step
    found = [posteriors.push(hop) for hop in hops]
    assert all(len(piece.values) for pieces in found for piece in pieces)
    n_steps = sum(len(piece.values) for pieces in found for piece in pieces)
    assert sum(bool(pieces) for pieces in found) <= n_steps < len(hops) / 3
    (last,) = posteriors.finish()
    assert last.closes
    whole = step_logits(recognizer, sound)
    assert n_steps + len(last.values) == len(whole)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("block_seconds", [0, 0.3])
def test_less_than_the_missing_samples_gives_nothing(rate, block_seconds):
    stream = Recognizer.load().stream(rate, block_seconds=block_seconds).posteriors
    for _ in range(4):
        assert stream.push(np.zeros(stream.n_missing - 1, np.float32)) == []
        while not stream.push(np.zeros(stream.n_missing, np.float32)):
            assert rate == 44_100  # the resampler keeps some


def test_unusable_files_fail_alone(listener):
    waveform, _ = scene(SAID[:3], seed=4)
    stream = listener.stream()
    found = []
    for number, piece in enumerate(cut(waveform, [1600])):
        if number == 5:
            with pytest.raises(AudioError, match="that are not numbers"):
                stream.push(np.full(1600, np.nan, np.float32))
            with pytest.raises(AudioError, match="chunk of int16 after chunks of float32"):
                stream.push(np.zeros(1600, np.int16))
        found += stream.push(piece)
    assert [*found, *stream.finish()] == hear(listener.stream(), waveform)


def test_a_finished_stream_begins_again(listener):
    waveform, _ = scene(SAID[:3], seed=4)
    stream = listener.stream(gating=Gating())
    assert not stream.finish()
    assert hear(stream, waveform) == hear(stream, waveform) != []


def test_thresholds_decide(listener):
    waveform, truth = scene(SAID, seed=99)
    spotting = Spotting(**vars(Spotting.of("ctc")) | {"thresholds": {"low": 1.0}})
    found = hear(listener.stream(spotting=spotting), waveform)
    assert [w.word for w in found] == [word for word, _, _ in truth if word != "low"]


def test_a_classifier_answers_for_the_clip_so_far():
    """Of an untrained network nothing is said but that its posteriors are those of prefixes."""
    recognizer = streaming("classes", bidirectional=False)
    waveform = tone("low", 1.0)
    spotting = Spotting(threshold=0.05, smoothing_seconds=0.0, settle_seconds=0.0, min_seconds=0)
    word, *_ = hear(recognizer.stream(spotting=spotting, block_seconds=0.01), waveform, [160])
    logits = step_logits(recognizer, waveform)
    first = softmax(logits[0])
    assert word.word == WORDS[first.argmax()]
    assert word.confidence >= first.max() - 1e-5


@pytest.mark.parametrize(
    ("recognizer", "messages"),
    [
        (
            lambda: untrained("words", bidirectional=True),
            [
                "bidirectional=True reads each clip backwards",
                r"\+recipe=custom 'words=\[low,",
            ],
        ),
        (
            lambda: untrained("classes", bidirectional=False),
            ["pooling='attention' weighs", r"\+recipe=custom 'words=\[low,"],
        ),
        (
            lambda: untrained(
                "words", LogMel(n_mels=20, normalization="utterance"), bidirectional=False
            ),
            [
                "normalization='utterance' needs the last frame of a clip",
                "keywords_stream data.root=DIR",
            ],
        ),
        (lambda: untrained("characters", bidirectional=False), ["letters are no events"]),
    ],
)
def test_streaming_errors_give_reason_and_recipe(recognizer, messages):
    recognizer = recognizer()
    assert not recognizer.can_stream
    for message in messages:
        with pytest.raises(ConfigurationError, match=message):
            recognizer.stream()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("one", "two"), "+recipe=digits_stream trains"),
        (("_silence_", "nine"), "+recipe=digits_stream trains"),
        (("yes", "no"), "+recipe=custom 'words=[yes,no]' trains"),
        (("one", "stop"), "+recipe=custom 'words=[one,stop]' trains"),
        (tuple(f"word{i}" for i in range(40)), "+recipe=custom 'words=[…]' trains"),
    ],
)
def test_case_33_the_recipe_that_streams_fits_the_words(words, told):
    engine = untrained("classes", bidirectional=True).engine
    assert told in reasons_against_streaming(engine, Vocabulary(words))[-1]


def test_wrong_values(listener):
    with pytest.raises(ConfigurationError, match="rate=0 must be from 1000"):
        listener.stream(0)
    with pytest.raises(ConfigurationError, match="block_seconds=-1 must be 0 s or above"):
        listener.stream(block_seconds=-1)
