"""What a person says of the spotting, over what a tuning has found."""

import pytest

from speech_rnn.errors import ConfigurationError
from speech_rnn.listening.options import StreamOptions
from speech_rnn.streaming.spotter import Spotting

TUNED = Spotting(threshold=0.7, thresholds={"go": 0.9, "stop": 0.4})


def test_tuned_thresholds_hold_without_speech():
    assert StreamOptions().spotting(TUNED, "ctc") == TUNED
    assert StreamOptions().spotting(None, "ctc") == Spotting.of("ctc")


def test_a_word_has_its_own_and_the_others_theirs():
    found = StreamOptions(word_threshold=["stop=0.8"]).spotting(TUNED, "ctc")
    assert found.thresholds == {"go": 0.9, "stop": 0.8}


def test_a_threshold_for_all_words_is_for_all():
    found = StreamOptions(threshold=0.5, word_threshold=["go=0.6"]).spotting(TUNED, "ctc")
    assert (found.threshold, found.thresholds) == (0.5, {"go": 0.6})


def test_an_invalid_threshold_is_reported():
    with pytest.raises(ConfigurationError, match=r"word_threshold='stop' must be WORD=THRESHOLD"):
        StreamOptions(word_threshold=["stop"]).spotting(TUNED, "ctc")
