"""Words that are refused, and files of them."""

import codecs

import pytest

from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.synthesis.words import check_words, read_words

LINES = "# my words\n\nlights on\n  lights   off \n\t\n#stop\nyes\ndon't\n"
WORDS = ["lights on", "lights off", "yes", "don't"]


@pytest.mark.parametrize(
    "content",
    [
        LINES.encode(),
        codecs.BOM_UTF8 + LINES.encode(),
        LINES.replace("\n", "\r\n").encode(),
        LINES.replace("\n", "\r").encode(),
        LINES.rstrip("\n").encode(),
        codecs.BOM_UTF16_LE + LINES.encode("utf-16-le"),
    ],
)
def test_a_file_has_a_word_a_line(tmp_path, content):
    file = tmp_path / "words.txt"
    file.write_bytes(content)
    assert read_words(file) == WORDS


def test_words_of_any_letters(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("größer\nвпе\u0440ед\n打开\ncafe\u0301\n", encoding="utf-8")
    assert read_words(file) == ["größer", "вперед", "打开", "café"]


def test_every_wrong_line_is_reported_with_its_number(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("go\n# more\nGo\n!\n_unknown_\nstop\nup\x07\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_words(file)
    assert str(caught.value).splitlines() == [
        f"words_file={str(file)!r} has wrong lines:",
        "  line 3: 'Go' is given twice",
        "  line 4: '!' has no letter",
        "  line 5: '_unknown_' starts with _, which marks what is not spoken",
        "  line 7: 'up\\x07' holds a control character",
    ]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"# nothing\n", codecs.BOM_UTF8])
def test_a_file_without_words(tmp_path, content):
    file = tmp_path / "words.txt"
    file.write_bytes(content)
    with pytest.raises(
        ConfigurationError, match=r"words\.txt' has no words; write one on each line"
    ):
        read_words(file)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"words_file=.*none\.txt' cannot be read"):
        read_words(tmp_path / "none.txt")
    with pytest.raises(DataError, match=r"words_file=.* cannot be read"):
        read_words(tmp_path)
    (tmp_path / "latin.txt").write_bytes("größer\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.txt' cannot be read: its text is not UTF-8"):
        read_words(tmp_path / "latin.txt")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (None, r"words must be given: words=\[.*\], or words_file=FILE"),
        ([], r"words=\[\] must be a list of at least one word"),
        ("go", "words='go' must be a list"),
        ([True], "True is no text: in YAML"),
        (["lights  on"], "must have single spaces"),
        (["go\x00"], "holds a control character"),
    ],
)
def test_words_that_cannot_be_spoken(words, message):
    with pytest.raises(ConfigurationError, match=message):
        check_words(words)
