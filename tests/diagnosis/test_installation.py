"""Whether the recogniser of the package answers, and what an installation has."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from speech_rnn.diagnosis import installation
from speech_rnn.diagnosis.extras import Extra
from speech_rnn.diagnosis.installation import check_recogniser, examine_installation
from speech_rnn.engines import probe
from speech_rnn.errors import ModelError
from speech_rnn.recognizer import Recognizer
from speech_rnn.reporting.diagnosis import print_installation
from tests.microphones import sounddevice


def test_the_recogniser_of_the_package_answers():
    found = check_recogniser()
    assert found.problem is None
    assert 0 < found.real_time < 1


def test_a_processor_that_computes_something_else_is_found(monkeypatch):
    true = probe._logits
    monkeypatch.setattr(probe, "_logits", lambda *given: true(*given) + np.float32(1))
    assert "computes something else on this processor" in check_recogniser().problem


def test_a_damaged_file_is_found(monkeypatch, tmp_path):
    broken = tmp_path / "starter.onnx"
    broken.write_bytes(b"no model")

    def load():
        return loading(broken)

    loading = Recognizer.load
    monkeypatch.setattr(Recognizer, "load", load)
    with pytest.raises(ModelError):
        load()
    found = examine_installation()
    assert not found.is_usable
    assert found.findings[0] == found.recogniser.problem
    assert "starter.onnx" in found.recogniser.problem


def test_a_recogniser_that_hears_words_in_silence_is_found(monkeypatch):
    loading = Recognizer.load

    def load():
        recognizer = loading()
        logits = recognizer.engine.logits

        def wrong(waveform, lengths):
            found, steps = logits(waveform, lengths)
            found[:, 5:30, recognizer.vocabulary.tokens.index("stop")] += 50
            return found, steps

        recognizer.engine.logits = wrong
        return recognizer

    monkeypatch.setattr(Recognizer, "load", load)
    assert "answers silence with 'stop'" in check_recogniser().problem


def test_what_is_installed_is_listed(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(None))
    found = examine_installation()
    assert found.versions["numpy"] == np.__version__
    assert found.devices == ("1 'Desk' (1 channels)", "2 'Headset' (1 channels)")
    assert found.is_usable
    assert found.to_dict()["versions"] == found.versions


def test_an_error_names_the_missing_thing_and_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", sounddevice(None, devices=()))
    monkeypatch.setattr(installation, "can_convert", lambda: False)
    found = examine_installation()
    assert found.devices == ()
    assert any("plug in a microphone" in text for text in found.findings)
    assert any("apt install ffmpeg" in text for text in found.findings)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert examine_installation().devices is None


def test_a_light_installation_names_what_it_may_have(monkeypatch, capsys):
    whole = examine_installation()
    lacking = (
        Extra("", ("torch>=2.6",), "pip install 'speech-rnn'"),
        Extra("mic", ("sounddevice>=0.5",), "pip install 'sounddevice>=0.5'"),
        Extra("report", ("jinja2>=3",), "pip install 'speech-rnn[report]'"),
    )
    print_installation(replace(whole, extras=lacking), as_json=False)
    shown = capsys.readouterr().out
    assert "  installation  light, without PyTorch" in shown
    assert "  [mic]         missing: pip install 'sounddevice>=0.5'\n" in shown
    assert "[report]" not in shown
    print_installation(replace(whole, extras=lacking[2:]), as_json=False)
    shown = capsys.readouterr().out
    assert "  [report]      missing: pip install 'speech-rnn[report]'\n" in shown
    assert "light" not in shown
