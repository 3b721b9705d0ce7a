"""Whose front a recogniser stands on is told wherever it is described."""

import json

import pytest

from speech_rnn import Recognizer
from speech_rnn.exporting import export_onnx
from speech_rnn.features import LogMel
from speech_rnn.model.acoustic import CHOICES
from speech_rnn.model.whisper import SIZES, Size
from speech_rnn.reporting.card import model_card
from speech_rnn.reporting.origins import ORIGINS
from speech_rnn.reporting.run_folder import RunFolder
from speech_rnn.reporting.summary import Summary
from tests.test_recognizer import untrained


def test_every_front_has_an_origin():
    assert set(ORIGINS) == set(CHOICES["front"]) - {None}


@pytest.fixture
def whispering(monkeypatch):
    """A recogniser on a smaller network of Whisper's kind, a layer of which is trained."""
    monkeypatch.setitem(SIZES, "whisper_tiny", Size(64, 2))
    return untrained(features=LogMel(), front="whisper_tiny", n_frozen=1)


@pytest.mark.parametrize("ending", ["safetensors", "onnx"])
def test_models_lists_it(whispering, tmp_path, ending):
    file = tmp_path / f"mine.{ending}"
    if ending == "onnx":
        file.write_bytes(export_onnx(whispering).SerializeToString())
    else:
        whispering.save(file)
    found = Summary.of(file, Recognizer.load(file))
    assert found.front == ORIGINS["whisper_tiny"]
    assert "\n  front end: Whisper's encoder (Radford et al., 2022) of OpenAI, MIT" in str(found)


def test_no_origin_without_a_front(tmp_path):
    untrained().save(tmp_path / "mine.safetensors")
    found = Summary.of(tmp_path / "mine.safetensors", untrained())
    assert found.front is None
    assert "front end" not in str(found)


def test_the_card_counts_the_published_weights(whispering, tmp_path):
    whispering.save(tmp_path / "recognizer.safetensors")
    (tmp_path / "metrics.json").write_text(json.dumps({"pretrained_sha256": "1a5a"}))
    row = dict(model_card(RunFolder.load(tmp_path)).rows)["front"]
    assert row.startswith("Whisper's encoder (Radford et al., 2022) of OpenAI, MIT; ")
    front = whispering.model.front
    layer = sum(weight.numel() for weight in front.layers[1].parameters()) + 128
    total = sum(weight.numel() for weight in front.parameters()) - 128
    assert f"{total - layer:,} of {total:,} weights as published, SHA-256 1a5a" in row
