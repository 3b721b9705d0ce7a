"""Thresholds that keep a promise: against every choice there is, and as a user runs the command."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.detection.det_curve import detect_in
from speech_rnn.detection.matching import Detections, DetPoint, lags_of
from speech_rnn.detection.thresholds import Promise, Tuning, Verdict, choose, tune
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.exporting import export_onnx
from speech_rnn.recognizer import Recognizer
from tests.commands import speech_rnn
from tests.detection.test_det_curve import ARGUMENTS, SAID, sound
from tests.listeners import WORDS, train_listener
from tests.tones import write_corpus

counts = st.tuples(st.integers(0, 10), st.integers(0, 6))


def curve_of(rows, hours=10.0):
    """Points of (hits, false accepts) rows, a word each, at rising thresholds."""
    words = ["go", "stop", "on"][: len(rows)]
    return [
        DetPoint(
            0.1 * (place + 1),
            {
                word: Detections(10, *row[place], hours)
                for word, row in zip(words, rows, strict=True)
            },
        )
        for place in range(len(rows[0]))
    ]


def cost(choice):
    found = [point.per_word[word] for word, point in choice.items()]
    return (
        sum(one.n_missed for one in found),
        sum(one.n_false for one in found),
        -round(sum(point.threshold for point in choice.values()), 9),
    )


@settings(max_examples=60)
@given(
    st.lists(st.lists(counts, min_size=3, max_size=3), min_size=1, max_size=3),
    st.sampled_from([0.0, 0.1, 0.3, 0.5, 2.0]),
)
def test_the_choice_is_the_best_of_all_within_the_budget(rows, per_hour):
    curve = curve_of(rows)
    every = [
        dict(zip(curve[0].per_word, choice, strict=True))
        for choice in product(curve, repeat=len(rows))
    ]
    kept = [choice for choice in every if cost(choice)[1] <= round(per_hour * 10)]
    promise = Promise(false_accepts_per_hour=per_hour)
    if kept:
        assert cost(choose(curve, promise)) == min(map(cost, kept))
    else:
        with pytest.raises(DataError, match="cannot be kept: even the highest threshold has"):
            choose(curve, promise)


@pytest.mark.parametrize(
    ("per_hour", "hours", "confidence", "count"),
    [
        (0.5, 6.0, None, 3),
        (0.5, 5.9, 0.95, 0),  # 3 / 5.9 an hour are more: too short to be sure
        (0.5, 6.0, 0.95, 0),
        (0.5, 9.6, 0.95, 1),  # 4.74 / 9.6
        (0.5, 9.4, 0.95, 0),
        (0.5, 12.7, 0.95, 2),  # 6.30 / 12.7
        (0.5, 12.7, 0.5, 5),  # 5.67 / 12.7
    ],
)
def test_higher_confidence_allows_fewer_false_accepts(per_hour, hours, confidence, count):
    assert Promise(per_hour, confidence=confidence).false_accepts(hours) == count


def test_a_miss_rate_gets_the_highest_threshold_of_each_word():
    curve = curve_of([[(10, 5), (9, 2), (8, 0)], [(10, 9), (10, 3), (9, 1)]])
    chosen = choose(curve, Promise(miss_rate=0.1))
    assert {word: round(point.threshold, 1) for word, point in chosen.items()} == {
        "go": 0.2,
        "stop": 0.3,
    }
    with pytest.raises(DataError, match=r"every threshold misses more: go \(at least 1 of"):
        choose(curve_of([[(9, 5), (8, 2)]]), Promise(miss_rate=0.05))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "give one of them, such as"),
        ({"false_accepts_per_hour": 1, "miss_rate": 0.1}, "give one of them"),
        ({"false_accepts_per_hour": -1}, "false_accepts_per_hour=-1 must be 0 or above"),
        ({"miss_rate": 2}, r"miss_rate=2 must lie in \[0, 1\]"),
        ({"miss_rate": 0, "confidence": 1}, "confidence=1 must lie between 0 and 1"),
    ],
)
def test_invalid_promises(given, message):
    with pytest.raises(ConfigurationError, match=message):
        Promise(**given)


def test_whether_a_promise_is_kept():
    promise = Promise(false_accepts_per_hour=0.5)
    assert promise.verdict(Detections(10, 9, 5, 10.0)) is Verdict.KEPT
    assert promise.verdict(Detections(10, 9, 7, 10.0)) is Verdict.UNSURE  # 0.28 to 1.44 an hour
    assert promise.verdict(Detections(10, 9, 15, 10.0)) is Verdict.BROKEN
    assert Promise(miss_rate=0.1).verdict(Detections(100, 88, 9, 1.0)) is Verdict.UNSURE
    assert Promise(miss_rate=0.1).verdict(Detections(100, 70, 9, 1.0)) is Verdict.BROKEN


@pytest.fixture(scope="module")
def listener():
    return train_listener(bidirectional=False)


NOISY = {"gap": 0.8, "noise": 0.15}


@pytest.mark.slow
def test_a_promise_holds_on_other_audio(listener):
    tuning, test = (sound(SAID * 6, seed=seed, **NOISY) for seed in (11, 12))
    hours = tuning.duration / 3600
    loose, strict = (
        tune(listener, tuning, test, Promise(false_accepts_per_hour=n / hours)) for n in (40, 3)
    )
    assert loose.total_expected.n_false <= 40
    assert strict.total_expected.n_false <= 3
    assert strict.total_expected.n_missed >= loose.total_expected.n_missed
    low, high = strict.total_expected.false_interval
    assert low <= strict.total.false_per_hour <= high or strict.verdict is Verdict.KEPT
    assert all(strict.spotting.thresholds[word] > 0 for word in WORDS)
    assert listener.spotting is None
    plain = strict.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    (doubt,) = tune(listener, tuning, test, Promise(false_accepts_per_hour=0.5)).doubts
    assert "too short to promise 0.5 false accepts an hour" in doubt
    assert "the upper 95 % limit is 3/" in doubt


@pytest.mark.slow
def test_tuning_sets_the_times_right(listener):
    tuning, test = (sound(SAID * 6, seed=seed, gap=0.8) for seed in (11, 12))
    tuned = tune(listener, tuning, test, Promise(miss_rate=0.02)).spotting
    assert set(tuned.lags) == set(WORDS)

    def off(spotting, scene):
        heard = detect_in(listener, scene, spotting, block_seconds=1.0)
        return np.abs(lags_of(heard.labels, heard.words)).mean(axis=0)

    before = off(replace(tuned, lags={}), test)
    after = off(tuned, test)
    assert (after <= before + 0.01).all()
    assert after.sum() < 0.85 * before.sum()
    # Once more, the lags that are known already are kept.
    listener.spotting = tuned
    again = tune(listener, tuning, test, Promise(miss_rate=0.02)).spotting.lags
    listener.spotting = None
    for word in WORDS:
        assert again[word] == pytest.approx(tuned.lags[word], abs=1e-3)


def test_few_misses(listener):
    tuning, test = (sound(SAID * 6, seed=seed, gap=0.8) for seed in (11, 12))
    tuned = tune(listener, tuning, test, Promise(miss_rate=0.02))
    assert tuned.total_expected.n_missed == 0
    assert tuned.verdict is Verdict.KEPT
    assert "too few utterances to promise at most 2 % missed" in tuned.doubts[0]
    worse = dict(tuned.measured) | {"low": Detections(100, 93, 0, 1.0)}
    assert replace(tuned, measured=worse).verdict is Verdict.BROKEN  # by one of its words
    assert replace(tuned, measured=worse).to_dict()["is_kept"] is False
    many = {word: Detections(1000, 999, 0, 1.0) for word in WORDS}
    assert Tuning(tuned.promise, tuned.spotting, many, many).doubts == ()


def test_tuning_audio_without_a_keyword(listener):
    with pytest.raises(DataError, match="the tuning audio does not contain middle, high"):
        tune(listener, sound(["low"]), sound(SAID), Promise(miss_rate=0.1))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_the_command(tmp_path, listener, kind):
    write_corpus(tmp_path / "tones")
    if kind == "onnx":
        exported = export_onnx(listener, streaming=True)
        (tmp_path / "model.onnx").write_bytes(exported.SerializeToString())
    else:
        listener.save(tmp_path / "model.safetensors")
    (tmp_path / "room").mkdir()
    hum = 0.1 * np.random.default_rng(0).standard_normal(30 * 16_000).astype(np.float32)
    write_audio(tmp_path / "room/hum.wav", hum.clip(-1, 1), 16_000)
    arguments = [
        f"model=model.{kind}",
        *ARGUMENTS[1:],
        "streams.hours=0.02",
        "streams.snr_db=25",
        "streams.gap_seconds=[1,4]",
    ]
    arguments += ["background=[room]", f"output=tuned.{kind}", "output_dir=out"]
    result = speech_rnn("tune", *arguments, "false_accepts_per_hour=0.5", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "0.02 hours are too short to promise 0.5 false accepts an hour" in result.stdout
    tuned = Recognizer.load(tmp_path / f"tuned.{kind}")
    found = json.loads((tmp_path / "out/tuning.json").read_text())
    assert tuned.spotting.to_dict() == found["spotting"]
    assert set(tuned.spotting.thresholds) == set(WORDS)
    assert tuned.provenance["tuning"]["promise"]["false_accepts_per_hour"] == 0.5
    assert Recognizer.load(tmp_path / f"model.{kind}").spotting is None
    other = {"onnx": "safetensors", "safetensors": "onnx"}[kind]
    wrong = speech_rnn("tune", *arguments, f"output=tuned.{other}", "miss_rate=0.1", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "is saved as .onnx, any other" in wrong.stderr
    wrong = speech_rnn("tune", *arguments, cwd=tmp_path, module=True)
    assert wrong.returncode == 2
    assert "give one of them" in wrong.stderr
