import pytest

from tests.archives import corpus_files, official_test_files, serve, write_archive
from tests.recipes.runs import FEW_CLIPS, accuracy, train, transcribe


@pytest.mark.slow
def test_a_small_archive_of_the_same_layout(tmp_path):
    corpus = write_archive(tmp_path / "served/corpus.tar.gz", corpus_files(takes=2))
    official = write_archive(tmp_path / "served/test.tar.gz", official_test_files(clips=4))
    with serve(corpus.path.parent, cuts=(200_000, 300_000)) as server:
        metrics = train(
            "speech_commands_12",
            tmp_path,
            f"data.root={tmp_path / 'corpus'}",
            f"data.url={server.url('corpus.tar.gz')}",
            f"data.sha256={corpus.sha256}",
            f"data.test_url={server.url('test.tar.gz')}",
            f"data.test_sha256={official.sha256}",
            *FEW_CLIPS,
            "trainer.max_epochs=25",
        )
    labels = metrics["test"]["confusion"]["labels"]
    assert labels[:2] == ["_silence_", "_unknown_"]
    assert metrics["n_clips"]["test"] == 48
    assert accuracy(metrics) >= 0.7
    silence = next((tmp_path / "corpus").rglob("_silence_/*.wav"))
    row = transcribe(tmp_path, silence)[0]
    assert row["text"] or row["reason"] in ("silence", "unknown")
