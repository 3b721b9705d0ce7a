import pytest

from tests.archives import corpus_files, serve, write_archive
from tests.recipes.runs import FEW_CLIPS, accuracy, evaluate, train, transcribe


@pytest.mark.slow
def test_a_small_archive_of_the_same_layout(tmp_path):
    archive = write_archive(tmp_path / "served/corpus.tar.gz", corpus_files(takes=2))
    with serve(archive.path.parent, cuts=(200_000, 300_000)) as server:
        overrides = (
            f"data.root={tmp_path / 'corpus'}",
            f"data.url={server.url('corpus.tar.gz')}",
            f"data.sha256={archive.sha256}",
        )
        metrics = train(
            "speech_commands", tmp_path, *overrides, *FEW_CLIPS, "trainer.max_epochs=15"
        )
        assert len(server.requests) == 3  # cut twice, resumed twice
    assert metrics["n_clips"] == {"train": 420, "validation": 140, "test": 140}
    assert len(metrics["test"]["per_class"]) == 35
    assert accuracy(metrics) >= 0.8  # tones of voices never heard
    again = evaluate("speech_commands", tmp_path, f"data.root={tmp_path / 'corpus'}")
    assert again["accuracy"] == metrics["test"]["accuracy"]
    clip = next((tmp_path / "corpus").rglob("marvin/*.wav"))
    assert transcribe(tmp_path, clip)[0]["duration"] == 1.0
