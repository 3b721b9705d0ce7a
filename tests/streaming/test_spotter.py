"""Events from posteriors: against the definition, read over the whole stream at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.errors import ConfigurationError
from speech_rnn.streaming.spotter import Detection, Spotter, Spotting

TOKENS = ["_silence_", "yes", "no", "_unknown_", "go"]
WORDS = ["yes", "no", "go"]
STEP = 0.02


def spot(posteriors, spotting, sizes=(), tokens=TOKENS):
    """The events of posteriors that come in pieces of `sizes` and the rest."""
    spotter = Spotter(spotting, tokens, STEP)
    first, found = 0, []
    for size in sizes:
        found += spotter.push(posteriors[first : first + size])
        first += size
    return [*found, *spotter.push(posteriors[first:]), *spotter.flush()]


def by_definition(posteriors, spotting):
    """Lists of whole regions in place of states: what the module's docstring says, word by word."""
    words = posteriors[:, [1, 2, 4]].astype(float)
    T = len(words)
    n = max(1, round(spotting.smoothing_seconds / STEP))
    settle, shortest, refractory = (
        round(seconds / STEP)
        for seconds in (spotting.settle_seconds, spotting.min_seconds, spotting.refractory_seconds)
    )
    evidence = [
        [p if w == int(np.argmax(row)) else 0.0 for w, p in enumerate(row)] for row in words
    ]

    def score(t, w):
        window = [evidence[u][w] if u >= 0 else 0.0 for u in range(t - n + 1, t + 1)]
        return max(window) if spotting.smoothing == "max" else sum(window) / n

    regions = []
    for w, word in enumerate(WORDS):
        threshold = spotting.thresholds.get(word, spotting.threshold)
        level = threshold * spotting.release
        t, since = 0, 0
        while t < T:
            if score(t, w) < threshold:
                t += 1
                continue
            opened = t
            while t < T and score(t, w) >= level:
                t += 1
            regions.append(
                {"word": w, "opened": opened, "closes": t, "since": since, "level": level}
            )
            t += 1
            since = t

    def span(region, now):
        """The run of evidence that is the latest one `now`."""
        w, after = region["word"], max(0, region["since"])
        steps = [u for u in range(after, now + 1) if evidence[u][w] >= region["level"]]
        if not [u for u in steps if u <= region["opened"]]:
            steps = sorted({*steps, region["opened"]})
        first = len(steps) - 1
        while first and steps[first] - steps[first - 1] <= n:
            first -= 1
        return steps[first], steps[-1] + 1

    def peak(region, now):
        best, where = 0.0, 0
        for u in range(region["opened"], min(now, T - 1) + 1):
            if score(u, region["word"]) > best:
                best, where = score(u, region["word"]), u
        return best, where

    events, spent, closed = [], set(), {}
    for now in range(T + 1):
        here = min(now, T - 1)
        live = [
            (number, region)
            for number, region in enumerate(regions)
            if region["opened"] <= now <= region["closes"]
        ]
        for number, region in live:
            if region["opened"] == now and now - closed.get(region["word"], -999) < refractory:
                spent.add(number)
        ready = []
        for number, region in live:
            start, stop = span(region, here)
            settled = now == region["closes"] or now - peak(region, here)[1] >= settle
            if number not in spent and stop - start >= shortest and (settled or now == T):
                ready.append((-peak(region, here)[0], region["word"], number, region))
        for _, w, number, region in sorted(ready, key=lambda each: each[:2]):
            spent.add(number)
            start, stop = span(region, here)
            rivals = [(event.start, event.stop) for other, event in events if other != w]
            rivals += [
                span(other, here)
                for n_other, other in live
                if n_other not in spent and peak(other, here)[0] > peak(region, here)[0]
            ]
            if not any(a < stop and start < b for a, b in rivals):
                events.append((w, Detection(WORDS[w], start, stop, peak(region, here)[0])))
                region["fired"] = True
        for _, region in live:
            if region["closes"] == now and region.get("fired"):
                closed[region["word"]] = now
    return [event for _, event in events]


