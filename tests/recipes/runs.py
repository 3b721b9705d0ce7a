"""A recipe as its user runs it: trained, evaluated and used from the command line."""

import json
from contextlib import contextmanager

from tests.archives import corpus_files, official_test_files, serve, write_archive
from tests.commands import speech_rnn
from tests.real import SHARED

# For some hundreds of clips in place of a hundred thousand: more steps, and no long average.
FEW_CLIPS = (
    "augment=none",
    "optim.learning_rate=3e-3",
    "trainer.batch_size=16",
    "trainer.ema_decay=null",
    "trainer.label_smoothing=0",
)

A_FEW_STEPS = ("+debug=fast", "trainer.batch_size=8")
"""Three small batches of any recipe."""
SPEAKERS = ("george", "jackson")


def few_digits(folder):
    """Link digits of two people into a folder, 40 for each of validation and test, 100 to train."""
    folder.mkdir(parents=True)
    for index in (0, 1, 5, 6, *range(10, 15)):
        for name in (f"{digit}_{who}_{index}.wav" for digit in range(10) for who in SPEAKERS):
            (folder / name).symlink_to(SHARED / "digits" / name)
    return folder


def few_commands(folder):
    """Link every eighth clip of Speech Commands into a folder."""
    for clip in sorted((SHARED / folder.name).glob("*/*"))[::8]:
        (folder / clip.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / clip.parent.name / clip.name).symlink_to(clip)
    return folder


def few_phrases(folder):
    """Link 40 clips of each key phrase into a folder."""
    for word in sorted((SHARED / "keywords").iterdir()):
        (folder / word.name).mkdir(parents=True)
        for clip in sorted(word.iterdir())[:40]:
            (folder / word.name / clip.name).symlink_to(clip)
    return folder


@contextmanager
def speech_commands(folder, *, official=False, cuts=()):
    """Serve a small Speech Commands; yield the server, and what a recipe must know of it.

    `official`: with the test set of twelve classes.
    """
    corpus = write_archive(folder / "served/corpus.tar.gz", corpus_files(takes=2))
    with serve(corpus.path.parent, cuts=cuts) as server:
        overrides = [
            f"data.root={folder / 'corpus'}",
            f"data.url={server.url('corpus.tar.gz')}",
            f"data.sha256={corpus.sha256}",
        ]
        if official:
            test = write_archive(folder / "served/test.tar.gz", official_test_files(clips=4))
            overrides += [
                f"data.test_url={server.url('test.tar.gz')}",
                f"data.test_sha256={test.sha256}",
            ]
        yield server, overrides


def train(recipe, folder, *overrides, timeout=1500, last_line="recognizer: "):
    """Train a recipe in `folder`/run and return its metrics."""
    result = speech_rnn(
        "train",
        f"+recipe={recipe}",
        f"output_dir={folder / 'run'}",
        "device=cpu",
        "report=false",
        *overrides,
        cwd=folder,
        module=True,
        timeout=timeout,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1].startswith(last_line)
    return json.loads((folder / "run/metrics.json").read_text())


def evaluate(recipe, folder, *overrides):
    """Score the Recognizer of `train` again and return the figures."""
    result = speech_rnn(
        "evaluate",
        f"model={folder / 'run/recognizer.safetensors'}",
        f"+recipe={recipe}",
        f"output_dir={folder / 'evaluation'}",
        *overrides,
        cwd=folder,
        module=True,
    )
    assert result.returncode == 0, result.stderr
    assert "accuracy" in result.stdout
    return json.loads((folder / "evaluation/evaluation.json").read_text())


def transcribe(folder, *paths):
    """Transcribe files with the Recognizer of `train` and return the rows."""
    model = ("--model", folder / "run/recognizer.safetensors")
    result = speech_rnn("transcribe", *model, "--json", *paths, cwd=folder, module=True)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def accuracy(metrics):
    """Share of the test split that is right."""
    return metrics["test"]["accuracy"]["accuracy"]


def error_rate(metrics):
    """Word error rate on the test split."""
    return metrics["test"]["word_error_rate"]["rate"]
