"""Batches, losses and the training itself, on tones."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from distillation.augmentation import Batch
from distillation.batching import epoch_batches, read_batch
from distillation.losses import (
    SCALE,
    Heads,
    Labels,
    distillation,
    likeness,
    losses,
    naming,
    prediction,
)
from distillation.names import Names
from distillation.pooling import parts_of, pooled
from distillation.probe import pooled as pooled_alone
from distillation.settings import Settings
from distillation.student import read_encoder
from distillation.training import Training

from speech_rnn.errors import ModelError
from speech_rnn.features.encoder import above_silence
from tests.recipes.embedding.made import CODES, SMALL, WORDS, corpus


def nameless(opened):
    shape = (len(opened.clips), 16)
    return Names(np.zeros(shape, np.int16), np.zeros(shape, np.float16))


def weights(student):
    return torch.cat([value.float().flatten() for value in student.state_dict().values()])


def test_every_row_is_in_one_batch():
    sizes = np.array([8000] * 50 + [20_000] * 21)
    batches = epoch_batches(sizes, 16, np.random.default_rng(0))
    assert sorted(np.concatenate(batches)) == [*range(71)]
    assert all(len(set(sizes[rows])) == 1 for rows in batches)
    assert all(12 <= len(rows) <= 21 for rows in batches)


@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize("seconds", [0.5, 1.2])
def test_a_batch_holds_its_clips(tmp_path, is_warm, seconds):
    opened = corpus(tmp_path, replace(SMALL, directions=0), seconds=seconds)
    rows, codes = np.arange(8), CODES - CODES.mean(0)
    rng = np.random.default_rng(0)
    batch = read_batch(opened, opened.starts, opened.sizes, rows, rng, is_warm)
    n_steps = batch.targets.shape[1]
    assert n_steps == (26 if seconds < 0.8 else 37)
    for row in rows:
        first, last = int(batch.start[row]), int(batch.start[row] + batch.n_samples[row])
        assert 0 <= first < last <= 640 * (n_steps + 1)
        if not is_warm:
            assert first < 2 * 640
        loud = batch.frames[row].max(1).values > -3
        heard = loud.nonzero()[:, 0] * 160
        assert abs(int(heard.min()) - first) <= 400
        assert abs(int(heard.max()) - last) <= 400
        word = WORDS.index(opened.clips[row].text)
        middle = (first + last) // 2 // 640
        assert (codes @ batch.targets[row, middle].numpy()).argmax() == word


def test_pooling_equals_that_of_a_clip_alone():
    embeddings = torch.randn(1, 20, 5)
    parts = parts_of(torch.tensor([0]), torch.tensor([640 * 20]), 20)
    vector = pooled(embeddings, parts)[0].numpy()
    alone = pooled_alone(embeddings[0].numpy())
    # A little is added to variances in training, whose root has no gradient at 0.
    assert vector == pytest.approx(alone, abs=1e-3)


def test_a_student_that_is_right_has_no_loss():
    targets = torch.randn(2, 26, 7)
    parts = parts_of(torch.tensor([0, 640]), torch.tensor([6400, 6400]), 26)
    assert distillation(targets, targets, parts) == 0
    outside = targets.clone()
    outside[:, 20:] += 1
    inside = targets.clone()
    inside[:, 2:8] += 1
    assert distillation(inside, targets, parts) > 5 * distillation(outside, targets, parts)


def test_the_future_is_what_comes_after_the_newest_frame():
    settings = replace(SMALL, future=1.0, future_frames=4)
    frames = torch.randn(2, 40, 40) - 5
    level = above_silence(frames)
    guess = torch.zeros(2, 10, 160)
    for step in range(9):  # a state has heard frames up to 4 * step + 3
        guess[:, step] = level[:, 4 * step + 4 : 4 * step + 8].flatten(1)
    assert prediction(guess, frames, settings) == pytest.approx(0, abs=1e-6)
    assert prediction(guess.roll(1, dims=1), frames, settings) > 0.01


def test_naming_is_the_cross_entropy_of_the_shares():
    scores = torch.randn(3, 30)
    likely = torch.stack([torch.randperm(30)[:16] for _ in range(3)])
    shares = torch.rand(3, 16)
    shares = shares / shares.sum(1, keepdim=True)
    full = torch.zeros(3, 30).scatter(1, likely, shares)
    expected = torch.nn.functional.cross_entropy(scores, full)
    assert naming(scores, likely, shares) == pytest.approx(expected.item())


def test_scores_of_a_word_do_not_depend_on_the_clips_length():
    words = torch.nn.functional.normalize(torch.randn(5, 6), dim=1)
    vectors = torch.randn(3, 6)
    scores = likeness(vectors, words)
    assert torch.allclose(scores, likeness(3 * vectors, words))
    assert torch.allclose(likeness(words, words).diagonal(), torch.full((5,), SCALE))
    assert scores.abs().max() <= SCALE


def test_a_clip_whose_word_is_known_is_not_named(tmp_path):
    """Its name may be another word."""
    opened, settings = corpus(tmp_path), replace(SMALL, word=0.0, soft=1.0)
    batch = Batch(
        torch.randn(4, 128, 40), torch.randn(4, 26, 2), torch.zeros(4), torch.full((4,), 8000.0)
    )
    shares = torch.zeros(4, 16)
    shares[:, 0] = 1
    names = torch.zeros(4, 16, dtype=torch.int64)
    heads, states = Heads(8, 2, len(opened.vocabulary), settings).eval(), torch.randn(4, 32, 8)
    known, two = torch.tensor([1, 1, -1, -1]), torch.tensor([2, 2, -1, -1])
    found = [
        losses(heads, states, 0, batch, Labels(words, names, shares), settings)["soft"]
        for words in (known, two)
    ]
    assert found[0] == found[1]
    none = losses(heads, states, 0, batch, Labels(known.abs(), names, shares), settings)
    assert "soft" not in none


def test_losses_are_those_that_have_a_weight(tmp_path):
    opened = corpus(tmp_path)
    batch = Batch(
        torch.randn(8, 128, 40), torch.randn(8, 26, 2), torch.zeros(8), torch.full((8,), 8000.0)
    )
    shares = torch.zeros(8, 16)
    shares[0, 0] = 1
    labels = Labels(torch.full((8,), -1), torch.zeros(8, 16, dtype=torch.int64), shares)
    for names in ({"distill"}, {"distill", "soft"}, {"distill", "future"}):
        asked = {name: float(name in names) for name in ("distill", "word", "soft", "future")}
        settings = replace(SMALL, **asked)
        heads = Heads(8, 2, len(opened.vocabulary), settings)
        found = losses(heads, torch.randn(8, 32, 8), 0, batch, labels, settings)
        assert found.keys() == names


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unbroken")
    opened = corpus(folder)
    told = []
    settings = replace(SMALL, epochs=3)
    student = Training(opened, nameless(opened), [], settings).run(folder / "c.pt", told.append)
    return opened, settings, student, told


@pytest.mark.slow
def test_a_killed_training_reaches_the_same_weights(unbroken, tmp_path):
    opened, settings, student, _ = unbroken
    path = tmp_path / "deep" / "checkpoint.pt"
    first = Training(opened, nameless(opened), [], settings)
    first.run_epoch()
    first.save(path)
    second = Training(opened, nameless(opened), [], replace(settings, resume=True))
    told = []
    resumed = second.run(path, told.append)
    assert [progress.epoch for progress in told] == [2, 3]
    assert torch.equal(weights(resumed), weights(student))


def test_an_encoder_is_the_mean_of_those_before_a_restart_and_at_the_end(tmp_path):
    opened, path = corpus(tmp_path), tmp_path / "c.pt"
    settings = replace(SMALL, epochs=3, restart=2)
    training = Training(opened, nameless(opened), [], settings)
    for _ in range(2):
        training.run_epoch()
    assert training.rate() == pytest.approx(0.265 * settings.learning_rate)  # two of three
    before = training.mean.folded()
    training.save(path)
    assert torch.equal(weights(read_encoder(path, settings)), weights(before))

    resumed = Training(opened, nameless(opened), [], replace(settings, resume=True))
    after = resumed.run(path, print).folded()
    mean = (weights(before) + weights(after)) / 2
    assert torch.allclose(weights(read_encoder(path, settings)), mean)


def test_another_seed_comes_to_other_weights(unbroken, tmp_path):
    opened, settings, student, _ = unbroken
    other = Training(opened, nameless(opened), [], replace(settings, seed=1))
    assert not torch.equal(weights(other.run(tmp_path / "c.pt", print)), weights(student))


def test_a_damaged_checkpoint_is_named(unbroken, tmp_path):
    opened, settings, _, _ = unbroken
    (tmp_path / "c.pt").write_bytes(b"no checkpoint")
    training = Training(opened, nameless(opened), [], replace(settings, resume=True))
    with pytest.raises(ModelError, match=r"c.pt' cannot be read"):
        training.run(tmp_path / "c.pt", print)


@pytest.mark.slow
def test_a_student_learns_what_its_teacher_says(tmp_path):
    few = {"epochs": 8, "average": 0.9}
    settings = replace(SMALL, **few, augmented=0.0, directions=0, learning_rate=1e-2)
    opened = corpus(tmp_path, settings)
    told = []
    Training(opened, nameless(opened), [], settings).run(tmp_path / "c.pt", told.append)
    assert told[-1].losses["distill"] < 0.85 * told[0].losses["distill"]
    assert told[-1].losses["word"] < 0.7 * told[0].losses["word"]


def test_the_learning_rate_warms_up_and_falls(tmp_path):
    opened = corpus(tmp_path)
    settings = replace(SMALL, epochs=10, warm_up=5)
    training = Training(opened, nameless(opened), [], settings)
    n_steps = 10 * len(epoch_batches(opened.sizes, settings.batch, np.random.default_rng(0)))
    rates = []
    for step in range(n_steps):
        training.step = step
        rates.append(training.rate())
    assert np.argmax(rates) == 4
    assert rates[4] == pytest.approx(settings.learning_rate, rel=0.05)
    assert rates[-1] < 0.05 * settings.learning_rate
    assert Settings().learning_rate > 0
