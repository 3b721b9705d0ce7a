import pytest

from tests.real import SHARED, needs_shared
from tests.recipes.runs import A_FEW_STEPS, error_rate, train
from tests.recipes.test_keywords import write_tones

ROOT = f"data.root={SHARED / 'keywords'}"


@needs_shared
@pytest.mark.slow(minutes=2)
def test_the_hash_split(tmp_path):
    few = ("trainer.max_epochs=8", "connected.train_utterances=500", "connected.repeat_share=0")
    metrics = train("keywords_ctc", tmp_path, ROOT, *few)
    assert error_rate(metrics) <= 0.3
    assert metrics["test"]["words"]["n_timed"] > 1000


@pytest.mark.slow
def test_any_folder_of_words_runs_to_the_last_line(tmp_path):
    metrics = train(
        "keywords_ctc",
        tmp_path,
        f"data.root={write_tones(tmp_path)}",
        "connected.test_utterances=40",
        *A_FEW_STEPS,
    )
    assert set(metrics["test"]["per_length"]) == {"1", "2", "3", "4"}
