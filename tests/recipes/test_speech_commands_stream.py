import pytest

from speech_rnn.recognizer import Recognizer
from tests.recipes.runs import speech_commands, train


@pytest.mark.slow
def test_a_small_archive_of_the_same_layout(tmp_path):
    with speech_commands(tmp_path, official=True) as (_, overrides):
        metrics = train(
            "speech_commands_stream",
            tmp_path,
            *overrides,
            "connected.train_utterances=100",
            "connected.validation_utterances=40",
            "connected.test_utterances=60",
            "extra=null",
            "+debug=fast",
        )
    assert metrics["n_clips"]["test"] == 60
    assert set(metrics["test"]["per_length"]) <= {"0", "1", "2", "3"}
    assert Recognizer.load(tmp_path / "run/recognizer.safetensors").can_stream
