"""A training starts from the weights of a front, which are read before any data is."""

from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from speech_rnn.audio import write_audio
from speech_rnn.data.corpus import Utterance
from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.features import LogMel
from speech_rnn.features.encoder import RecurrentEncoder
from speech_rnn.model import AcousticModel
from speech_rnn.model.pretrained import pretrained
from speech_rnn.model.whisper import SIZES, Size, WhisperEncoder
from speech_rnn.training import Recipe, Run, Trainer, train
from tests.model.test_whisper import network, write
from tests.tones import tone
from tests.training.test_training import EMPTY, Given

WORDS = ("low", "high")


def model(front, **more):
    sizes = {"hidden_size": 4, "n_layers": 1, "dense": None, "n_heads": 1}
    return partial(AcousticModel, front=front, **sizes | more)


@pytest.mark.parametrize(
    ("front", "n_mels", "error", "message"),
    [
        ("embedding", 40, ModelError, "nowhere holds no weights of the embedding"),
        ("whisper_tiny", 80, ModelError, "front_weights='nowhere' cannot be read"),
        (
            "speech_embedding",
            32,
            ConfigurationError,
            "front_weights='nowhere' are read for front=embedding",
        ),
        (None, 80, ConfigurationError, "front_weights='nowhere' need a front end; choose"),
    ],
)
def test_wrong_weights_are_reported_first(front, n_mels, error, message, tmp_path):
    recipe = Recipe(EMPTY, LogMel(n_mels=n_mels), model(front), front_weights="nowhere")
    with pytest.raises(error, match=message):
        train(recipe, Run(output_dir=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_frozen_weights_end_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setitem(SIZES, "whisper_tiny", Size(64, 2))
    weights = network(WhisperEncoder())
    file = write(tmp_path, "openai", weights)
    rows = []
    for word in WORDS:
        for split in ("train", "validation"):
            path = tmp_path / f"{split}_{word}.wav"
            write_audio(path, tone(word, 0.3).astype(np.float32))
            rows.append(Utterance(str(path), word, split=split))
    recipe = Recipe(
        Given(rows, WORDS), LogMel(), model("whisper_tiny", n_frozen=1), front_weights=file
    )
    run = Run(trainer=Trainer(max_epochs=1, batch_size=2), output_dir=tmp_path / "run")
    found = train(recipe, run).recognizer
    for name, value in found.model.front.state_dict().items():
        if not name.startswith("normalization."):
            same = torch.equal(value, weights[name].half().float())
            assert same == name.startswith(("convolutions.", "layers.0.")), name
    assert len(found.provenance["pretrained_sha256"]) == 64


def test_a_front_of_ones_own_weights(tmp_path):
    """A file of recipes/embedding, named on the command line, is where a training starts from."""
    weights = RecurrentEncoder().state_dict()
    save_file(weights, tmp_path / "own.safetensors", metadata={"encoder": "{}"})
    given, _ = pretrained("embedding", tmp_path / "own.safetensors")
    assert all(torch.equal(given[name], weights[name]) for name in weights)


def test_an_encoder_of_other_sizes_is_refused(tmp_path):
    weights = RecurrentEncoder(size=8).state_dict()
    save_file(weights, tmp_path / "small.safetensors", metadata={"encoder": '{"size": 8}'})
    with pytest.raises(ModelError, match="other sizes"):
        pretrained("embedding", tmp_path / "small.safetensors")
