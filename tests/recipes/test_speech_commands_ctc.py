import pytest

from tests.archives import corpus_files, serve, write_archive
from tests.recipes.runs import FEW_CLIPS, error_rate, train


@pytest.mark.slow
def test_a_small_archive_of_the_same_layout(tmp_path):
    archive = write_archive(tmp_path / "served/corpus.tar.gz", corpus_files(takes=2))
    with serve(archive.path.parent) as server:
        overrides = (
            f"data.root={tmp_path / 'corpus'}",
            f"data.url={server.url('corpus.tar.gz')}",
            f"data.sha256={archive.sha256}",
            "connected.train_utterances=400",
            "connected.validation_utterances=40",
            "connected.test_utterances=100",
        )
        metrics = train(
            "speech_commands_ctc", tmp_path, *overrides, *FEW_CLIPS, "trainer.max_epochs=12"
        )
    assert metrics["n_clips"] == {"train": 420, "validation": 40, "test": 100}
    assert set(metrics["test"]["per_length"]) == {"1", "2", "3", "4", "5"}
    assert error_rate(metrics) <= 0.5  # 35 tones of voices never heard
