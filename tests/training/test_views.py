"""A front that is frozen whole reads each clip once, and the training is the same to the bit."""

import logging
from dataclasses import replace

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from speech_rnn.audio import write_audio
from speech_rnn.augment import Augment
from speech_rnn.data.batching import batches
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.connected import Connected, ConnectedClips
from speech_rnn.data.corpus import Corpus, Utterance
from speech_rnn.data.parts import Part
from speech_rnn.features import LogMel
from speech_rnn.model.pretrained import pretrained
from speech_rnn.model.whisper import SIZES, Size, WhisperEncoder
from speech_rnn.tensors.threads import one_thread
from speech_rnn.training import Recipe, Run, Trainer, run, train, views
from speech_rnn.training.module import SpeechModule
from speech_rnn.training.views import PLAIN, EmbeddedBatch, Views, embedded_once, views_of
from speech_rnn.vocabulary import Vocabulary
from tests.model.test_whisper import network, write
from tests.tones import tone
from tests.training.test_front import model
from tests.training.test_training import Given

WORDS = ("low", "high")
N_TRAIN = 8


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setitem(SIZES, "whisper_tiny", Size(64, 2))


@pytest.fixture
def rows(tmp_path):
    found = []
    for split, number in (("train", N_TRAIN // 2), ("validation", 1)):
        for word in WORDS:
            for n in range(number):
                path = tmp_path / f"{split}_{word}_{n}.wav"
                write_audio(path, tone(word, 0.3 + 0.1 * n).astype(np.float32))
                found.append(Utterance(str(path), word, split=split))
    return found


@pytest.fixture
def recipe(rows, tmp_path):
    file = write(tmp_path, "openai", network(WhisperEncoder()))
    front = model("whisper_tiny", n_frozen=2)
    augment = Augment(lead_ms=(0, 50), noise_probability=0.5)
    return Recipe(Given(rows, WORDS), LogMel(), front, file, augment=augment)


def settings(folder, seed=0, resume=False, **trainer):
    given = Trainer(**{"max_epochs": 4, "batch_size": 5, "views": 2, "ema_decay": 0.9} | trainer)
    return Run(trainer=given, seed=seed, output_dir=folder, resume=resume)


def trained(recipe, run):
    """Train with features of its own, as each process has: a Recognizer keeps those it gets."""
    return train(replace(recipe, features=LogMel()), run, test=False)


def weights(result):
    return result.recognizer.model.state_dict()


def assert_same(one, other):
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name


def module_of(trainer, rows, augment=None, n_frozen=2, unit="classes"):
    features = LogMel()
    front = model("whisper_tiny", n_frozen=n_frozen)
    vocabulary = Vocabulary.of(list(WORDS), unit)
    torch.manual_seed(0)
    network = front(n_features=80, n_outputs=len(vocabulary.tokens), head=vocabulary.head).eval()
    module = SpeechModule(
        features, network, vocabulary, augment or Augment(), Run(trainer=trainer)
    ).eval()
    module.trainer = pl.Trainer(logger=False, enable_checkpointing=False, accelerator="cpu")
    cache = AudioCache([row for row in rows if row.split == "train"], features.sample_rate)
    return module, batches(cache, vocabulary, trainer.batch_size, seed=0)


@pytest.mark.parametrize("copies", [0, 1])
def test_the_front_reads_each_view_once(recipe, tmp_path, monkeypatch, copies):
    calls = []
    embed = WhisperEncoder.embed
    monkeypatch.setattr(
        WhisperEncoder, "embed", lambda *given: calls.append(len(given[1])) or embed(*given)
    )
    until_then = []
    monkeypatch.setattr(run, "validated", lambda *given: until_then.append(sum(calls)) or {})
    trained(recipe, settings(tmp_path / "run", copies=copies))
    n_views = 2 + (1 if copies else 0)  # with copies, the clips themselves are read as well
    assert until_then == [N_TRAIN * n_views + len(WORDS)]  # and each clip of validation, once


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(recipe, tmp_path):
    first, second = (trained(recipe, settings(tmp_path / name)) for name in "ab")
    assert_same(first, second)
    other = trained(recipe, settings(tmp_path / "c", seed=1))
    assert not torch.equal(weights(first)["output.weight"], weights(other)["output.weight"])


@pytest.mark.slow
@pytest.mark.parametrize("copies", [0, 1])
def test_a_resumed_run_gives_the_same_weights(recipe, tmp_path, monkeypatch, copies):
    whole = trained(recipe, settings(tmp_path / "whole", copies=copies))
    start, epochs = SpeechModule.on_train_epoch_start, []

    def interrupted(module):
        epochs.append(1)
        if len(epochs) == 4:  # view 0 is then needed no more, view 1 is
            raise RuntimeError("power cut")
        start(module)

    with monkeypatch.context() as patch:
        patch.setattr(SpeechModule, "on_train_epoch_start", interrupted)
        with pytest.raises(RuntimeError, match="power cut"):
            trained(recipe, settings(tmp_path / "cut", copies=copies))
    again = trained(recipe, settings(tmp_path / "cut", resume=True, copies=copies))
    assert_same(whole, again)


def test_the_front_stays_and_its_normalisation_learns(recipe, tmp_path):
    # An average of equal weights rounds; the training itself leaves them alone.
    run = settings(tmp_path / "run", ema_decay=None)
    found = trained(recipe, run).recognizer.model.front
    read = WhisperEncoder()
    read.load(pretrained("whisper_tiny", recipe.front_weights).weights)
    for name, value in read.state_dict().items():
        learns = name.startswith("normalization.")
        assert torch.equal(found.state_dict()[name], value) != learns, name


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_stored_states_score_like_their_clips(rows, batch_size):
    trainer = Trainer(batch_size=batch_size)
    module, loader = module_of(trainer, rows)
    kept = Views(loader, module.embed)
    with torch.no_grad():
        for part in loader.sampler:
            clips = loader.collate(part)
            frames, lengths = module.features(clips.waveform, clips.lengths)
            expected, _ = module.model(frames, lengths)
            batch = kept(part)
            found, _ = module.model(batch.steps.float(), batch.lengths, embedded=True)
            torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)
            assert torch.equal(batch.clips.targets, clips.targets)


def test_views_differ_and_copies_come_after_the_clips(rows):
    augment = Augment(lead_ms=(100, 200))
    module, loader = module_of(Trainer(copies=2, views=3), rows, augment)
    kept, plain = Views(loader, module.embed, module.settings), Views(loader, module.embed)
    indices = list(range(N_TRAIN))
    batch, alone = (each(Part.whole(indices)) for each in (kept, plain))
    assert torch.equal(batch.lengths[:N_TRAIN], alone.lengths)
    assert torch.equal(batch.steps[:N_TRAIN, : alone.steps.shape[1]], alone.steps)
    assert (batch.lengths[N_TRAIN:] > alone.lengths.repeat(2)).all()
    first, second = batch.steps[N_TRAIN:].chunk(2)
    assert not torch.equal(first, second)
    assert torch.equal(batch.clips.targets, alone.clips.targets.repeat(3, 1))
    assert batch.clips.indices == indices * 3
    assert isinstance(batch.to(torch.device("cpu")), EmbeddedBatch)


def test_the_number_of_threads_changes_no_view(rows):
    augment = Augment(lead_ms=(0, 200), noise_probability=0.5)
    module, loader = module_of(Trainer(batch_size=2, views=2), rows, augment)
    part = Part.whole(list(range(N_TRAIN)))
    with one_thread():
        one, three = (Views(loader, module.embed, module.settings, n)(part) for n in (1, 3))
    assert torch.equal(one.steps, three.steps)


@pytest.mark.parametrize(
    ("trainer", "expected"),
    [
        (None, [[PLAIN]] * 4),
        (Trainer(views=3), [[0], [1], [2], [0]]),
        (Trainer(views=3, copies=2), [[PLAIN, 0, 1], [PLAIN, 2, 0], [PLAIN, 1, 2], [PLAIN, 0, 1]]),
    ],
)
def test_epochs_take_the_views_by_turns(trainer, expected):
    assert [views_of(epoch, trainer) for epoch in range(4)] == expected


def shown(caplog, module, loader, features):
    with caplog.at_level(logging.INFO):
        found = embedded_once(loader, loader, features, module.model, module.embed, module.settings)
    return found, caplog.text


def test_the_memory_is_logged(rows, caplog):
    module, loader = module_of(Trainer(max_epochs=3), rows)
    found, text = shown(caplog, module, loader, module.features)
    assert "is computed once: 3 views of 8 clips, about 0 MB" in text
    for each in found:
        assert next(iter(each)).steps.dtype == torch.float16


@pytest.mark.parametrize(
    ("trainer", "most", "reason"),
    [
        ({"mixup": 0.2}, 2**30, "trainer.mixup=0.2 needs the frames of each step"),
        ({}, 100, r"embeddings take 0.0 GiB, more than 9.31323e-08 (trainer.views=4)"),
    ],
)
def test_each_step_is_computed_if_nothing_can_be_kept(
    rows, caplog, monkeypatch, trainer, most, reason
):
    monkeypatch.setattr(views, "MOST_BYTES", most)
    module, loader = module_of(Trainer(**trainer), rows)
    found, text = shown(caplog, module, loader, module.features)
    assert found == (loader, loader)
    assert "the frozen front end is computed in every step: " in text
    assert reason in text


def joined_words(rows, trainer, **connected):
    module, loader = module_of(trainer, rows, unit="words")
    corpus = Corpus(tuple(rows), WORDS)
    given = Connected(train_utterances=6, **connected)
    clips = ConnectedClips(loader.order.clips, given, corpus)
    return module, clips, batches(clips, module.vocabulary, 4, seed=0)


def test_connected_words_are_joined_anew_in_each_view(rows, caplog):
    module, clips, loader = joined_words(rows, Trainer(max_epochs=5, views=2))
    (training, _), text = shown(caplog, module, loader, module.features)
    assert "is computed once: 2 views of 6 clips" in text
    said = []
    for epoch in range(4):
        training.order.begin(epoch)
        said.append([row.text for row in clips.utterances])
        for batch in training:
            clips_now = loader.collate(batch.clips.part)
            frames, lengths = module.features(clips_now.waveform, clips_now.lengths)
            _, n_steps = module.model.embed(frames, lengths)
            assert torch.equal(batch.lengths, n_steps)
            assert torch.equal(batch.clips.targets, clips_now.targets)
    assert said[:2] == said[2:]
    assert said[0] != said[1]


def test_kept_embeddings_of_connected_words_have_the_loss_of_each_step(rows, monkeypatch):
    monkeypatch.setattr(pl.Trainer, "estimated_stepping_batches", 10)
    trainer = Trainer(frame_weight=0.5, last_frame_weight=0.5, views=1)
    module, _, loader = joined_words(rows, trainer, noise_snr_db=None)
    kept = Views(loader, module.embed)
    for indices in ([0, 1, 2, 3], [4, 5], [5, 0]):
        (found, _), (expected, _) = (
            module.loss(each(Part.whole(indices))) for each in (kept, loader.collate)
        )
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_copies_of_connected_words_are_computed_in_each_step(rows, caplog):
    module, _, loader = joined_words(rows, Trainer(copies=1))
    found, text = shown(caplog, module, loader, module.features)
    assert found == (loader, loader)
    assert "trainer.copies=1 needs the same utterances in each epoch" in text


@pytest.mark.parametrize(("n_frozen", "trainer"), [(1, {}), (2, {"views": 0})])
def test_nothing_is_kept_if_the_front_is_trained_or_views_are_off(rows, caplog, n_frozen, trainer):
    module, loader = module_of(Trainer(**trainer), rows, n_frozen=n_frozen)
    assert shown(caplog, module, loader, module.features) == ((loader, loader), "")
