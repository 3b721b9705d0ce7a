"""Events against labels: by brute force, by hand, and by the laws that hold of any."""

from dataclasses import replace
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.detection.labels import Label
from speech_rnn.detection.matching import (
    Detections,
    DetPoint,
    Quantiles,
    best_point,
    count,
    lags_of,
    match,
    too_short,
)
from speech_rnn.errors import ConfigurationError
from speech_rnn.metrics import poisson_interval, quantile_interval

TICK = 0.25  # times on a grid that floats hold exactly


def spans(make):
    times = st.integers(0, 24), st.integers(1, 6), st.sampled_from(["go", "stop"])
    one = st.builds(lambda start, length, word: make(word, start, start + length), *times)
    return st.lists(one, max_size=5)


labels = spans(lambda word, start, end: Label(word, start * TICK, end * TICK))
events = spans(lambda word, start, end: Word(word, start * TICK, end * TICK, 0.5))


def may_hit(label, event, tolerance):
    return (
        label.word == event.word
        and event.start < label.end + tolerance
        and event.end > label.start - tolerance
    )


def distance(label, event):
    return abs((label.start + label.end) / 2 - (event.start + event.end) / 2)


def by_brute_force(labels, events, tolerance):
    """The most hits of all pairings, and the least distance with so many."""
    best = (0, 0.0)
    slots = [*range(len(events)), *[None] * len(labels)]
    for chosen in set(permutations(slots, len(labels))):
        pairs = [(label, events[slot]) for label, slot in zip(labels, chosen, strict=True)
                 if slot is not None]  # fmt: skip
        if all(may_hit(label, event, tolerance) for label, event in pairs):
            apart = sum(distance(label, event) for label, event in pairs)
            best = max(best, (len(pairs), -apart))
    return best


@given(st.data(), st.sampled_from([0.0, TICK, 4 * TICK]))
def test_the_matching_is_the_best_of_all(data, tolerance):
    said, heard = data.draw(labels)[:3], data.draw(events)[:4]
    hits = match(said, heard, tolerance)
    assert len({row for row, _ in hits}) == len({column for _, column in hits}) == len(hits)
    assert all(may_hit(said[row], heard[column], tolerance) for row, column in hits)
    apart = sum(distance(said[row], heard[column]) for row, column in hits)
    most, least = by_brute_force(said, heard, tolerance)
    assert (len(hits), apart) == (most, pytest.approx(-least))


@given(labels, events, st.sampled_from([0.0, 0.5]))
def test_nothing_is_lost_or_counted_twice(said, heard, tolerance):
    found = count(said, heard, ["go", "stop"], 2.0, tolerance)
    total = Detections.of_words(found)
    assert total.n_labels == len(said)
    assert total.n_hits + total.n_missed == len(said)
    assert total.n_hits + total.n_false == len(heard)


@given(labels, events, st.integers(-8, 400))
def test_order_and_time_do_not_matter(said, heard, shift):
    def later(span):
        return replace(span, start=span.start + shift * TICK, end=span.end + shift * TICK)

    found = count(said, heard, ["go", "stop"], 1.0)
    assert count(said[::-1], heard[::-1], ["go", "stop"], 1.0) == found
    assert count([*map(later, said)], [*map(later, heard)], ["go", "stop"], 1.0) == found


@given(labels, events, events)
def test_more_events_never_add_misses(said, heard, more):
    one, other = len(match(said, heard)), len(match(said, heard + more))
    assert one <= other


def word(name, start, end):
    return Word(name, start, end, 0.9)


def test_overlap_with_tolerance_is_a_hit():
    said = [Label("go", 10.0, 10.5)]
    for start, end, hits in [
        (10.2, 10.4, 1),
        (9.0, 9.6, 1),  # within the tolerance
        (9.0, 9.5, 0),  # it only touches it
        (10.9, 11.2, 1),
        (11.0, 11.2, 0),
        (9.0, 12.0, 1),
    ]:
        assert len(match(said, [word("go", start, end)], 0.5)) == hits, (start, end)
    assert match(said, [word("stop", 10.0, 10.5)]) == []


def test_a_second_event_of_one_word_is_a_false_accept():
    heard = [word("go", 10.0, 10.2), word("go", 10.3, 10.5)]
    found = count([Label("go", 10.0, 10.5)], heard, ["go", "stop"], 0.5)
    assert found["go"] == Detections(1, 1, 1, 0.5)
    assert found["stop"] == Detections(0, 0, 0, 0.5)
    assert found["go"].false_per_hour == 2.0
    assert found["stop"].miss_rate is None


def test_two_words_close_by_are_both_found():
    """The nearest event of the first is the only one that the second has."""
    said = [Label("go", 1.0, 1.2), Label("go", 1.4, 1.6)]
    heard = [word("go", 0.7, 0.9), word("go", 1.2, 1.3)]
    assert match(said, heard, 0.15) == [(0, 0), (1, 1)]


