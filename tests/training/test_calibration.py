"""Temperature, evidence and thresholds against their definitions, and withheld answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax, softmax
from scipy.stats import beta

from speech_rnn.decoding.confidence import Calibration, evidence
from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.recognizer import Recognizer
from speech_rnn.training.calibration import calibrate, fit_temperature
from tests.test_recognizer import untrained
from tests.tones import tone


def drawn(seed, n_clips=400, n_classes=5, sharpness=1.0):
    """Logits whose classes are drawn from their own softmax; `sharpness` then overstates them."""
    random = np.random.default_rng(seed)
    logits = 2 * random.standard_normal((n_clips, n_classes))
    targets = np.array([random.choice(n_classes, p=np.exp(row)) for row in log_softmax(logits, 1)])
    return sharpness * logits, targets


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.25, 1.0, 4.0]))
def test_temperature_is_the_most_probable(seed, sharpness):
    logits, targets = drawn(seed, sharpness=sharpness)
    found = fit_temperature(logits, targets)

    def surprise(temperature):
        right = softmax(logits / temperature, axis=1)[np.arange(len(targets)), targets]
        share = 0.5 ** (1 / 401)
        return -np.mean(share * np.log(right) + (1 - share) * np.log1p(-right.clip(max=1 - 1e-15)))

    assert found == pytest.approx(sharpness, rel=0.3)
    grid = np.geomspace(0.05, 20, 200)
    assert surprise(found) <= min(map(surprise, grid)) + 1e-6


@pytest.mark.parametrize("n_clips", [1, 3, 30, 300])
def test_a_perfect_validation_promises_what_its_clips_can(n_clips):
    """Of clips that are all as sure, the confidence is the median of the share that is right."""
    logits = np.eye(3)[np.arange(n_clips) % 3]
    temperature = fit_temperature(logits, np.arange(n_clips) % 3)
    confidence = softmax(logits / temperature, axis=1).max(axis=1).mean()
    assert beta.cdf(confidence, n_clips + 1, 1) == pytest.approx(0.5, abs=1e-3)


@given(st.integers(0, 10_000), st.integers(10, 300), st.floats(0.1, 10))
def test_a_perfect_validation_promises_no_more_than_its_clips_can(seed, n_clips, scale):
    logits = scale * np.random.default_rng(seed).standard_normal((n_clips, 4))
    temperature = fit_temperature(logits, logits.argmax(axis=1))
    confidence = softmax(logits / temperature, axis=1).max(axis=1).mean()
    assert confidence <= 0.5 ** (1 / (n_clips + 1)) + 1e-6
    assert confidence < 0.999


def test_temperature_is_bounded():
    assert fit_temperature(-np.eye(3), np.arange(3)) == pytest.approx(20, rel=1e-3)
    assert fit_temperature(1e-3 * np.eye(3), np.arange(3)) == pytest.approx(0.05, rel=1e-3)
    assert fit_temperature(np.ones((5, 1)), np.zeros(5, dtype=int)) == 1.0


def test_evidence_by_hand():
    logits = np.log(np.array([[1.0, 2.0, 3.0]]))
    assert evidence(logits, ["a", "b", "c"]) == pytest.approx([np.log(6)])
    assert evidence(logits, ["_unknown_", "b", "c"]) == pytest.approx([np.log(5)])
    assert evidence(logits, ["_silence_", "_unknown_", "c"]) == pytest.approx([np.log(3)])


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.5, 1.0))
def test_thresholds_let_their_share_pass(seed, keep):
    logits, targets = drawn(seed, n_clips=60)
    tokens = ["_unknown_", "a", "b", "c", "d"]
    calibration = calibrate(logits, targets, tokens, keep=keep)
    right = (logits.argmax(1) == targets) & (targets > 0)
    passed = evidence(logits, tokens)[right] >= calibration.unknown_below
    assert passed.mean() >= keep - 1e-9
    confidences = np.exp(log_softmax(logits / calibration.temperature, 1).max(1))
    for word, threshold in calibration.ambiguous_below.items():
        of_word = right & (targets == tokens.index(word))
        assert (confidences[of_word] >= threshold).mean() >= keep - 1e-9
        assert 0 < threshold <= 0.5
    assert "_unknown_" not in calibration.ambiguous_below


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 0.5))
def test_other_words_pass_by_their_share_and_no_fewer(seed, share):
    logits, targets = drawn(seed, n_clips=60)
    targets[0] = 0  # one other word at least
    tokens = ["_unknown_", "a", "b", "c", "d"]
    calibration = calibrate(logits, targets, tokens, false_accepts=share)
    others = np.sort(evidence(logits, tokens, against_unknown=True)[targets == 0])
    passed = others >= calibration.unknown_below
    assert passed.mean() <= share + 1e-9
    if not passed.all():  # the next one would be too many
        assert (passed.sum() + 1) / len(others) > share - 1e-9
    assert calibration.ambiguous_below == {}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"false_accepts": 1.0}, r"false_accepts=1.0 must lie in \[0, 1\)"),
        ({"false_accepts": -0.1}, r"false_accepts=-0.1 must lie in \[0, 1\)"),
        ({"false_accepts": 0.1, "keep": 0.9}, "set the same threshold"),
        ({"false_accepts": 0.1}, "needs clips of other words"),
    ],
)
def test_wrong_shares_of_other_words_are_refused(given, message):
    with pytest.raises(ConfigurationError, match=message):
        calibrate(*drawn(0), list("abcde"), **given)


def test_other_words_without_clips_are_refused():
    logits, targets = drawn(0)
    tokens = ["_unknown_", "a", "b", "c", "d"]
    with pytest.raises(DataError, match="needs other words in the validation split"):
        calibrate(logits, targets.clip(1), tokens, false_accepts=0.1)


def test_evidence_against_unknown_is_the_log_odds_of_a_word():
    logits = np.random.default_rng(3).normal(0, 2, (50, 4))
    tokens = ("_silence_", "_unknown_", "go", "stop")
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    odds = np.log(shares[:, 2:].sum(axis=1) / shares[:, 1])
    assert np.allclose(evidence(logits, tokens, against_unknown=True), odds)


def test_without_a_share_every_clip_is_answered():
    logits, targets = drawn(0)
    calibration = calibrate(logits, targets, list("abcde"))
    assert calibration == Calibration(fit_temperature(logits, targets))


def test_withheld_answers_give_the_reason():
    calibration = Calibration(1.0, unknown_below=2.0, ambiguous_below={"go": 0.4})
    go = Hypothesis((Word("go", 0.0, 1.0, 0.3),), 0.3)
    stop = Hypothesis((Word("stop", 0.0, 1.0, 0.3),), 0.3, alternatives=(go,))
    unknown = calibration.judge(stop, 1.9)
    assert (unknown.text, unknown.reason, unknown.label) == ("", "unknown", "_unknown_")
    assert [other.text for other in unknown.alternatives] == ["stop", "go"]
    assert calibration.judge(go, 2.0).reason == "ambiguous"
    assert calibration.judge(stop, 2.0).text == "stop"
    silence = Hypothesis((), 0.9, "silence")
    assert calibration.judge(silence, -9.0).reason == "silence"
    assert calibration.judge(silence, -9.0).to_dict()["evidence"] == -9.0


def test_a_recognizer_keeps_its_calibration(tmp_path):
    recognizer = untrained()
    clip = tone("low")
    (plain,) = recognizer.transcribe([clip])
    recognizer.calibration = Calibration(0.25, plain.evidence + 1, {"low": 0.9})
    recognizer.save(tmp_path / "model.safetensors")
    loaded = Recognizer.load(tmp_path / "model.safetensors")
    assert loaded.calibration == recognizer.calibration
    found = loaded.transcribe(clip)
    assert (found.reason, found.evidence) == ("unknown", pytest.approx(plain.evidence, abs=2e-4))
    assert found.alternatives[0].text == plain.text
    assert found.confidence > plain.confidence  # the temperature is below 1


@pytest.mark.parametrize("keep", [0.0, -1.0, 1.1])
def test_wrong_shares_are_refused(keep):
    with pytest.raises(ConfigurationError, match=r"keep=.* must lie in \(0, 1\]"):
        calibrate(*drawn(0), list("abcde"), keep=keep)


def test_nothing_to_calibrate_on_is_refused():
    with pytest.raises(DataError, match="calibration needs a validation split"):
        calibrate(np.zeros((0, 2)), np.zeros(0, dtype=int), ["a", "b"])
    with pytest.raises(ConfigurationError, match="temperature=0 must lie in"):
        Calibration(0)
