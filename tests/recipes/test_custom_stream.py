import re

from speech_rnn.config.app import as_typed, compose
from tests.test_architecture import ROOT


def test_the_page_says_what_took_the_recipes_place_and_how_to_have_its_network():
    page = (ROOT / "recipes/custom_stream/README.md").read_text(encoding="utf-8")
    assert "This recipe has ended" in page
    command = re.search(r"python -m speech_rnn\.train (.*)", page)[1]
    model = compose("train", as_typed([command.split()[0], *_settings(command)])).model
    assert model.front == "speech_embedding"
    assert not model.bidirectional
    assert model.n_frozen == 20


def _settings(command):
    return re.findall(r"(?:front|model|model\.n_frozen|false_accepts)=\S+", command)
