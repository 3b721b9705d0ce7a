import time

import pytest

from tests.recipes.runs import accuracy, train, transcribe

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")


def test_two_words_of_ones_own(tmp_path):
    few = ("data.train_clips=20", "data.validation_clips=5", "data.test_clips=5")
    train("demo", tmp_path, "data.words=[lights on,lights off]", *few, "+debug=fast")
    clip = next((tmp_path / "data/synthetic").rglob("*.wav"))
    (row,) = transcribe(tmp_path, clip)
    assert row["text"] in ("lights on", "lights off")


@pytest.mark.slow(minutes=4)
def test_the_demo_as_the_readme_promises_it(tmp_path):
    started = time.monotonic()
    metrics = train("demo", tmp_path)
    assert accuracy(metrics) >= 0.97
    assert metrics["test"]["calibration_error"] < 0.015
    assert time.monotonic() - started < 600  # five minutes where nothing else runs
