import pytest

from tests.real import SHARED, needs_shared
from tests.recipes.runs import (
    A_FEW_STEPS,
    accuracy,
    error_rate,
    evaluate,
    few_digits,
    train,
    transcribe,
)

ROOT = f"data.root={SHARED / 'digits'}"
DIGIT = "zero | one | two | three | four | five | six | seven | eight | nine"


@pytest.mark.slow
@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    few = ("extra=null", "connected.validation_utterances=20", "connected.test_utterances=20")
    root = f"data.root={few_digits(tmp_path / 'digits')}"
    train("digits_ctc", tmp_path, root, *few, *A_FEW_STEPS)
    evaluate("digits_ctc", tmp_path, root, *few, "decoding=beam", "decoding.beam_size=4")
    path = tmp_path / "digits.jsgf"
    path.write_text("<pair> = (zero | one | two) nine;")
    grammar = ("decoding=grammar", f"decoding.grammar.path={path}")
    figures = evaluate("digits_ctc", tmp_path, root, *few, *grammar)
    answers = {"zero nine", "one nine", "two nine"}
    assert set(figures["confusion"]["labels"])
    lines = (tmp_path / "evaluation/hypotheses.jsonl").read_text().splitlines()
    assert all(any(f'"text": "{text}"' in line for text in answers) for line in lines)


@needs_shared
@pytest.mark.slow(minutes=4)
def test_the_official_split(tmp_path):
    few = ("trainer.max_epochs=8", "connected.train_utterances=1000")
    metrics = train("digits_ctc", tmp_path, ROOT, *few)
    assert error_rate(metrics) <= 0.2
    assert metrics["test"]["words"]["start_error"] <= 0.05
    assert metrics["test"]["words"]["end_error"] <= 0.05
    grammar = tmp_path / "digits.jsgf"
    grammar.write_text(f"<digits> = ({DIGIT})+;")
    decoding = ("decoding=grammar", f"decoding.grammar.path={grammar}")
    assert evaluate("digits_ctc", tmp_path, ROOT, *decoding)["word_error_rate"]["rate"] <= 0.2
    isolated = evaluate("digits", tmp_path, ROOT)
    assert isolated["n_utterances"] == 200
    assert accuracy({"test": isolated}) >= 0.8
    (row,) = transcribe(tmp_path, SHARED / "digits/7_jackson_0.wav")
    assert "seven" in [word["word"] for word in row["words"]]
    assert all(0 <= word["start"] < word["end"] <= row["duration"] for word in row["words"])
