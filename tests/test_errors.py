"""Messages name the way out."""

import pytest

from speech_rnn.errors import did_you_mean


@pytest.mark.parametrize(
    ("names", "known", "hint"),
    [
        ("gruu", ["lstm", "gru"], "; did you mean 'gru'?"),
        (["lefft", "qqq", "yess"], ["yes", "left", "no"], "; did you mean 'left', 'yes'?"),
        ("transformer", ["gru", "lstm"], "; choose one of gru, lstm"),
        ("x", [], ""),
        ("none", map(str, range(31)), f"; choose one of {', '.join(map(str, range(30)))}, …"),
    ],
)
def test_an_unknown_name_is_answered_with_known_ones(names, known, hint):
    assert did_you_mean(names, known) == hint
