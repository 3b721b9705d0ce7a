import json

import pytest

from speech_rnn.recognizer import Recognizer
from speech_rnn.starter import STARTER
from tests.commands import speech_rnn
from tests.real import SHARED, needs_shared
from tests.recipes.runs import few_phrases, train

PHRASES = f"data.root={SHARED / 'keywords'}"
NEAR = "negatives.near_misses.per_word=1"
TALK = f"negatives.speech=[{SHARED / 'speech'}]"


@needs_shared
@pytest.mark.slow
def test_a_few_steps_run_to_the_last_line(tmp_path):
    phrases = f"data.root={few_phrases(tmp_path / 'phrases')}"
    noise = f"data.noise=[{SHARED / 'noise/pink_noise.wav'}]"
    few = [f"connected.{split}_utterances=24" for split in ("train", "validation", "test")]
    train(
        "keywords_stream", tmp_path, phrases, TALK, noise, "negatives.others=null", *few, NEAR,
        "negatives.near_misses.kokoro=null", "+debug=fast",
    )  # fmt: skip
    recognizer = Recognizer.load(tmp_path / "run/recognizer.safetensors")
    assert recognizer.can_stream
    assert recognizer.spotting.smoothing == "mean"


@needs_shared
@pytest.mark.slow
def test_phrases_are_found_between_people_who_talk(tmp_path):
    """By the recogniser of the package, which has learnt them in the same way, and other words."""
    found = speech_rnn(
        "detect",
        f"model={STARTER}",
        "+recipe=keywords_stream",
        PHRASES,
        "negatives.others=null",
        f"streams.noise=[{SHARED / 'noise/running_tap.wav'}]",
        f"streams.speech=[{SHARED / 'speech'}]",
        "streams.snr_db=20",
        "streams.hours=0.3",
        f"output_dir={tmp_path / 'heard'}",
        cwd=tmp_path,
    )
    assert found.returncode == 0, found.stderr
    total = json.loads((tmp_path / "heard/detection.json").read_text())["total"]
    assert total["n_labels"] > 20
    assert total["miss_rate"] < 0.1
