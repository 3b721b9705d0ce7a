"""Reference labels, as people and programs write them, and rows that cannot be right."""

import json
from pathlib import Path

import pytest

from speech_rnn.detection.labels import Label, check_labels, read_labels
from speech_rnn.errors import DataError

LABELS = [Label("go", 0.5, 1.0), Label("lights on", 2.0, 3.25)]


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("word", ["go\u2028left", "go\x85left", "go\fleft"])
def test_case_21_a_line_separator_inside_a_word_is_a_blank(tmp_path, word):
    row = {"file": "a.wav", "word": word, "start": 0, "end": 1}
    line = json.dumps(row, ensure_ascii=False)
    for path in (
        write(tmp_path / "labels.jsonl", f"{line}\n"),
        write(tmp_path / "labels.csv", f"file,word,start,end\na.wav,{word},0,1\n"),
        write(tmp_path / "labels.txt", f"0\t1\t{word}\n"),
    ):
        assert [row.label for row in read_labels(path)] == [Label("go left", 0, 1)]


def test_three_formats(tmp_path):
    table = write(
        tmp_path / "labels.csv",
        "file,word,start,end,confidence\na.wav,go,0.5,1.0,0.9\nb/c.wav,lights on,2,3.25,0.8\n",
    )
    rows = [
        {"file": file, "word": label.word, "start": label.start, "end": label.end}
        for file, label in zip(("a.wav", "b/c.wav"), LABELS, strict=True)
    ]
    lines = write(tmp_path / "labels.jsonl", "\n".join(map(json.dumps, rows)) + "\n\n")
    for path in (table, lines):
        found = read_labels(path)
        assert [row.label for row in found] == LABELS
        assert [row.file for row in found] == [tmp_path / "a.wav", tmp_path / "b/c.wav"]
    track = write(
        tmp_path / "a.txt", "0.5\t1.0\tgo\n\\\t300\t2000\n2.000000\t3.250000\tlights on\n"
    )
    assert [row.label for row in read_labels(track)] == LABELS
    assert [row.file for row in read_labels(track)] == [None, None]
    assert read_labels(track)[1].place == f"{track} line 3"


@pytest.mark.parametrize(
    ("name", "text", "messages"),
    [
        ("a.csv", "file,word\n", ["has no column start, end"]),
        ("a.csv", "file,word,start,end\na,go,x,1\na,,0,1\n", ["line 2: could not", "line 3: word"]),
        ("a.jsonl", '{"file": "a", "word": "go", "start": 0}\nnot\n', ["line 1: lacks 'end'",
                                                                       "line 2: Expecting value"]),
        ("a.txt", "2\t1\tgo\n-1\t1\tgo\n", ["line 1: start=2 and end=1", "line 2: start=-1"]),
        ("a.txt", "0\tnan\tgo\n", ["end=nan must be times of 0 s"]),
        ("a.xml", "", ["must end in .csv, .jsonl or .txt"]),
    ],
)  # fmt: skip
def test_rows_that_cannot_be_read_are_named(tmp_path, name, text, messages):
    path = write(tmp_path / name, text)
    with pytest.raises(DataError) as caught:
        read_labels(path)
    for message in messages:
        assert message in str(caught.value)


def test_a_missing_file():
    with pytest.raises(DataError, match=r"labels='nowhere.csv' cannot be read"):
        read_labels(Path("nowhere.csv"))


def test_impossible_labels_are_named_all_at_once(tmp_path):
    rows = read_labels(
        write(
            tmp_path / "a.txt",
            "0\t2\tgo\n1\t1.5\tstop\n1.9\t3\tgo\n8\t9.5\tstop\n5\t6\tgoo\n2.95\t2.99\tgo\n",
        )
    )
    with pytest.raises(DataError) as caught:
        check_labels(rows, 9.0, ["go", "stop"])
    message = str(caught.value)
    assert "line 3: 'go' from 1.9 to 3 overlaps the same word" in message
    assert "line 6: 'go' from 2.95" in message  # within the one above
    assert "line 4: end=9.5 lies past the end of the recording at 9 s" in message
    assert "line 5: 'goo' is not a word of the model; did you mean 'go'?" in message
    assert message.count("\n") == 4  # stop overlaps go, which may be


def test_neighbours_may_touch(tmp_path):
    rows = read_labels(write(tmp_path / "a.txt", "0\t1\tgo\n1\t2.0004\tgo\n"))
    check_labels(rows, 2.0, ["go"])
