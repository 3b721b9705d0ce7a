import pytest

from tests.recipes.runs import FEW_CLIPS, accuracy, evaluate, speech_commands, train, transcribe

# Voices, which speak words, would have no share in what tones are worth.
BESIDE = ("extra=null",)


@pytest.mark.slow(minutes=2)
def test_a_small_archive_of_the_same_layout(tmp_path):
    with speech_commands(tmp_path, cuts=(200_000, 300_000)) as (server, overrides):
        metrics = train(
            "speech_commands", tmp_path, *overrides, *FEW_CLIPS, *BESIDE, "trainer.max_epochs=15"
        )
        assert len(server.requests) == 3  # cut twice, resumed twice
    assert metrics["n_clips"] == {"train": 420, "validation": 140, "test": 140}
    assert len(metrics["test"]["per_class"]) == 35
    assert accuracy(metrics) >= 0.8  # tones of voices never heard
    again = evaluate("speech_commands", tmp_path, f"data.root={tmp_path / 'corpus'}")
    assert again["accuracy"] == metrics["test"]["accuracy"]
    clip = next((tmp_path / "corpus").rglob("marvin/*.wav"))
    assert transcribe(tmp_path, clip)[0]["duration"] == 1.0
