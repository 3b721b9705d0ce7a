"""Each finding that matters gets one sentence with what to do, and a good recording none."""

import re
from dataclasses import replace

import pytest

from speech_rnn.decoding.hypothesis import Hypothesis, Word
from speech_rnn.diagnosis.advice import advice
from speech_rnn.diagnosis.answers import Answer
from speech_rnn.diagnosis.measures import Measures
from tests.plain_words import unclear

GOOD = Measures(
    seconds=2.0,
    sample_rate=16_000,
    n_channels=1,
    rms_db=-25.0,
    peak_db=-6.0,
    clipped_share=0.0,
    dc_offset=0.0,
    bandwidth_hz=8_000.0,
    speech_start=0.5,
    speech_end=1.2,
    snr_db=35.0,
)
YES = Answer(Hypothesis((Word("yes", 0.5, 1.2, 0.9),), 0.9), (("yes", 0.9), ("no", 0.1)), None)
NOTHING = replace(YES, hypothesis=Hypothesis((), 0.8, "silence"))
STRANGE = Answer(Hypothesis((), 0.8, "unknown", evidence=0.5), (("yes", 0.2),), 1.25)

CASES = [
    ({"bandwidth_hz": 3_900.0}, YES, "ends at 3.9 kHz, .*: record at 16 kHz or more"),
    ({"bandwidth_hz": 4_000.0, "sample_rate": 8_000}, YES, "ends at 4.0 kHz"),
    ({"speech_start": 0.0}, YES, "begins at full strength.*: start recording half a second before"),
    ({"speech_end": 1.99}, YES, "ends at full strength.*: stop recording half a second after"),
    ({"snr_db": 6.4}, YES, "only 6 dB above the noise: move the microphone nearer"),
    (
        {"speech_start": None, "speech_end": None, "snr_db": None},
        NOTHING,
        "No speech stands out from the noise: speak nearer",
    ),
    ({"seconds": 0.05}, NOTHING, "lasts 0.050 s, which is too short for a word"),
    ({}, NOTHING, "no word was recognised. The nearest word is yes. Say one of"),
    ({}, STRANGE, "evidence for a word is 0.50. The answer is empty, because"),
]


@pytest.mark.parametrize(("figures", "answer", "expected"), CASES)
def test_each_finding_has_its_sentence(figures, answer, expected):
    found = advice(replace(GOOD, **figures), answer)
    assert len([text for text in found if re.search(expected, text)]) == 1
    assert unclear(found) == []
    for text in found:
        assert text[0].isupper()
        assert text.endswith(".")
        assert 60 < len(text) < 260


def test_a_good_recording_needs_nothing():
    assert advice(GOOD, YES) == []
    assert advice(GOOD, None) == []
    assert advice(replace(GOOD, snr_db=None), YES) == []


def test_a_telephone_that_is_recorded_below_its_rate_is_reported_once():
    """`check_waveform` has a sentence for rates below 8 kHz."""
    assert advice(replace(GOOD, bandwidth_hz=3_000.0, sample_rate=6_000), YES) == []


def test_the_end_of_an_excerpt_is_not_the_end_of_the_recording():
    assert advice(replace(GOOD, speech_end=2.0), YES, is_whole=False) == []
