"""Messages name the way out."""

import json
import subprocess
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from speech_rnn.errors import MissingExtraError, did_you_mean, printable


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


@pytest.mark.parametrize(
    ("origin", "line"),
    [
        (None, "pip install 'speech-rnn[synth]'"),
        (
            {"url": "file:///home/a%20b", "dir_info": {"editable": True}},
            "pip install -e '/home/a b[synth]'",
        ),
        ({"url": "file:///home/c", "dir_info": {}}, "pip install '/home/c[synth]'"),
        ({"url": "file:///a.whl", "archive_info": {}}, "pip install 'speech-rnn[synth]'"),
    ],
)
def test_a_missing_extra_is_installed_from_where_the_package_came(origin, line, monkeypatch):
    installed = SimpleNamespace(read_text=lambda name: origin and json.dumps(origin))
    monkeypatch.setattr(metadata, "distribution", lambda name: installed)
    message = str(MissingExtraError("espeakng_loader", "synth"))
    assert message == f"package='espeakng_loader' is not installed: run  {line}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("tür auf, 打开.wav", "tür auf, 打开.wav"),
        ("a\nb\tc", "a\nb\tc"),
        ("\x1b[2Ja.wav", r"\x1b[2Ja.wav"),
        ("\x9b31m\x7f\r", r"\x9b31m\x7f\r"),
        ("b\udcff.wav", r"b\udcff.wav"),
        ("gpj.\u202ewav", r"gpj.\u202ewav"),
    ],
)
def test_terminal_escapes_in_file_names(text, shown):
    assert printable(text) == shown
    printable(text).encode()


def test_case_29_warnings_of_others_keep_their_line():
    code = (
        "import warnings\n"
        "from speech_rnn.errors import SpeechRnnWarning, notes\n"
        "with notes():\n"
        "    warnings.warn(SpeechRnnWarning('a.wav: is silent'))\n"
        "    warnings.warn('something else')\n"
        "warnings.warn(SpeechRnnWarning('a library has them'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours, theirs, in_a_library = done.stderr.splitlines()
    assert ours == "note: a.wav: is silent"
    assert theirs == "<string>:5: UserWarning: something else"
    assert in_a_library == "<string>:6: SpeechRnnWarning: a library has them"