def test_hundreds_of_words_without_a_gap():
    said = [Label("go", n * 0.5, n * 0.5 + 0.4) for n in range(600)]
    heard = [word("go", n * 0.5 + 0.1, n * 0.5 + 0.4) for n in range(600) if n % 3]
    assert match(said, heard) == [(n, k) for k, n in enumerate(n for n in range(600) if n % 3)]


@pytest.mark.parametrize("n", [0, 1, 3, 50])
@pytest.mark.parametrize("hours", [0.5, 10.0])
def test_the_interval_of_a_rate_is_that_of_chi_square(n, hours):
    low, high = poisson_interval(n, hours)
    if n:
        assert low == pytest.approx(chi2.ppf(0.025, 2 * n) / 2 / hours)
        assert high == pytest.approx(chi2.ppf(0.975, 2 * n + 2) / 2 / hours)
    else:
        assert low == 0
        assert high == pytest.approx(3 / hours, rel=0.002)  # the rule of three


def test_the_interval_of_a_rate_holds_the_truth():
    random = np.random.default_rng(0)
    for rate in (0.3, 2.0, 20.0):
        intervals = [poisson_interval(int(n), 1.0) for n in random.poisson(rate, 2000)]
        assert np.mean([low <= rate <= high for low, high in intervals]) > 0.94
    assert poisson_interval(0, 0.0) == (0.0, np.inf)


def test_the_interval_of_a_quantile_holds_the_truth():
    random = np.random.default_rng(0)
    held = []
    for seed in range(150):
        low, high = quantile_interval(random.exponential(size=80), 0.5, n_resamples=200, seed=seed)
        held.append(low <= np.log(2) <= high)
    assert np.mean(held) > 0.88
    assert quantile_interval([2.0] * 5, 0.95) == (2.0, 2.0)


@pytest.mark.parametrize("n_values", [1, 7, 80, 30_011])
def test_the_interval_of_a_quantile_is_that_of_one_resample_after_another(n_values):
    """However many fit into memory at once."""
    values = np.random.default_rng(1).exponential(size=n_values)
    random = np.random.default_rng(3)
    drawn = [values[random.integers(n_values, size=n_values)] for _ in range(50)]
    low, high = np.quantile([np.quantile(one, 0.95) for one in drawn], [0.025, 0.975])
    assert quantile_interval(values, 0.95, n_resamples=50, seed=3) == (low, high)


def test_latency():
    seconds = np.linspace(0.1, 0.3, 101).tolist()
    latency = Quantiles.of(seconds)
    assert latency.median == pytest.approx(0.2)
    assert latency.p95 == pytest.approx(0.29)
    assert latency.median_interval[0] < 0.2 < latency.median_interval[1]
    assert latency.to_dict()["n_hits"] == 101
    assert Quantiles.of([]) is None


def test_lags_are_of_hits_alone():
    labels = [Label("go", 1.0, 1.5), Label("go", 5.0, 5.5)]
    words = [Word("go", 1.3, 1.6, 1.0), Word("stop", 5.1, 5.5, 1.0), Word("go", 8.0, 8.5, 1.0)]
    assert lags_of(labels, words) == [(pytest.approx(0.3), pytest.approx(0.1))]


def point(threshold, n_hits, n_false):
    return DetPoint(threshold, {"go": Detections(100, n_hits, n_false, 10.0)})


def test_the_best_point_within_a_rate():
    curve = [point(0.1, 99, 40), point(0.3, 98, 4), point(0.5, 98, 4), point(0.9, 80, 0)]
    assert best_point(curve, 0.5).threshold == 0.5
    assert best_point(curve, 0.1).threshold == 0.9
    assert best_point(curve[:1], 0.1) is None
    assert curve[1].to_dict()["miss_rate"] == pytest.approx(0.02)


def test_audio_that_is_too_short_for_a_promise_is_reported():
    assert too_short(10.0, 0.5) is None
    assert "3/2.00 = 1.50 an hour; it takes 6.0 hours" in too_short(2.0, 0.5)
    assert "allow for a few" in too_short(2.0, 0.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: match([], [], -1), "tolerance_seconds=-1 must be 0 s or above"),
        (lambda: poisson_interval(-1, 1.0), "count=-1 and exposure=1.0 must be 0 or above"),
        (lambda: poisson_interval(1, 1.0, 1.0), "confidence=1.0 must lie between 0 and 1"),
        (lambda: quantile_interval([], 0.5), r"values of shape=\(0,\) must be"),
        (lambda: quantile_interval([1.0], 1.5), "share=1.5 in"),
    ],
)
def test_wrong_values(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        wrong()
