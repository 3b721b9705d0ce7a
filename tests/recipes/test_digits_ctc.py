import pytest

from tests.real import SHARED, needs_shared
from tests.recipes.runs import error_rate, evaluate, train, transcribe

ROOT = f"data.root={SHARED / 'digits'}"


@needs_shared
def test_a_few_steps_run_to_the_last_line(tmp_path):
    train("digits_ctc", tmp_path, ROOT, "+debug=fast")
    evaluate("digits_ctc", tmp_path, ROOT, "decoding=beam", "decoding.beam_size=4")
    path = tmp_path / "digits.jsgf"
    path.write_text("<pair> = (zero | one | two) nine;")
    grammar = ("decoding=grammar", f"decoding.grammar.path={path}")
    figures = evaluate("digits_ctc", tmp_path, ROOT, *grammar)
    assert figures["word_error_rate"]["rate"] >= 1  # two words are answered where one was said


@needs_shared
@pytest.mark.slow
def test_the_official_split(tmp_path):
    assert error_rate(train("digits_ctc", tmp_path, ROOT)) <= 0.03
    beam = evaluate("digits_ctc", tmp_path, ROOT, "decoding=beam")
    assert beam["word_error_rate"]["rate"] <= 0.03
    (row,) = transcribe(tmp_path, SHARED / "digits/7_jackson_0.wav")
    (word,) = row["words"]
    assert word["word"] == "seven"
    assert 0 <= word["start"] < word["end"] <= row["duration"]