def draw_posteriors(seed, n_steps, sharpness):
    """Posteriors that wander: words come, flicker, overlap and go."""
    random = np.random.default_rng(seed)
    logits = sharpness * random.standard_normal((n_steps, len(TOKENS)))
    for t in range(1, n_steps):
        logits[t] = 0.7 * logits[t - 1] + 0.7 * logits[t]
    weights = np.exp(logits)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


spottings = st.builds(
    Spotting,
    threshold=st.sampled_from([0.2, 0.4, 0.6]),
    thresholds=st.sampled_from([{}, {"no": 0.3}, {"yes": 0.8, "go": 0.1}]),
    release=st.sampled_from([0.3, 0.7, 1.0]),
    smoothing_seconds=st.sampled_from([0.0, 0.04, 0.1]),
    smoothing=st.sampled_from(["mean", "max"]),
    settle_seconds=st.sampled_from([0.0, 0.04, 0.1]),
    min_seconds=st.sampled_from([0.0, 0.06]),
    refractory_seconds=st.sampled_from([0.0, 0.1, 0.3]),
)
streams = st.builds(
    draw_posteriors, st.integers(0, 10_000), st.integers(0, 70), st.sampled_from([1.0, 2.0, 4.0])
)


@settings(max_examples=300)
@given(posteriors=streams, spotting=spottings)
def test_events_follow_the_definition(posteriors, spotting):
    found, expected = spot(posteriors, spotting), by_definition(posteriors, spotting)
    assert [(e.word, e.start, e.stop) for e in found] == [
        (e.word, e.start, e.stop) for e in expected
    ]
    assert [e.confidence for e in found] == pytest.approx([e.confidence for e in expected])


@settings(max_examples=100)
@given(posteriors=streams, spotting=spottings, sizes=st.lists(st.integers(0, 9), max_size=15))
def test_pieces_change_nothing(posteriors, spotting, sizes):
    assert spot(posteriors, spotting, sizes) == spot(posteriors, spotting)


def track(*stretches, n_steps=100, tokens=TOKENS):
    """Posteriors of (word, first step, step after the last, height); silence has the rest."""
    posteriors = np.zeros((n_steps, len(tokens)), np.float32)
    for word, start, stop, height in stretches:
        posteriors[start:stop, tokens.index(word)] = height
    posteriors[:, 0] += 1 - posteriors.sum(axis=1)
    return posteriors


def words(events):
    return [event.word for event in events]


def test_a_word_is_detected_once_with_its_steps_and_peak():
    posteriors = track(("yes", 20, 45, 0.9))
    (event,) = spot(posteriors, Spotting(settle_seconds=1.0))
    assert (event.word, event.start, event.stop) == ("yes", 20, 45)
    assert event.confidence == pytest.approx(0.9)


def test_a_word_is_detected_soon_after_its_peak_and_not_at_its_end():
    spotter = Spotter(Spotting(smoothing_seconds=0.1, settle_seconds=0.06), TOKENS, STEP)
    posteriors = track(("yes", 20, 90, 0.9))
    told = [step for step in range(100) if spotter.push(posteriors[step : step + 1])]
    assert told == [20 + 4 + 3]  # the smoothing is full after five steps, and three settle


@pytest.mark.parametrize(("gap", "n_events"), [(2, 1), (8, 1), (30, 2)])
def test_a_dip_is_one_utterance_and_a_pause_is_two(gap, n_events):
    spotting = Spotting(smoothing_seconds=0.1, refractory_seconds=0.2)
    stop = 30 + gap
    posteriors = track(("go", 20, 30, 0.9), ("go", stop, stop + 10, 0.9))
    assert words(spot(posteriors, spotting)) == ["go"] * n_events


