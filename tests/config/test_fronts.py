"""A front is chosen by one word, whatever model stands on it."""

import pytest
import torch
from hydra.utils import instantiate

from speech_rnn.config.app import as_typed, compose
from speech_rnn.errors import ConfigurationError

FRONTS = {"embedding": 6, "speech_embedding": 11, "whisper_tiny": 4}


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("recipe", ["custom", "digits", "keywords", "starter"])
def test_a_front_brings_its_features(recipe, front):
    given = [f"+recipe={recipe}", f"front={front}", "data.root=DIR"]
    if recipe == "custom":
        given[-1] = "words=[up,down]"
    conf = compose("train", as_typed(given))
    features = instantiate(conf.features)
    with torch.device("meta"):
        model = instantiate(
            conf.model, n_features=features.n_features, n_outputs=3, head="classification"
        )
    assert model.hyperparameters["front"] == front
    assert model.hyperparameters["n_frozen"] == FRONTS[front]


def test_overrides_beside_a_front_take_precedence():
    given = ["+recipe=digits", "front=embedding", "model.n_frozen=2", "features=mfcc"]
    conf = compose("train", as_typed(given))
    assert conf.model.n_frozen == 2
    assert conf.features["_target_"].endswith("MFCC")


def test_an_unknown_front_is_refused():
    with pytest.raises(
        ConfigurationError, match=r"front='ours' does not exist; choose .*whisper_tiny"
    ):
        compose("train", as_typed(["+recipe=digits", "front=ours"]))


def test_without_a_front_the_model_reads_the_features():
    conf = compose("train", ["+recipe=keywords_ctc", "data.root=DIR"])
    assert conf.model.get("front") is None
    assert "front" not in conf
