import pytest

from tests.recipes.runs import FEW_CLIPS, accuracy, speech_commands, train, transcribe

# Voices, which speak words, would have no share in what tones are worth.
BESIDE = ("extra=null",)


@pytest.mark.slow
def test_a_small_archive_of_the_same_layout(tmp_path):
    with speech_commands(tmp_path, official=True, cuts=(200_000, 300_000)) as (_, overrides):
        metrics = train(
            "speech_commands_12",
            tmp_path,
            *overrides,
            *FEW_CLIPS,
            *BESIDE,
            "trainer.max_epochs=25",
        )
    labels = metrics["test"]["confusion"]["labels"]
    assert labels[:2] == ["_silence_", "_unknown_"]
    assert metrics["n_clips"]["test"] == 48
    assert accuracy(metrics) >= 0.7
    silence = next((tmp_path / "corpus").rglob("_silence_/*.wav"))
    row = transcribe(tmp_path, silence)[0]
    assert row["text"] or row["reason"] in ("silence", "unknown")
