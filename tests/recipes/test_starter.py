import re
from runpy import run_path

import pytest

from speech_rnn.config.app import as_typed, compose
from speech_rnn.config.build import corpus_of
from speech_rnn.engines.probe import KEY
from speech_rnn.recognizer import Recognizer
from speech_rnn.starter import CARD
from tests.real import SHARED, needs_shared
from tests.recipes.runs import few_commands, few_digits, few_phrases, train
from tests.test_architecture import ROOT

figures = run_path(str(ROOT / "recipes/starter/build.py"))["figures"]
WITHOUT = ("~data.sources.kokoro", "~data.sources.flite")


@pytest.mark.slow
@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")
    few = [f"data.sources.espeak.{split}_clips=1" for split in ("train", "validation", "test")]
    few += [f"connected.{split}_utterances=24" for split in ("train", "validation", "test")]
    few_digits(tmp_path / "real/digits")
    few_phrases(tmp_path / "real/keywords")
    (tmp_path / "real/noise").symlink_to(SHARED / "noise")
    few_commands(tmp_path / "real/speech_commands_v0.02")
    given = (f"data.root={tmp_path / 'real'}", f"negatives.speech=[{SHARED / 'speech'}]")
    metrics = train(
        "starter", tmp_path, *given, *WITHOUT, *few, "negatives.others=null",
        "augment.noise.seconds=5", "+debug=fast",
    )  # fmt: skip
    assert metrics["synthetic_words"] == []
    assert Recognizer.load(tmp_path / "run/recognizer.safetensors").can_stream


@needs_shared
@pytest.mark.filterwarnings("error")
def test_the_file_carries_a_probe_that_this_processor_computes():
    assert Recognizer.load().engine.describe()[KEY].keys() == {"samples", "logits"}


@pytest.mark.slow
def test_the_card_has_the_figures_of_the_file():
    """What it says about people is counted again; the voices of synthesizers are not at hand."""
    line = ["+recipe=starter", f"data.root={SHARED}", f"negatives.speech=[{SHARED / 'speech'}]"]
    line += [*WITHOUT, "~data.sources.espeak", "negatives.others=null"]
    rows = corpus_of(compose("train", as_typed(line))).split("test")
    digits, phrases, *_ = figures(Recognizer.load(), rows)
    for figure in (digits, phrases):
        said = re.search(re.escape(figure.what) + r".*\((\d+) of (\d+)\)", CARD.read_text())
        assert figure.right.total == int(said[2])
        assert abs(figure.right.correct - int(said[1])) <= 5  # processors round differently
