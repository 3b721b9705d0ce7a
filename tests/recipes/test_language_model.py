import json
from pathlib import Path

import pytest

from tests.commands import speech_rnn
from tests.recipes.runs import train

GRAMMAR = Path(__file__).parents[2] / "recipes/language_model/codes.jsgf"


def write_sentences(folder, number, *, seed=0):
    arguments = ("--grammar", GRAMMAR, "-n", number, "--seed", seed)
    result = speech_rnn("generate", *arguments, cwd=folder, module=True, apart=True)
    assert result.returncode == 0, result.stderr
    path = folder / f"text{seed}.txt"
    path.write_text(result.stdout)
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("language")
    text = write_sentences(folder, 800)
    overrides = (f"language_model.text={text}", "trainer.max_epochs=12")
    last_line = "language model: "
    return folder, train("language_model", folder, *overrides, last_line=last_line)


@pytest.mark.slow
def test_it_beats_the_ngrams_on_sentences_not_seen(trained):
    _, metrics = trained
    assert metrics["perplexity"] < metrics["ngram_perplexity"]
    assert set(metrics["n_sentences"]) == {"train", "validation", "test"}
    assert len(metrics["samples"]) == 5


def test_it_makes_up_sentences(trained):
    folder, _ = trained
    model = folder / "run/language_model.safetensors"
    result = speech_rnn("generate", "--lm", model, "-n", "30", cwd=folder)
    assert result.returncode == 0, result.stderr
    sentences = [line.split() for line in result.stdout.splitlines()]
    assert len(sentences) == 30
    closed = [{"one": "two", "three": "four", "five": "six"}.get(s[0]) == s[-1] for s in sentences]
    assert sum(closed) >= 20


def test_one_source_of_sentences_is_needed(tmp_path):
    for arguments in ((), ("--grammar", "a", "--lm", "b")):
        result = speech_rnn("generate", *arguments, cwd=tmp_path)
        assert result.returncode == 2
        assert "give one of --grammar FILE and --lm FILE" in result.stderr


def test_characters_and_texts_of_their_own(tmp_path):
    for name in ("train", "validation", "test"):
        (tmp_path / f"{name}.txt").write_text("left right\nright left go\n" * 10)
    metrics = train(
        "language_model",
        tmp_path,
        "language_model.text=train.txt",
        "language_model.validation_text=validation.txt",
        "language_model.test_text=test.txt",
        "language_model.cell=lstm",
        "vocabulary=characters",
        "trainer.max_epochs=2",
        last_line="language model: ",
    )
    assert metrics["n_sentences"] == {"train": 20, "validation": 20, "test": 20}
    assert "<space>" in (tmp_path / "run/ngram.arpa").read_text()


def test_a_run_is_not_overwritten_and_few_sentences_are_reported(trained, tmp_path):
    folder, _ = trained
    arguments = ("+recipe=language_model", f"language_model.text={folder / 'text0.txt'}")
    again = speech_rnn("train", *arguments, f"output_dir={folder / 'run'}", cwd=folder)
    assert again.returncode == 2
    assert "holds a run already" in again.stderr
    (tmp_path / "one.txt").write_text("left\n")
    arguments = ("+recipe=language_model", "language_model.text=one.txt", "output_dir=run")
    few = speech_rnn("train", *arguments, cwd=tmp_path)
    assert few.returncode == 1
    assert "split without a sentence" in few.stderr
    assert json.loads((folder / "run/metrics.json").read_text())["seed"] == 0
