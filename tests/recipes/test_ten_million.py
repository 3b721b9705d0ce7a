"""The script that measures the costs of a large corpus runs on a small one."""

from runpy import run_path

import pytest

from speech_rnn.audio import write_audio
from tests.test_architecture import ROOT
from tests.tones import tone

SCRIPT = ROOT / "recipes/ten_million/costs.py"
pytestmark = pytest.mark.slow


@pytest.fixture
def script(tmp_path, monkeypatch):
    for word in ("low", "high"):
        (tmp_path / word).mkdir()
        for number in range(5):
            write_audio(tmp_path / word / f"{number}.wav", tone(word, seed=number))
    script = run_path(str(SCRIPT))
    for name, value in (("IN_SHARD", 10), ("BATCH", 8)):
        monkeypatch.setitem(script["growth"].__globals__, name, value)
    return script


def test_a_corpus_of_links_has_each_clip_once_an_epoch(script, tmp_path, capsys):
    script["growth"](tmp_path, 30)
    printed = capsys.readouterr().out
    assert printed.startswith("clips 30\n")
    assert "order of an epoch" in printed


def test_each_stage_is_measured(script, tmp_path, capsys):
    script["stages"](tmp_path, rounds=1)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 9
    assert all(float(line.split()[-3]) > 0 for line in lines)
