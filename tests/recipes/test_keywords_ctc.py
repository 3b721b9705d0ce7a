import pytest

from speech_rnn.audio import write_audio
from tests.real import SHARED, needs_shared
from tests.recipes.runs import error_rate, train
from tests.tones import TONES_HZ, tone

ROOT = f"data.root={SHARED / 'keywords'}"


@needs_shared
@pytest.mark.slow(minutes=2)
def test_the_hash_split(tmp_path):
    few = ("trainer.max_epochs=8", "connected.train_utterances=500", "connected.repeat_share=0")
    metrics = train("keywords_ctc", tmp_path, ROOT, *few)
    assert error_rate(metrics) <= 0.3
    assert metrics["test"]["words"]["n_timed"] > 1000


def test_any_folder_of_words_runs_to_the_last_line(tmp_path):
    for word in TONES_HZ:
        (tmp_path / "clips" / f"{word}_tone").mkdir(parents=True)
        for number in range(40):
            write_audio(tmp_path / f"clips/{word}_tone/{number}.flac", tone(word, 0.3, number))
    metrics = train(
        "keywords_ctc",
        tmp_path,
        f"data.root={tmp_path / 'clips'}",
        "connected.test_utterances=40",
        "+debug=fast",
    )
    assert set(metrics["test"]["per_length"]) == {"1", "2", "3", "4"}
