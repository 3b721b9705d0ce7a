import pytest

from tests.recipes.runs import FEW_CLIPS, error_rate, speech_commands, train


@pytest.mark.slow(minutes=2)
def test_a_small_archive_of_the_same_layout(tmp_path):
    with speech_commands(tmp_path) as (_, overrides):
        few = (
            "connected.train_utterances=400",
            "connected.validation_utterances=40",
            "connected.test_utterances=100",
        )
        metrics = train("speech_commands_ctc", tmp_path, *overrides, *few, *FEW_CLIPS, "extra=null")
    assert metrics["n_clips"] == {"train": 420, "validation": 40, "test": 100}
    assert set(metrics["test"]["per_length"]) == {"1", "2", "3", "4", "5"}
    assert error_rate(metrics) <= 0.5  # 35 tones of voices never heard
