"""Lines and records are read as they were written, and wrong ones are named."""

import pytest

from speech_rnn.errors import DataError
from speech_rnn.storage.columns import Columns
from speech_rnn.storage.tables import made, read_records
from speech_rnn.storage.text import read_lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_ends_where_editors_end_it(tmp_path, end):
    lines = ["go\u2028left", "", "a\fb\x85c\x1cd", "last"]
    path = tmp_path / "lines.txt"
    for last in ("", end):
        path.write_bytes(("\ufeff" + end.join(lines) + last).encode())
        assert read_lines(path, "text") == lines


def test_an_empty_file_has_no_lines(tmp_path):
    (tmp_path / "empty").touch()
    assert read_lines(tmp_path / "empty", "text") == []


def test_csv_keeps_quoted_line_ends_and_counts_lines(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b'audio,text\r\na.wav,"go\nleft"\r\n\r\nb.wav,stop\r\n')
    assert [*read_records(path, "rows", Columns(("text",)))] == [
        (3, {"text": "go\nleft"}),
        (5, {"text": "stop"}),
    ]


def test_all_wrong_lines_are_named_at_once(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n": 1}\n\n{"n": "x"}\n{"m": 3}\nno json\n')
    with pytest.raises(DataError) as raised:
        made(read_records(path, "rows"), lambda line, row: int(row["n"]), path, "rows")
    head, *lines = str(raised.value).splitlines()
    assert head == f"rows={str(path)!r} has wrong rows:"
    assert [line.split(":")[0].strip() for line in lines] == ["line 3", "line 4", "line 5"]
    assert "lacks 'n'" in lines[1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", b"", r"must end in \.jsonl or \.csv"),
        ("rows.csv", b"audio\n", "has no column text, start"),
        ("rows.csv", b"", "has no column audio, text, start"),
        ("rows.csv", b"\xff", "cannot be read"),
        ("rows.csv", b"audio,text,start\n" + b"x" * 200_000 + b",go,0\n", "line 2: field larger"),
        ("none.csv", None, "cannot be read"),
    ],
)
def test_files_that_are_not_tables_are_rejected(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        [*read_records(tmp_path / name, "rows", Columns(("audio", "text", "start")))]
