"""A training whose clips are read from shards."""

import json
import signal

import pytest

from tests.commands import speech_rnn
from tests.tones import write_corpus
from tests.training.small import SMALL, assert_same_weights
from tests.training.test_interruptions import signal_at

SETTINGS = ("data=shards", "data.path=shards", "data.buffer=24", "trainer.max_epochs=2")
SETTINGS += ("trainer.checkpoint_minutes=1e-9", "test=false")


def train(output_dir, *overrides, cwd):
    arguments = (*SMALL[1:], *SETTINGS, f"output_dir={output_dir}", *overrides)
    return speech_rnn("train", *arguments, cwd=cwd, module=True)


@pytest.fixture
def folder(tmp_path):
    manifest = write_corpus(tmp_path / "tones", (16, 4, 1))
    settings = ("data=manifest", f"data.path={manifest}", "output=shards", "shard_mb=0.1")
    done = speech_rnn("shard", *settings, cwd=tmp_path, module=True)
    assert done.returncode == 0, done.stderr
    return tmp_path


@pytest.mark.slow
def test_a_training_from_shards_resumes_in_the_middle_of_an_epoch(folder, monkeypatch):
    whole = train("whole", "workers=1", cwd=folder)
    assert whole.returncode == 0, whole.stderr
    metrics = json.loads((folder / "whole/metrics.json").read_text())
    assert metrics["source"] == "Shards"
    assert metrics["n_clips"] == {"train": 48, "validation": 12, "test": 3}
    with monkeypatch.context() as patch:
        signal_at(patch, signal.SIGTERM, step=6)
        ended = train("ended", "workers=0", cwd=folder)
    assert ended.stderr.startswith("interrupted in epoch 2 of 2; resume=true continues")
    resumed = train("ended", "workers=0", "resume=true", cwd=folder)
    assert resumed.returncode == 0, resumed.stderr
    assert_same_weights(folder / "whole", folder / "ended")


def test_what_would_change_the_clips_of_shards_is_refused(folder):
    ended = train("run", "negatives=speech", "negatives.speech=[tones]", cwd=folder)
    assert ended.returncode == 2
    assert "shards are read as they are" in ended.stderr
