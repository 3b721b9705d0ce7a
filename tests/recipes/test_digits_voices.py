import pytest

from tests.real import SHARED, needs_shared
from tests.recipes.runs import evaluate, train

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")

ALONE = ("data.kokoro=null", "data.flite=null", "data.piper=null", "data.espeak.train_clips=2")
FEW = ("data.espeak.validation_clips=1", "data.espeak.test_clips=1")


@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    digits = f"root: {SHARED / 'digits'}, held_out_speakers: [george], train_clips: 1"
    target = "_target_: speech_rnn.data.free_spoken_digits.FreeSpokenDigits"
    people = ("data.people={" + f"{target}, {digits}" + "}", "data.people_times=3")
    metrics = train("digits_voices", tmp_path, *ALONE, *FEW, *people, "+debug=fast")
    assert metrics["n_clips"] == {"train": 20 + 30, "validation": 10, "test": 10}
    real = (f"data.root={SHARED / 'digits'}", "data.held_out_speakers=[george]")
    assert evaluate("digits", tmp_path, *real)["n_utterances"] == 500
