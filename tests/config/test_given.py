"""What a command line says of words, recordings, a room and voices reaches what takes it."""

import json

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from speech_rnn.config.app import as_typed, compose, keys_of, primary
from speech_rnn.config.build import kept_config
from speech_rnn.config.given import check_taken, take_words
from speech_rnn.config.keys import check
from speech_rnn.errors import ConfigurationError, DataError
from tests.commands import speech_rnn


def composed(*line):
    """Compose a training as a command does."""
    cfg = compose("train", as_typed(line))
    check(cfg, primary("train"))
    typed = keys_of(line)
    take_words(cfg, typed)
    check_taken(cfg, typed)
    return cfg


@pytest.fixture
def words_file(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("# mine\nlights on\n\nno\n", encoding="utf-8-sig")
    return file


def test_whatever_speaks_the_words_speaks_other_words_too(words_file):
    cfg = composed("+recipe=custom", f"words_file={words_file}", "data.flite=null")
    others = instantiate(cfg.negatives.others)
    assert others.flite is None
    assert others.kokoro == instantiate(cfg.data.kokoro)


@pytest.mark.parametrize("recipe", ["custom", "digits_voices"])
def test_words_of_a_file_are_those_of_the_line(recipe, words_file):
    cfg = composed(f"+recipe={recipe}", f"words_file={words_file}")
    assert cfg.data.espeak.words == ["lights on", "no"]
    listed = composed(f"+recipe={recipe}", "words=[lights on,'no']")
    assert kept_config(cfg) == kept_config(listed)  # the file may change, or go


def test_a_word_that_looks_like_a_reference_is_a_word(tmp_path):
    (tmp_path / "words.txt").write_text("${seed}\nup ${x\n")
    cfg = composed("+recipe=custom", f"words_file={tmp_path / 'words.txt'}")
    assert list(cfg.data.espeak.words) == ["${seed}", "up ${x"]


def test_words_are_given_once(words_file, tmp_path):
    with pytest.raises(ConfigurationError, match="are both given; give one of them"):
        composed("+recipe=custom", f"words_file={words_file}", "words=[go]")
    with pytest.raises(DataError, match=r"words_file=.*cannot be read"):
        composed("+recipe=custom", f"words_file={tmp_path / 'none.txt'}")


@pytest.mark.parametrize(
    "line", ["words_file=FILE", "words=[go,up]", "recordings=DIR", "voices=kokoro"]
)
def test_unused_keys_are_an_error(line, words_file):
    line = line.replace("FILE", str(words_file))
    with pytest.raises(ConfigurationError, match="is not used by this recipe"):
        composed("+recipe=keywords", "data.root=DIR", line)


def test_recordings_that_only_a_null_source_would_take_are_not_lost():
    with pytest.raises(ConfigurationError, match="recordings is not used"):
        composed("+recipe=custom", "words=[go]", "recordings=DIR", "data.espeak=null")


@pytest.mark.parametrize(
    "recipe",
    ["custom", "digits_voices", "digits_stream", "keywords_stream", "starter"],
)
def test_kokoro_is_asked_for_by_one_key(recipe):
    lines = [f"+recipe={recipe}", "voices=kokoro", "background=DIR"]
    if recipe.startswith("custom"):
        lines.append("words=[go]")
    if recipe in ("digits_stream", "keywords_stream"):  # their rooms are in noise
        lines.remove("background=DIR")
    if recipe in ("starter", "digits_stream", "keywords_stream"):
        lines.append("data.root=DIR")
    required = OmegaConf.to_container(composed(*lines), resolve=True)
    assert json.dumps(required).count('"required": "kokoro"') == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            ["+recipe=keywords_stream", "data.root=D", "voices=flite"],
            "one of espeak, kokoro",
        ),
        (["+recipe=custom", "words=[go]", "voices=[espeak,kokro]"], r"\['kokro'\] .* 'kokoro'"),
        (["+recipe=custom", "words=[go]", "voices=kokoro", "data.kokoro=null"], "or are null"),
        (["+recipe=starter", "data.root=D", "voices=piper"], "choose one of espeak, flite, kokoro"),
    ],
)
def test_voices_that_a_recipe_does_not_have(line, message):
    with pytest.raises(ConfigurationError, match=message):
        composed(*line)


def test_a_command_reports_it_without_a_traceback(words_file, tmp_path):
    line = ("+recipe=custom", f"words_file={words_file}")
    told = speech_rnn("train", *line, "words=[go]", cwd=tmp_path)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert told.stderr.startswith("error: words=['go'] and words_file=")
    words_file.write_text("go\nstop\ngo\n")
    told = speech_rnn("train", *line, cwd=tmp_path)
    assert told.returncode == 2
    assert told.stderr.endswith("has wrong lines:\n  line 3: 'go' is given twice\n")
    told = speech_rnn("train", "+recipe=keywords", "data.root=DIR", "words=[go]", cwd=tmp_path)
    assert "error: words is not used by this recipe" in told.stderr


def test_tune_takes_a_background_of_its_own(tmp_path):
    told = speech_rnn(
        "tune", "model=none.onnx", "+recipe=keywords", "data.root=DIR", "background=[DIR]",
        "false_accepts_per_hour=1", cwd=tmp_path,
    )  # fmt: skip
    assert "none.onnx" in told.stderr
    assert "background" not in told.stderr
