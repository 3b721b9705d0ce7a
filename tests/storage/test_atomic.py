"""A file is written whole, or stays as it was."""

from contextlib import suppress

import pytest

from speech_rnn.storage import atomic


def test_json_is_plain_and_ends_in_a_line(tmp_path):
    path = atomic.write_json(tmp_path / "found.json", {"words": ["go"], "rate": 0.5})
    assert path.read_text() == '{\n  "words": [\n    "go"\n  ],\n  "rate": 0.5\n}\n'


@pytest.mark.parametrize("content", ["go\nlinks über\u2028\r\n", b"\0\r\n\xff"])
def test_written_values_are_read_back_unchanged(tmp_path, content):
    path = tmp_path / "file.txt"
    path.write_text("before")
    atomic.write(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [*tmp_path.iterdir()] == [path]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_text("before")
    with suppress(ZeroDivisionError), atomic.replacing(path) as partial:
        assert (partial.parent, partial.suffix) == (path.parent, ".onnx")
        partial.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "before"
    assert [*tmp_path.iterdir()] == [path]


def test_a_folder_in_its_place_is_an_error_and_leaves_nothing(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        atomic.write(tmp_path / "taken", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
