import json

import pytest

from speech_rnn.recognizer import Recognizer
from tests.commands import speech_rnn
from tests.real import SHARED, needs_shared
from tests.recipes.runs import train

NOISE = [SHARED / f"noise/{name}.wav" for name in ("pink_noise", "exercise_bike")]


@needs_shared
@pytest.mark.slow
def test_phrases_are_found_between_people_who_talk(tmp_path):
    """A short training already finds most phrases."""
    train(
        "keywords_stream",
        tmp_path,
        f"data.root={SHARED / 'keywords'}",
        f"negatives.speech=[{SHARED / 'speech'}]",
        f"data.noise=[{','.join(map(str, NOISE))}]",
        "negatives.others=null",
        "connected.train_utterances=500",
        "connected.validation_utterances=50",
        "connected.test_utterances=50",
        "trainer.max_epochs=5",
        "trainer.ema_decay=0.9",
    )
    file = tmp_path / "run/recognizer.safetensors"
    assert Recognizer.load(file).can_stream
    found = speech_rnn(
        "detect",
        f"model={file}",
        "+recipe=keywords_stream",
        f"data.root={SHARED / 'keywords'}",
        "negatives.others=null",
        f"streams.noise=[{SHARED / 'noise/running_tap.wav'}]",
        f"streams.speech=[{SHARED / 'speech'}]",
        "streams.snr_db=20",
        "streams.hours=0.5",
        f"output_dir={tmp_path / 'heard'}",
        cwd=tmp_path,
    )
    assert found.returncode == 0, found.stderr
    total = json.loads((tmp_path / "heard/detection.json").read_text())["total"]
    assert total["n_labels"] > 40
    assert total["miss_rate"] < 0.5
