import pytest

from speech_rnn.recognizer import Recognizer
from tests.archives import corpus_files, official_test_files, serve, write_archive
from tests.recipes.runs import train


@pytest.mark.slow
def test_a_small_archive_of_the_same_layout(tmp_path):
    corpus = write_archive(tmp_path / "served/corpus.tar.gz", corpus_files(takes=2))
    official = write_archive(tmp_path / "served/test.tar.gz", official_test_files(clips=4))
    with serve(corpus.path.parent) as server:
        metrics = train(
            "speech_commands_stream",
            tmp_path,
            f"data.root={tmp_path / 'corpus'}",
            f"data.url={server.url('corpus.tar.gz')}",
            f"data.sha256={corpus.sha256}",
            f"data.test_url={server.url('test.tar.gz')}",
            f"data.test_sha256={official.sha256}",
            "connected.train_utterances=100",
            "connected.validation_utterances=40",
            "connected.test_utterances=60",
            "+debug=fast",
        )
    assert metrics["n_clips"]["test"] == 60
    assert set(metrics["test"]["per_length"]) <= {"0", "1", "2", "3"}
    assert Recognizer.load(tmp_path / "run/recognizer.safetensors").can_stream
