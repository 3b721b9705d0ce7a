"""The folder of takes, and what is missing in it."""

import json
from dataclasses import asdict

import numpy as np
import pytest
import soundfile

from speech_rnn.data.folder import Folder
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.serving.refusals import RefusalError
from speech_rnn.serving.takes import Label, Takes
from speech_rnn.serving.wanted import checked_words, gaps, next_word, seconds_for

RATE = 48_000
SAMPLES = (np.sin(np.arange(RATE // 10) / 10) / 2).astype(np.float32)


def label(word="stop", speaker="Anna", room="quiet", consent="I agree.", device="headset"):
    return Label(word, speaker, device, room, consent)


def add(takes, **given):
    date = "2026-01-01T00:00:00+00:00"
    return takes.add(label(**given), SAMPLES, RATE, date=date, level_db=-6.02, clipped=False)


def test_takes_are_a_folder_that_data_folder_reads(tmp_path):
    takes = Takes(tmp_path / "takes")
    for word in ("stop", "lights on"):
        for speaker in ("Anna", "Zoë B."):
            add(takes, word=word, speaker=speaker)
    add(takes)
    corpus = Folder(str(takes.folder), speaker_pattern=r"/(\w+)_\d+\.", split="speaker").prepare()
    assert set(corpus.words) == {"stop", "lights on"}
    assert {row.speaker for row in corpus.utterances} == {"Anna", "Zoë_B"}
    assert len(corpus.utterances) == 5
    samples, rate = soundfile.read(takes.folder / "stop/Anna_2.wav", dtype="float32")
    assert (rate, soundfile.info(takes.folder / "stop/Anna_2.wav").subtype) == (RATE, "PCM_16")
    assert np.abs(samples - SAMPLES).max() <= 0.5 / 32768


def test_each_take_has_its_row(tmp_path):
    takes = Takes(tmp_path)
    add(takes)
    add(takes, room="noisy")
    rows = [json.loads(line) for line in (tmp_path / "takes.jsonl").read_text().splitlines()]
    assert rows == [asdict(take) for take in takes.rows]
    assert rows[1] == {
        "word": "stop",
        "file": "stop/Anna_2.wav",
        "speaker": "Anna",
        "device": "headset",
        "room": "noisy",
        "consent": "I agree.",
        "date": "2026-01-01T00:00:00+00:00",
        "seconds": 0.1,
        "level_db": -6.0,
        "clipped": False,
    }
    assert Takes(tmp_path).rows == takes.rows


def test_a_deleted_take_leaves_neither_file_nor_row(tmp_path):
    takes = Takes(tmp_path)
    first, second = add(takes), add(takes)
    takes.remove(first.file)
    assert [path.name for path in tmp_path.rglob("*.wav")] == ["Anna_2.wav"]
    assert Takes(tmp_path).rows == takes.rows == [second]
    takes.remove(second.file)
    assert not (tmp_path / "stop").exists()  # a training would refuse an empty folder
    with pytest.raises(RefusalError, match="is not there"):
        takes.remove(second.file)


def test_a_row_whose_file_is_gone_is_ignored(tmp_path):
    takes = Takes(tmp_path)
    take, kept = add(takes), add(takes)
    (tmp_path / take.file).unlink()
    assert Takes(tmp_path).rows == [kept]


def test_a_damaged_table_is_an_error_with_its_line(tmp_path):
    add(Takes(tmp_path))
    with (tmp_path / "takes.jsonl").open("a") as file:
        file.write('{"word": "go"}\n')
    with pytest.raises(DataError, match="line 2"):
        Takes(tmp_path)


def test_a_disk_that_cannot_be_written_keeps_the_takes(tmp_path, monkeypatch):
    takes = Takes(tmp_path)
    take = add(takes)

    def full(*given):
        raise OSError(28, "No space left on device", str(tmp_path / "takes.jsonl"))

    monkeypatch.setattr("speech_rnn.storage.atomic.write", full)
    with pytest.raises(DataError, match="No space left"):
        add(takes)
    assert takes.rows == [take]


@pytest.mark.parametrize("speaker", ["../../etc/passwd", "/root", "a/b\\c", "..x", "C:\\x", "a\0b"])
def test_a_name_never_leaves_the_folder(speaker, tmp_path):
    take = add(Takes(tmp_path / "takes"), speaker=speaker)
    assert [path.parent for path in tmp_path.rglob("*.wav")] == [tmp_path / "takes/stop"]
    assert take.speaker == speaker


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"consent": ""}, "consent is missing"),
        ({"room": "loud"}, "quiet or noisy"),
        ({"speaker": "..."}, "letter or a digit"),
        ({"speaker": ""}, "letter or a digit"),
        ({"speaker": "a" * 61}, "more than 60"),
        ({"device": "a" * 61}, "more than 60"),
        ({"word": "../x"}, "cannot be the name of a folder"),
    ],
)
def test_a_wrong_label_is_refused(given, said):
    with pytest.raises(ConfigurationError, match=said):
        label(**given)


def test_missing_takes_are_listed_in_words(tmp_path):
    takes = Takes(tmp_path)
    for word, n_quiet, n_noisy in (("stop", 7, 0), ("go", 10, 0), ("left", 2, 1), ("up", 9, 1)):
        for number in range(n_quiet + n_noisy):
            add(takes, word=word, room="quiet" if number < n_quiet else "noisy")
    missing = gaps(["stop", "go", "left", "up", "down"], takes.rows)
    assert [gap.sentence for gap in missing] == [
        "3 more of 'stop', one in a noisy room",
        "1 more of 'go', in a noisy room",
        "7 more of 'left'",
        "10 more of 'down', one in a noisy room",
    ]
    assert (next_word(missing, "quiet"), next_word(missing, "noisy")) == ("down", "down")
    assert next_word(gaps(["go"], takes.rows), "quiet") is None
    assert next_word(gaps(["go"], takes.rows), "noisy") == "go"
    assert next_word(gaps(["up"], takes.rows), "noisy") is None


def test_a_phrase_gets_more_time_than_a_word():
    assert seconds_for("stop") < seconds_for("lights on") < seconds_for("turn off all the lights")
    assert seconds_for("a " * 30) == 6


def test_words_are_cleaned_and_checked():
    assert checked_words(["  lights \t on", "", "grün"]) == ["lights on", "grün"]
    assert checked_words([]) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["go", "Go"], "given twice"),
        (["a/b"], "folder"),
        (["../x"], "folder"),
        ([".hidden"], "folder"),
        (["_background_noise_"], "starts with _"),
        (["#go"], "not begin with #"),
        (["a" * 61], "at most 60"),
        (["?!"], "no letter"),
        ([str(n) for n in range(101)], "at most 100"),
        ([1], "list of texts"),
        ("go", "list of texts"),
        (None, "list of texts"),
    ],
)
def test_wrong_words_are_refused(words, said):
    with pytest.raises(ConfigurationError, match=said):
        checked_words(words)
