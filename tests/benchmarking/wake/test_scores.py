"""From an engine's scores to events and figures, with a detector of tones as the engine."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.benchmarking.wake.rival import CHUNK, RATE, events, run_rival, scores_of
from speech_rnn.detection.labels import Label
from tests.detection.test_det_curve import Sound, sound
from tests.tones import TONES_HZ

SAID = ["low", "high", "middle", "low", "high"]


@dataclass
class ToneDetector:
    """An engine that listens for tones: the share of a chunk's energy near each one's pitch."""

    words: tuple = ("low", "high")
    files: tuple = (Path(__file__),)
    thresholds: dict = field(default_factory=lambda: {"low": 0.5, "high": 0.5})

    def push(self, chunk):
        assert chunk.dtype == np.int16
        assert chunk.shape == (CHUNK,)
        power = np.abs(np.fft.rfft(chunk / 32768)) ** 2
        pitch = np.fft.rfftfreq(CHUNK, 1 / RATE)
        near = [np.abs(pitch / TONES_HZ[word] - 1) < 0.1 for word in self.words]
        return [float(power[band].sum() / max(power.sum(), 1e-9)) for band in near]


def steps(*scores):
    return np.array(scores)[:, None]


def spans(scores, threshold=0.5):
    found = events(scores, ["low"], {"low": threshold})
    return [(round(word.start / 0.08), round(word.end / 0.08)) for word in found]


def test_an_event_comes_in_the_step_that_reaches_the_threshold():
    assert spans(steps(0.1, 0.49, 0.5, 0.9, 0.2)) == [(2, 3)]
    assert spans(steps(0.1, 0.49, 0.5, 0.9, 0.2), 0.6) == [(3, 4)]
    assert spans(steps(0.1, 0.4)) == []
    (word,) = events(steps(0.1, 0.7), ["low"], {"low": 0.5})
    assert (word.word, word.confidence) == ("low", 0.7)


@pytest.mark.parametrize(("gap", "n_events"), [(1, 1), (10, 1), (23, 1), (26, 2), (60, 2)])
def test_a_word_is_no_event_again_within_two_seconds(gap, n_events):
    assert len(spans(steps(*[0.9, *[0.0] * gap, 0.9, 0.0]))) == n_events


def test_words_do_not_compete():
    found = events(np.array([[0.6, 0.9]]), ["low", "high"], {"low": 0.5, "high": 0.8})
    assert [word.word for word in found] == ["low", "high"]


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=2500), st.floats(0.1, 0.9))
def test_events_are_crossings_at_least_two_seconds_apart(scores, threshold):
    found = spans(steps(*scores), threshold)
    assert all(scores[start] >= threshold and stop == start + 1 for start, stop in found)
    assert all(later - start >= 25 for (start, _), (later, _) in pairwise(found))
    assert bool(found) == (max(scores) >= threshold)


def test_the_detections_of_an_engine_are_counted():
    given = sound(SAID, gap=3.0, seed=99)
    heard = run_rival(ToneDetector(), given, (0.3, 0.6, 0.99999))
    assert [label.word for label in heard.labels] == ["low", "high", "low", "high"]  # not middle
    counts = heard.count(1.0)
    assert {word: (found.n_hits, found.n_false) for word, found in counts.items()} == {
        "low": (2, 0),
        "high": (2, 0),
    }
    assert heard.hours == pytest.approx(given.duration / 3600, rel=0.05)
    low, middle, high = (point.total for point in heard.points(1.0))
    assert low.n_hits == middle.n_hits == 4
    assert (high.n_hits, high.n_false) == (0, 0)
    assert all(-0.5 < seconds < 0.1 for seconds in heard.latencies(1.0))


def test_a_wrong_word_is_a_false_accept():
    samples = sound(SAID, gap=3.0, seed=99)
    unlabelled = Sound(samples.samples, (Label("low", 0.0, 0.1),))
    counts = run_rival(ToneDetector(), unlabelled, ()).count(0.0)
    assert (counts["low"].n_hits, counts["low"].n_false) == (0, 2)
    assert counts["high"].n_false == 2


def test_samples_beyond_full_scale_are_clipped_and_a_last_piece_is_left_out():
    loud = Sound(np.tile(np.float32([3, -3]), CHUNK + 50), ())
    scores = scores_of(ToneDetector(), loud)
    assert scores.shape == (2, 2)
    assert np.isfinite(scores).all()
