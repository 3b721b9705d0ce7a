"""Which clips an evaluation takes."""

import pytest

from speech_rnn.config.app import as_typed, compose
from speech_rnn.config.build import corpus_of, split_of
from speech_rnn.errors import ConfigurationError, DataError


@pytest.fixture
def evaluation(tmp_path):
    """Return a function that composes an evaluation of four recordings of each of two words."""
    for word in ("lights_on", "lights_off"):
        (tmp_path / word).mkdir()
        for number in range(4):
            (tmp_path / word / f"r{number}.wav").touch()

    def composed(*lines):
        typed = as_typed(["data=folder", f"data.root={tmp_path}", "model_file=x", *lines])
        return compose("evaluate", typed)

    return composed


def test_case_13_all_of_ones_own_recordings(evaluation):
    rows = split_of(evaluation("split=all"))
    assert len(rows) == 8
    assert {row.text for row in rows} == {"lights on", "lights off"}
    assert corpus_of(evaluation("split=all")).split("train") == ()


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_case_13_a_split_of_few_recordings(evaluation, split):
    rows = split_of(evaluation(f"split={split}"))
    assert {row.text for row in rows} == {"lights on", "lights off"}


def test_case_13_the_test_may_be_all(evaluation):
    lines = ("data.test_percentage=100", "data.validation_percentage=0")
    assert len(split_of(evaluation(*lines))) == 8
    with pytest.raises(DataError, match="split='train' has no clips; split=all takes those of all"):
        split_of(evaluation(*lines, "split=train"))


def test_an_unknown_split_is_reported_with_the_nearest(evaluation):
    with pytest.raises(
        ConfigurationError, match="split='tset' does not exist; did you mean 'test'"
    ):
        split_of(evaluation("split=tset"))
