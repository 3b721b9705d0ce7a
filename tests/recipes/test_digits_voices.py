import pytest

from tests.real import SHARED, needs_shared
from tests.recipes.runs import train

pytest.importorskip("espeakng_loader", reason="speech is synthesized with the extra [synth]")

OTHERS = ("extra.kokoro=null", "extra.flite=null", "extra.piper=null")


@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    root = f"data.root={SHARED / 'digits'}"
    metrics = train(
        "digits_voices", tmp_path, root, *OTHERS, "extra.espeak.train_clips=2", "+debug=fast"
    )
    assert metrics["n_clips"] == {"train": 1620, "validation": 200, "test": 200}