def test_one_word_does_not_block_the_next():
    posteriors = track(("yes", 20, 35, 0.9), ("no", 35, 50, 0.9), ("yes", 70, 85, 0.9))
    events = spot(posteriors, Spotting(smoothing_seconds=0.1))
    assert words(events) == ["yes", "no", "yes"]
    assert [event.start for event in events] == [20, 35, 70]


def test_hysteresis_holds_a_word_together():
    flicker = [("yes", step, step + 5, 0.9 if step % 10 else 0.35) for step in range(20, 60, 5)]
    spotting = Spotting(smoothing_seconds=0.02, refractory_seconds=0.0)
    assert len(spot(track(*flicker), spotting)) == 1
    assert len(spot(track(*flicker), Spotting(**vars(spotting) | {"release": 1.0}))) > 1


def test_words_that_flicker_are_one_utterance():
    flicker = [("yes" if step % 4 else "no", step, step + 2, 0.6) for step in range(20, 40, 2)]
    spotting = Spotting(threshold=0.2, smoothing_seconds=0.1)
    assert len(spot(track(*flicker), spotting)) == 1


def test_short_detections_are_ignored():
    spotting = Spotting(smoothing_seconds=0.04, min_seconds=0.1)
    assert not spot(track(("yes", 20, 24, 1.0)), spotting)
    assert spot(track(("yes", 20, 25, 1.0)), spotting)


def test_each_word_has_its_threshold():
    posteriors = track(("yes", 20, 45, 0.4), ("no", 60, 85, 0.4))
    assert words(spot(posteriors, Spotting(thresholds={"no": 0.3}))) == ["no"]


def test_silence_and_unknown_are_no_events():
    assert not spot(track(("_unknown_", 20, 60, 0.9)), Spotting())


def test_the_spikes_of_ctc():
    tokens = ["_blank_", "yes", "no"]
    spikes = track(
        ("yes", 20, 21, 0.8), ("yes", 23, 24, 0.6), ("no", 40, 42, 0.9), ("no", 65, 66, 0.3),
        tokens=tokens,
    )  # fmt: skip
    events = spot(spikes, Spotting.of("ctc"), tokens=tokens)
    assert [(event.word, event.start) for event in events] == [("yes", 20), ("no", 40)]
    assert events[0].confidence == pytest.approx(0.8)
    assert events[1].stop == 42


def test_a_flush_reports_open_words_and_resets():
    spotter = Spotter(Spotting(smoothing_seconds=0.06, settle_seconds=1.0), TOKENS, STEP)
    posteriors = track(("yes", 20, 30, 0.9), n_steps=30)
    for _ in range(2):
        assert not spotter.push(posteriors)
        (event,) = spotter.flush()
        assert (event.start, event.stop) == (20, 30)
    assert not spotter.flush()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"threshold": 0.0}, r"threshold=0\.0 must be above 0"),
        ({"threshold": 1.5}, "at most 1"),
        ({"threshold": float("nan")}, "threshold=nan"),
        ({"lags": {"yes": (1,)}}, r"lags\['yes'\]=\[1\] must be two numbers"),
        ({"thresholds": {"yes": -1}}, r"thresholds\['yes'\]=-1 must be above 0"),
        ({"release": 2}, "release=2 must be"),
        ({"min_seconds": -0.1}, r"min_seconds=-0\.1 must be 0 s or above"),
        ({"smoothing": "median"}, "smoothing='median' must be one of mean, max"),
    ],
)
def test_wrong_values(parameters, message):
    with pytest.raises(ConfigurationError, match=message):
        Spotting(**parameters)


def test_a_threshold_of_no_word():
    with pytest.raises(ConfigurationError, match=r"'yess' is not a word .* did you mean 'yes'\?"):
        Spotter(Spotting(thresholds={"yess": 0.5}), TOKENS, STEP)


def test_plain_values_build_it_again():
    spotting = Spotting(thresholds={"yes": 0.3})
    assert Spotting(**spotting.to_dict()) == spotting
