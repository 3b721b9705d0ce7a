from tests.real import SHARED, needs_shared
from tests.recipes.runs import evaluate, train

ROOT = f"data.root={SHARED / 'digits'}"


@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    few = ("extra=null", "connected.test_utterances=20")
    metrics = train("digits_characters", tmp_path, ROOT, *few, "+debug=fast")
    assert metrics["n_clips"] == {"train": 1600, "validation": 200, "test": 20}
    beam = ("decoding=beam", "decoding.beam_size=4")
    again = evaluate("digits_characters", tmp_path, ROOT, *few, *beam)
    assert again["n_utterances"] == 20
