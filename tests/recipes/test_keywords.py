import pytest

from speech_rnn.audio import write_audio
from tests.real import SHARED, needs_shared
from tests.recipes.runs import A_FEW_STEPS, accuracy, train, transcribe
from tests.tones import TONES_HZ, tone

ROOT = f"data.root={SHARED / 'keywords'}"


@needs_shared
@pytest.mark.slow(minutes=2)
def test_the_hash_split(tmp_path):
    metrics = train("keywords", tmp_path, ROOT, "trainer.views=2", "trainer.max_epochs=8")
    assert accuracy(metrics) >= 0.96
    clips = sorted((SHARED / "keywords/smart_mirror").glob("*.flac"))[:20]
    texts = [row["text"] for row in transcribe(tmp_path, *clips)]
    assert texts.count("smart mirror") >= 18


def write_tones(folder):
    """Write 40 clips of each tone to a folder of its own, and return where they lie."""
    for word in TONES_HZ:
        (folder / "clips" / f"{word}_tone").mkdir(parents=True)
        for number in range(40):
            write_audio(folder / f"clips/{word}_tone/{number}.flac", tone(word, 0.3, number))
    return folder / "clips"


def test_any_folder_of_words_runs_to_the_last_line(tmp_path):
    few = (f"data.root={write_tones(tmp_path)}", "augment.noise.seconds=5", *A_FEW_STEPS)
    metrics = train("keywords", tmp_path, *few)
    labels = metrics["test"]["confusion"]["labels"]
    assert set(labels) <= {"low tone", "middle tone", "high tone", "_other_"}
