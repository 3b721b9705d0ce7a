"""What a training writes about its origin."""

from speech_rnn.training.settings import Run


def test_training_works_without_git(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Run(seed=3).provenance() == {"commit": None, "seed": 3, "config": ""}
