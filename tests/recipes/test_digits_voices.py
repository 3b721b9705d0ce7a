import pytest

from tests.real import needs_shared
from tests.recipes.runs import A_FEW_STEPS, evaluate, few_digits, train

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")

ALONE = ("data.kokoro=null", "data.flite=null", "data.piper=null", "data.espeak.train_clips=2")
FEW = ("data.espeak.validation_clips=1", "data.espeak.test_clips=1")


@pytest.mark.slow
@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    root = few_digits(tmp_path / "digits")
    digits = f"root: {root}, held_out_speakers: [george], train_clips: 1"
    target = "_target_: speech_rnn.data.free_spoken_digits.FreeSpokenDigits"
    people = ("data.people={" + f"{target}, {digits}" + "}", "data.people_times=3")
    metrics = train("digits_voices", tmp_path, *ALONE, *FEW, *people, *A_FEW_STEPS)
    assert metrics["n_clips"] == {"train": 20 + 30, "validation": 10, "test": 10}
    real = (f"data.root={root}", "data.held_out_speakers=[george]")
    assert evaluate("digits", tmp_path, *real)["n_utterances"] == 90
