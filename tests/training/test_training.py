import csv
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.augment import Augment
from speech_rnn.data.batching import Batch
from speech_rnn.data.connected import Connected
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.engines import device
from speech_rnn.errors import ConfigurationError, DataError
from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import Recognizer
from speech_rnn.training import AdamWCosine, Recipe, Run, Trainer, train
from speech_rnn.training.module import SpeechModule
from speech_rnn.training.targets import Mixture
from speech_rnn.vocabulary import Vocabulary
from tests.commands import speech_rnn
from tests.tones import TONES_HZ, tone, write_corpus
from tests.training.small import SMALL, assert_same_weights, run


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("tones"))


@pytest.fixture(scope="module")
def trained(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    result = run(manifest, folder / "run", "trainer.max_epochs=12", cwd=folder)
    assert result.returncode == 0, result.stderr
    return folder / "run", result


def test_training_learns_and_leaves_its_files(trained):
    folder, result = trained
    names = {path.name for path in folder.iterdir()}
    assert names >= {"recognizer.safetensors", "metrics.json", "config.yaml", "checkpoints", "logs"}
    assert {p.name for p in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    last = torch.load(folder / "checkpoints/last.ckpt", weights_only=True)
    assert last["epoch"] == 11  # even where an earlier epoch was the best
    assert result.stdout.splitlines()[-1] == f"recognizer: {folder / 'recognizer.safetensors'}"
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["test"]["accuracy"]["accuracy"] >= 0.9
    assert metrics["seed"] == 0
    assert metrics["cost"]["file_bytes"] == (folder / "recognizer.safetensors").stat().st_size
    assert len(metrics["audio_sha256"]["train"]) == 64
    assert metrics["n_clips"] == {"train": 48, "validation": 18, "test": 18}
    assert not (folder / "report.html").exists()  # report=false
    log = (folder / "logs/csv/version_0/metrics.csv").read_text()
    assert "train/gradient_norm" in log
    assert "validation/loss" in log
    assert list((folder / "logs/tensorboard").rglob("events.*"))


def test_the_recognizer_says_where_it_came_from(trained):
    provenance = Recognizer.load(trained[0] / "recognizer.safetensors").provenance
    assert provenance["source"] == "Manifest"
    assert provenance["test"]["accuracy"]["total"] == 18
    assert "hidden_size: 16" in provenance["config"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(manifest, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        settings = ("trainer.max_epochs=2", f"seed={seed}")
        result = run(manifest, name, *settings, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
    assert_same_weights(tmp_path / "a", tmp_path / "b")
    with pytest.raises(AssertionError):
        assert_same_weights(tmp_path / "a", tmp_path / "c")


JOINED = ("connected=words", "vocabulary=words", "trainer.frame_weight=1")
AUGMENTED = (
    "augment.tempo=[0.9,1.1]",
    "augment.pitch_semitones=[-1,1]",
    "augment.vtlp=[0.9,1.1]",
    "augment.equalizer_db=[-6,6]",
    "trainer.mixup=0.2",
    "trainer.copies=1",
    "trainer.balance=0.5",
    "trainer.ema_decay=0.9",
    "trainer.max_epochs=10",
    "trainer.min_steps=150",
)
ROBUST = ("augment=robust", "augment.noise.seconds=5", "augment.rooms.diffuse=10")
FEW = tuple(f"connected.{split}_utterances=24" for split in ("train", "validation", "test"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param(AUGMENTED, id="augmented"),
        pytest.param((*JOINED, *FEW), id="connected"),
        pytest.param(ROBUST, id="robust"),
    ],
)
def test_a_killed_run_resumes_to_the_same_weights(manifest, tmp_path, overrides):
    overrides = ("trainer.max_epochs=20", *overrides)
    whole = run(manifest, tmp_path / "whole", *overrides, cwd=tmp_path)
    assert whole.returncode == 0, whole.stderr

    arguments = (*SMALL, f"data.path={manifest}", f"output_dir={tmp_path / 'killed'}", *overrides)
    process = subprocess.Popen(
        [sys.executable, "-m", "speech_rnn.train", *arguments],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        text=True,
    )
    last = tmp_path / "killed/checkpoints/last.ckpt"
    for _ in range(6000):
        if last.exists() or process.poll() is not None:
            break
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (tmp_path / "killed/recognizer.safetensors").exists()

    resumed = run(manifest, tmp_path / "killed", *overrides, "resume=true", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert_same_weights(tmp_path / "whole", tmp_path / "killed")


@given(st.integers(1, 5000), st.integers(1, 64), st.integers(1, 30), st.integers(0, 2000))
def test_a_training_has_no_fewer_steps_than_asked(n_clips, batch_size, max_epochs, min_steps):
    trainer = Trainer(max_epochs=max_epochs, batch_size=batch_size, min_steps=min_steps)
    passes, a_pass = trainer.passes(n_clips), max_epochs * -(-n_clips // batch_size)
    assert passes * a_pass >= min_steps
    assert passes == 1 or (passes - 1) * a_pass < min_steps


def test_noise_of_kinds_comes_from_the_clips_of_other_speakers(manifest, tmp_path):
    result = run(manifest, "run", "trainer.max_epochs=1", *ROBUST, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    told = "noise of 6 kinds: steady, modulated, clatter, hum, tones, talker"
    (log,) = (tmp_path / "run").glob("*.log")
    assert told in log.read_text()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("unit", "settings"),
    [
        ("words", ("trainer.max_epochs=80",)),
        ("characters", ("trainer.max_epochs=250", "model.stack=1")),
    ],
)
def test_ctc_learns(manifest, tmp_path, unit, settings):
    overrides = (f"vocabulary={unit}", "augment=none", "optim.learning_rate=1e-2", *settings)
    result = run(manifest, "run", *overrides, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["test"]["word_error_rate"]["rate"] <= 0.2


def test_extra_clips_join_the_training_split_alone(manifest, tmp_path):
    extra = "extra={_target_:speech_rnn.data.manifest.Manifest,path:" + str(manifest) + "}"
    result = run(manifest, "run", "trainer.max_epochs=1", extra, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["n_clips"] == {"train": 96, "validation": 18, "test": 18}


@pytest.mark.slow
def test_a_sweep_is_one_run_for_each_value_and_a_table(manifest, tmp_path):
    overrides = ("trainer.max_epochs=1", "-m", "seed=1,2", "augment.gain_db=[0,1],[0,2]")
    result = run(manifest, tmp_path / "sweep", *overrides, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    names = {path.parent.name for path in tmp_path.glob("sweep/*/recognizer.safetensors")}
    assert names == {f"seed-{s}+augment.gain_db-0_{high}" for s in (1, 2) for high in (1, 2)}
    found = json.loads((tmp_path / "sweep/comparison.json").read_text())
    assert [group["name"] for group in found["groups"]] == [
        "augment.gain_db=[0,1]",
        "augment.gain_db=[0,2]",
    ]
    assert [group["seeds"] for group in found["groups"]] == [[1, 2], [1, 2]]
    table = result.stdout[result.stdout.index("mean ± deviation over seeds") :]
    assert "seed=1,2" in table
    assert not (tmp_path / "sweep/comparison.html").exists()  # report=false


@pytest.mark.slow
@pytest.mark.parametrize(("select", "chosen"), [("best", min), ("last", lambda losses: losses[-1])])
def test_the_validation_figures_are_those_of_the_weights_that_are_kept(
    manifest, tmp_path, select, chosen
):
    # The learning rate is so high that the last epoch is not the best.
    settings = ("trainer.max_epochs=6", "trainer.ema_decay=0.5", "optim.learning_rate=0.1")
    overrides = (*settings, "optim.final_learning_rate=0.1", f"trainer.select={select}")
    result = run(manifest, "run", *overrides, "test=false", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    with (tmp_path / "run/logs/csv/version_0/metrics.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["validation/loss"]]
    losses = [float(row["validation/loss"]) for row in rows]
    assert min(losses) < losses[-1]
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["validation"]["loss"] == pytest.approx(chosen(losses), rel=1e-5)
    row = rows[losses.index(chosen(losses))]
    assert metrics["validation"]["error_rate"] == pytest.approx(float(row["validation/error_rate"]))
    assert metrics["test"] is None
    assert "accuracy" not in result.stdout


def test_a_bad_file_is_named_and_left_out(tmp_path):
    manifest = write_corpus(tmp_path / "tones", clips=(4, 2, 2))
    (tmp_path / "tones/low_train_0.wav").write_bytes(b"")
    result = run(manifest, tmp_path / "run", "trainer.max_epochs=1", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "left out of train" in result.stderr + result.stdout
    assert "low_train_0.wav" in result.stderr + result.stdout


def small_model(n_features, n_outputs, head, **settings):
    return AcousticModel(n_features, n_outputs, head=head, hidden_size=4, **settings)


class Given:
    """A source of given rows."""

    def __init__(self, rows, words):
        self.corpus = Corpus(tuple(rows), words)

    def prepare(self):
        return self.corpus


EMPTY = Given([Utterance("a.wav", "yes", split="test")], ("yes",))


def test_a_split_without_clips(tmp_path):
    with pytest.raises(DataError, match="split='train' has no clips"):
        train(Recipe(EMPTY, MFCC(), small_model), Run(output_dir=tmp_path))


@pytest.mark.parametrize(
    ("settings", "more", "message"),
    [
        ({"mixup": 0.2}, {"unit": "words"}, "trainer.mixup=0.2 needs one word in each clip"),
        (
            {"balance": 1.0},
            {"unit": "characters"},
            "trainer.balance=1.0 needs one word in each clip",
        ),
        (
            {"balance": 0.5},
            {"connected": Connected()},
            "trainer.balance=0.5 needs one word in each clip",
        ),
    ],
)
def test_settings_that_sequences_cannot_have_are_reported_first(settings, more, message, tmp_path):
    recipe = Recipe(EMPTY, MFCC(), small_model, **more)
    with pytest.raises(ConfigurationError, match=message):
        train(recipe, Run(trainer=Trainer(**settings), output_dir=tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_clip_needs_as_many_steps_as_its_windows_give(tmp_path):
    # 3200 samples hold 18 whole windows of 480, and 21 that lie around a hop: 9 steps, or 11.
    write_audio(tmp_path / "a.wav", tone("low", 0.2))
    splits = ("train", "validation")
    rows = [Utterance(str(tmp_path / "a.wav"), " ".join("abcdefghij"), split=s) for s in splits]
    source, model = Given(rows, tuple("abcdefghij")), partial(small_model, stack=2)
    with pytest.raises(DataError, match="needs 10 steps, and it has 9"):
        train(Recipe(source, MFCC(framing="snip"), model, unit="words"), Run(output_dir=tmp_path))


@pytest.mark.parametrize("copies", [1, 3])
@pytest.mark.parametrize("has_spans", [False, True])
def test_copies_join_clips_that_stay_as_they_are(copies, has_spans):
    samples = (3000 * torch.randn(3, 8000, generator=torch.Generator().manual_seed(0))).short()
    spans = torch.tensor([[[1000.0, 4000.0]]]).repeat(3, 1, 1) if has_spans else None
    counts = torch.ones(3, dtype=torch.int64)
    targets = torch.tensor([[1], [2], [0]])
    batch = Batch(samples, torch.tensor([8000, 6000, 4000]), targets, counts, [0, 1, 2], spans)
    samples *= torch.arange(8000) < batch.lengths[:, None]
    features = MFCC(normalization="utterance")
    augment = Augment(lead_ms=(50, 90), gain_db=(-6, 6), time_masks=2, noise_probability=1.0)
    module = SpeechModule(
        features,
        small_model(features.n_features, 3, "classification"),
        Vocabulary.of(list(TONES_HZ)),
        augment,
        Run(trainer=Trainer(copies=copies)),
    )
    frames, lengths, heard = module.augmented(batch, torch.Generator().manual_seed(1))
    plain, plain_lengths = features(batch.waveform, batch.lengths)
    assert torch.equal(frames[:3, : plain.shape[1]], plain)
    assert not frames[:3, plain.shape[1] :].any()
    assert torch.equal(lengths[:3], plain_lengths)
    assert torch.equal(heard.targets, targets.repeat(1 + copies, 1))
    others = frames[3:].reshape(copies, 3, *frames.shape[1:])
    assert len({round(float(one), 4) for one in others[:, 0].square().mean(dim=(1, 2))}) == copies
    assert (lengths[3:] > plain_lengths.repeat(copies)).all()  # silence in front
    if has_spans:
        assert torch.equal(heard.spans[:3], spans)
        later = heard.spans[3:] - spans.repeat(copies, 1, 1)
        assert ((later >= 799) & (later <= 1441)).all()
    else:
        assert heard.spans is None


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
def test_the_loss_of_a_mixture_is_the_mixed_loss(label_smoothing):
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    classes, partner = torch.tensor([0, 3, 3, 4]), torch.tensor([1, 0, 3, 2])
    share = torch.tensor([0.0, 0.3, 0.9, 1.0])
    targets = Mixture(partner, share).targets(classes, 5)
    mixed = F.cross_entropy(logits, targets, label_smoothing=label_smoothing, reduction="none")
    own, others = (
        F.cross_entropy(logits, wanted, label_smoothing=label_smoothing, reduction="none")
        for wanted in (classes, classes[partner])
    )
    torch.testing.assert_close(mixed, share * own + (1 - share) * others)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"mixup": -0.1}, "trainer.mixup=-0.1 must be 0, which is off, or more"),
        ({"copies": -1}, "trainer.copies=-1 must be 0, which is off, or more"),
        ({"balance": 2.5}, r"trainer.balance=2.5 must be in \[0, 2\]"),
        ({"max_epochs": 0}, "trainer.max_epochs=0 must be above 0"),
        ({"label_smoothing": 1.0}, r"trainer.label_smoothing=1.0 must be in \[0, 1\)"),
        ({"ema_decay": -0.5}, r"trainer.ema_decay=-0.5 must be in \[0, 1\)"),
        ({"select": "first"}, "trainer.select='first' must be one of"),
        ({"precision": "8"}, "trainer.precision='8' must be one of"),
    ],
)
def test_wrong_settings(wrong, message):
    with pytest.raises(ConfigurationError, match=message):
        Trainer(**wrong)


@pytest.mark.parametrize(
    ("precision", "kind", "is_refused"),
    [
        ("bf16-mixed", "cpu", True),
        ("16-mixed", "cpu", True),  # Lightning computes with bf16 there
        ("16-mixed", "cuda", False),
        ("32-true", "cpu", False),
    ],
)
def test_a_processor_without_bf16_is_reported_before_training(
    precision, kind, is_refused, monkeypatch, tmp_path
):
    monkeypatch.setattr(device, "computes_in_bf16", lambda _: False)
    if not is_refused:
        device.check_precision(torch.device(kind), precision)
        return
    with pytest.raises(ConfigurationError, match=f"precision='{precision}' needs bf16.*=32-true"):
        device.check_precision(torch.device(kind), precision)
    given = (f"trainer.precision={precision}", "data=manifest", "data.path=none.csv")
    done = speech_rnn("train", *given, f"output_dir={tmp_path / 'run'}", cwd=tmp_path)
    assert done.returncode == 2
    assert "needs bf16, which this cpu does not have" in done.stderr
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_the_schedule_warms_up_and_falls():
    optim = AdamWCosine(learning_rate=1.0, final_learning_rate=0.01, warmup_fraction=0.1)
    model = torch.nn.Linear(2, 2)
    optimizer = optim.optimizer(model)
    schedule = optim.schedule(optimizer, 100)
    rates = []
    for _ in range(100):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[9] == rates[10] == 1.0
    assert np.all(np.diff(rates[:10]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    assert rates[55] == pytest.approx(0.505, abs=0.01)  # the cosine's middle
    assert schedule.get_last_lr()[0] == pytest.approx(0.01)


def test_biases_and_normalisation_do_not_decay():
    model = small_model(5, 3, "classification")
    groups = AdamWCosine(weight_decay=0.1).optimizer(model).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert all(weight.ndim > 1 for weight in groups[0]["params"])
    assert all(weight.ndim == 1 for weight in groups[1]["params"])
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))
