"""Which sources of a recipe are left out where something is not installed, and what is said."""

import logging

import pytest

from speech_rnn.data.at_hand import NOT_MEASURED, AtHand
from speech_rnn.data.combining import Merged
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.errors import DataError, MissingExtraError


class Speaker:
    """A source that lacks what it is told to, until it is fetched."""

    def __init__(self, words, error=None, cost=None):
        self.words, self.error = words, error
        self.fetched = False
        if cost:
            self.cost = cost

    def lack(self):
        return None if self.fetched else self.error

    def fetch(self):
        self.fetched = "files" in str(self.error)

    def prepare(self):
        rows = tuple(Utterance(f"{word}.wav", word, "one") for word in self.words)
        return Corpus(rows, tuple(self.words), synthetic=tuple(self.words))


class People:
    """A source that cannot lack anything."""

    def prepare(self):
        return Corpus((Utterance("ann.wav", "go", "ann"),), ("go",))


FILES = DataError("its files are missing: run  get files")
PROGRAM = DataError("its program is missing: run  get program")


def test_missing_sources_are_left_out_with_one_line_each(caplog):
    sources = {
        "first": Speaker(["go"]),
        "second": Speaker(["go"], PROGRAM, cost="fewer voices"),
        "third": Speaker(["go"], FILES),
        "people": People(),
        "none": None,
    }
    there = AtHand.of(sources, costs={"third": "no third"})
    assert [*there.sources] == ["first", "people"]
    assert [*there.left_out] == ["second", "third"]
    assert [record.getMessage() for record in caplog.records] == [
        "second is left out: its program is missing: run  get program. Without it: fewer voices",
        "third is left out: its files are missing: run  get files. Without it: no third",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING}


def test_an_unmeasured_cost_is_called_so(caplog):
    AtHand.of({"one": Speaker(["go"]), "other": Speaker(["go"], FILES)})
    assert caplog.records[0].getMessage().endswith(f"Without it: {NOT_MEASURED}")


@pytest.mark.parametrize("required", ["other", ["other"], ["other", "stranger"]])
def test_required_sources_are_fetched(required, caplog):
    there = AtHand.of({"one": Speaker(["go"]), "other": Speaker(["go"], FILES)}, required)
    assert [*there.sources] == ["one", "other"]
    assert not caplog.records


def test_a_required_source_that_cannot_be_fetched_is_an_error():
    with pytest.raises(DataError, match="get program"):
        AtHand.of({"one": Speaker(["go"]), "other": Speaker(["go"], PROGRAM)}, "other")


def test_without_any_source_there_is_one_error(caplog):
    synth = MissingExtraError("espeakng_loader", "synth")
    with pytest.raises(DataError) as caught:
        AtHand.of({"one": Speaker(["go"], synth), "other": Speaker(["go"], FILES)})
    assert str(caught.value).startswith(
        "none of one, other is available: package='espeakng_loader'"
    )
    assert "[synth]" in str(caught.value)
    with pytest.raises(MissingExtraError):
        AtHand.of({"one": Speaker(["go"], synth), "other": None})
    assert not caplog.records


def test_words_of_what_is_left_out_alone_are_not_lost():
    sources = {"one": Speaker(["go"]), "other": Speaker(["go", "stop"], FILES)}
    message = "no source has stop: other, which has, is left out: its files are missing"
    with pytest.raises(DataError, match=message):
        Merged(sources).prepare()
    assert Merged(sources, required="other").prepare().words == ("go", "stop")
    sources["third"] = Speaker(["stop"])
    sources["other"].fetched = False
    assert set(Merged(sources).prepare().words) == {"go", "stop"}
