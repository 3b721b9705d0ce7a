"""The recognisers of a server: files that come, change, break and go while it runs."""

import shutil

import pytest

from speech_rnn.errors import ConfigurationError, ModelError
from speech_rnn.serving.refusals import RefusalError
from speech_rnn.serving.shelf import Shelf
from speech_rnn.serving.wyoming_info import wake_words, wanted_words
from speech_rnn.starter import STARTER


def names(shelf):
    return [model.name for model in shelf.models]


@pytest.fixture
def folder(tmp_path):
    shutil.copy(STARTER, tmp_path / "home.onnx")
    return tmp_path


def put(content, path):
    """Replace a file by another, as a program does that writes it whole."""
    path.with_suffix(".part").write_bytes(content)
    path.with_suffix(".part").replace(path)


def test_a_new_file_is_served_once_it_stays_the_same(folder):
    shelf = Shelf([], [folder])
    assert names(shelf) == ["home"]
    content = STARTER.read_bytes()
    (folder / "new.onnx").write_bytes(content[:-1000])  # it is being written
    shelf.scan()
    (folder / "new.onnx").write_bytes(content)
    shelf.scan()
    assert names(shelf) == ["home"]
    shelf.scan()
    assert names(shelf) == ["home", "new"]
    (folder / "home.onnx").unlink()
    shelf.scan()
    assert names(shelf) == ["new"]


def test_a_file_that_breaks_leaves_the_recogniser_that_was_there(folder, caplog):
    shelf = Shelf([], [folder])
    before = shelf.find("home").recognizer
    put(b"broken", folder / "home.onnx")
    put(b"broken, too", folder / "other.onnx")
    with caplog.at_level("WARNING", "speech_rnn.serving"):
        for _ in range(4):
            shelf.scan()
    assert shelf.find("home").recognizer is before
    assert names(shelf) == ["home"]
    assert [record.getMessage() for record in caplog.records] == ["model refused"] * 2
    put(STARTER.read_bytes(), folder / "home.onnx")
    shelf.scan()
    shelf.scan()
    assert shelf.find("home").recognizer is not before


def test_a_model_that_cannot_be_served_is_refused_at_the_start(folder, tmp_path_factory):
    empty = tmp_path_factory.mktemp("empty")
    with pytest.raises(ConfigurationError, match="holds no recogniser"):
        Shelf([], [empty])
    with pytest.raises(ConfigurationError, match="is no folder"):
        Shelf([], [folder / "none"])
    with pytest.raises(ConfigurationError, match="another is named 'home'"):
        Shelf([folder / "home.onnx", folder / "home.onnx"])
    with pytest.raises(ModelError):
        Shelf([folder / "none.onnx"])


def test_a_recogniser_that_is_refused_is_left_out(folder):
    def refuse(recognizer):
        raise ConfigurationError("a grammar that does not fit")

    with pytest.raises(ConfigurationError, match="holds no recogniser"):
        Shelf([], [folder], refuse)
    with pytest.raises(ConfigurationError, match="does not fit"):
        Shelf([folder / "home.onnx"], [], refuse)


def test_words_that_several_recognisers_have_get_distinct_names(folder):
    shelf = Shelf([STARTER, folder / "home.onnx"])
    known = wake_words(shelf.models)
    assert known["home/yes"][0].name == "home"
    assert known["starter/yes"][1] == "yes"
    assert "yes" not in known
    wanted = wanted_words(shelf.models, ["home/yes", "home/no", "starter/go"])
    assert [(model.name, words) for model, words in wanted] == [
        ("home", {"yes": "home/yes", "no": "home/no"}),
        ("starter", {"go": "starter/go"}),
    ]
    with pytest.raises(RefusalError, match="'yes' is not there"):
        wanted_words(shelf.models, ["yes"])
