"""A training that is ended from outside says so, and how it goes on."""

import json
import os
import signal

import pytest

from speech_rnn.training.module import SpeechModule
from tests.shared import made_once
from tests.tones import write_corpus
from tests.training import small
from tests.training.small import assert_same_weights


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("tones"), clips=(8, 2, 2))


def run(manifest, output_dir, *overrides, cwd):
    """Train with four steps an epoch."""
    return small.run(manifest, output_dir, *overrides, "trainer.batch_size=6", cwd=cwd)


def signal_at(monkeypatch, signum, step):
    """Send a signal within a step of the training."""
    loss = SpeechModule.loss

    def signalled(self, batch):
        if self.global_step == step:
            os.kill(os.getpid(), signum)
        return loss(self, batch)

    monkeypatch.setattr(SpeechModule, "loss", signalled)


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_case_01_a_signal_ends_with_its_code_and_says_how_to_go_on(
    manifest, tmp_path, monkeypatch, signum, code
):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    signal_at(monkeypatch, signum, step=4 + 1)  # four steps an epoch
    ended = run(manifest, "run", "trainer.max_epochs=30", cwd=tmp_path)
    message = "interrupted after epoch 1 of 30; resume=true continues (output_dir=run)\n"
    assert (ended.returncode, ended.stderr) == (code, message)
    assert not (tmp_path / "run/recognizer.safetensors").exists()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_interrupted_run_resumes_to_the_same_weights(manifest, tmp_path, monkeypatch):
    overrides = ("trainer.max_epochs=2", "trainer.ema_decay=null")
    whole = run(manifest, "whole", *overrides, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr
    with monkeypatch.context() as patch:
        signal_at(patch, signal.SIGTERM, step=4 + 1)
        assert run(manifest, "ended", *overrides, cwd=tmp_path).returncode == 143
    again = run(manifest, "ended", *overrides, cwd=tmp_path)
    assert again.returncode == 2
    assert "holds a run already; add resume=true" in again.stderr
    other = run(manifest, "ended", *overrides, "resume=true", "seed=9", cwd=tmp_path)
    assert other.returncode == 2
    assert "the configuration differs" in other.stderr
    resumed = run(manifest, "ended", *overrides, "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert_same_weights(tmp_path / "whole", tmp_path / "ended")


THREE = (
    "trainer.max_epochs=3",
    "trainer.checkpoint_minutes=1e-9",
    "trainer.ema_decay=0.9",
    "test=false",
)


@pytest.fixture(scope="module")
def whole(manifest):
    """Return the folder of a training of three epochs that nothing ends."""

    def make(folder):
        trained = run(manifest, "run", *THREE, cwd=folder)
        assert trained.returncode == 0, trained.stderr

    return made_once("unbroken", make) / "run"


IN_MEMORY, READ_AHEAD = ("cache=memory",), ("cache=none", "workers=1")


@pytest.mark.parametrize(
    ("step", "kept"),  # four steps an epoch
    [
        (1, IN_MEMORY),
        pytest.param(4, IN_MEMORY, marks=pytest.mark.slow),
        (6, READ_AHEAD),
        pytest.param(3, IN_MEMORY, marks=pytest.mark.slow),
        pytest.param(6, IN_MEMORY, marks=pytest.mark.slow),
        *(pytest.param(step, READ_AHEAD, marks=pytest.mark.slow) for step in (1, 3, 4)),
    ],
)
def test_a_run_resumes_in_the_middle_of_an_epoch(
    manifest, whole, tmp_path, monkeypatch, step, kept
):
    settings = (*THREE, *kept, f"paths.data={tmp_path / 'data'}")
    with monkeypatch.context() as patch:
        signal_at(patch, signal.SIGTERM, step)
        ended = run(manifest, "ended", *settings, cwd=tmp_path)
        place = f"after epoch {step // 4}" if step % 4 == 0 else f"in epoch {step // 4 + 1}"
        assert ended.stderr.startswith(f"interrupted {place} of 3; resume=true continues")
    steps, loss = [], SpeechModule.loss

    def counted(self, batch):
        steps.append(self.global_step)
        return loss(self, batch)

    monkeypatch.setattr(SpeechModule, "loss", counted)
    resumed = run(manifest, "ended", *settings, "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert steps == [*range(step, 12)]
    assert_same_weights(whole, tmp_path / "ended")


def test_case_f03_a_signal_before_the_first_epoch_ends(manifest, tmp_path, monkeypatch):
    signal_at(monkeypatch, signal.SIGTERM, step=1)
    ended = run(manifest, "run", "trainer.max_epochs=1", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (143, "interrupted\n")
    monkeypatch.undo()
    again = run(manifest, "run", "trainer.max_epochs=1", cwd=tmp_path)  # nothing was kept
    assert again.returncode == 0, again.stderr


def test_case_01_a_signal_while_clips_are_read(manifest, tmp_path, monkeypatch):
    def read(*arguments, **settings):
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("reading goes on")

    monkeypatch.setattr("speech_rnn.data.placing.AudioCache", read)
    ended = run(manifest, "run", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (143, "interrupted\n")


def test_a_signal_while_the_test_split_is_scored(manifest, tmp_path, monkeypatch):
    def evaluate(*arguments, **settings):
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("speech_rnn.training.run.evaluate", evaluate)
    ended = run(manifest, "run", "trainer.max_epochs=1", cwd=tmp_path)
    assert ended.returncode == 130
    assert ended.stderr.startswith("interrupted after epoch 1 of 1; resume=true continues")
    monkeypatch.undo()
    resumed = run(manifest, "run", "trainer.max_epochs=1", "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [(), ("-m", "seed=1,2")])
def test_case_32_an_unreadable_test_clip_ends_with_1_after_all_is_done(tmp_path, sweep):
    manifest = write_corpus(tmp_path / "tones", clips=(4, 2, 2))
    (tmp_path / "tones/low_test_0.wav").write_bytes(b"RIFF and no more")
    ended = run(manifest, tmp_path / "run", "trainer.max_epochs=1", *sweep, cwd=tmp_path)
    assert ended.returncode == 1
    assert "low_test_0.wav" in ended.stdout
    found = sorted((tmp_path / "run").rglob("metrics.json"))
    assert len(found) == (2 if sweep else 1)
    assert all(json.loads(file.read_text())["test"]["n_failures"] == 1 for file in found)
    assert all(file.with_name("recognizer.safetensors").exists() for file in found)


def test_case_32_clips_that_are_left_out_are_not_counted(tmp_path):
    manifest = write_corpus(tmp_path / "tones", clips=(4, 2, 2))
    (tmp_path / "tones/low_train_0.wav").write_bytes(b"RIFF and no more")
    ended = run(manifest, tmp_path / "run", "trainer.max_epochs=1", cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["n_clips"] == {"train": 11, "validation": 6, "test": 6}
