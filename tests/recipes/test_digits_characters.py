import pytest

from tests.real import needs_shared
from tests.recipes.runs import A_FEW_STEPS, evaluate, few_digits, train


@pytest.mark.slow
@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    few = ("extra=null", "connected.validation_utterances=20", "connected.test_utterances=20")
    root = f"data.root={few_digits(tmp_path / 'digits')}"
    metrics = train("digits_characters", tmp_path, root, *few, *A_FEW_STEPS)
    assert metrics["n_clips"] == {"train": 100, "validation": 20, "test": 20}
    beam = ("decoding=beam", "decoding.beam_size=4")
    again = evaluate("digits_characters", tmp_path, root, *few, *beam)
    assert again["n_utterances"] == 20
