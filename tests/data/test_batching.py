import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.data.batching import Batch, BucketSampler, batches, pad
from speech_rnn.data.cache import AudioCache
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.manifest import read_manifest
from speech_rnn.data.oddities import tell_oddities
from speech_rnn.errors import DataError
from speech_rnn.samples.integers import FULL_SCALE, quantize
from speech_rnn.vocabulary import Vocabulary
from tests.tones import TONES_HZ, write_corpus


class Sizes:
    """Clips of which only the lengths matter."""

    def __init__(self, n_samples):
        self.n_samples = np.asarray(n_samples)

    def __len__(self):
        return len(self.n_samples)

    def set_epoch(self, epoch):
        pass


lengths = st.lists(st.integers(1, 50), min_size=1, max_size=60).map(np.array)


@given(lengths, st.integers(1, 9), st.integers(0, 5), st.one_of(st.none(), st.integers(0, 5)))
def test_every_clip_comes_once_an_epoch(n_samples, batch_size, epoch, seed):
    sampler = BucketSampler(Sizes(n_samples), batch_size, seed=seed, pool_batches=3)
    sampler.begin(epoch)
    cut = list(sampler)
    assert sorted(index for batch in cut for index in batch) == list(range(len(n_samples)))
    assert all(len(batch) <= batch_size for batch in cut)
    assert len(cut) == len(sampler)


def test_seed_and_epoch_decide_the_order():
    n_samples = np.arange(100)

    def order(seed, epoch):
        sampler = BucketSampler(Sizes(n_samples), 4, seed=seed)
        sampler.begin(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


uneven = st.lists(st.integers(0, 4), min_size=1, max_size=80).map(np.array)


@given(uneven, st.sampled_from([0.2, 0.5, 1.0, 1, 1.5]), st.integers(0, 3))
def test_a_balanced_epoch_has_each_class_as_often_as_stated(classes, balance, epoch):
    sampler = BucketSampler(
        Sizes(np.ones(len(classes))), 7, seed=1, classes=classes, balance=balance
    )
    sampler.begin(epoch)
    drawn = [index for batch in sampler for index in batch]
    assert len(drawn) == len(classes)
    assert drawn == [index for batch in sampler for index in batch]
    found, sizes = np.unique(classes, return_counts=True)
    expected = sizes ** (1 - balance) / (sizes ** (1 - balance)).sum() * len(classes)
    for one, size, share in zip(found, sizes, expected, strict=True):
        times = np.bincount(drawn, minlength=len(classes))[classes == one]
        assert abs(times.sum() - share) < 1 + 1e-6
        assert set(times) <= {np.floor(share / size), np.ceil(share / size), round(share / size)}


def test_every_clip_has_its_turn_in_a_balanced_training():
    classes = np.repeat([0, 1], [95, 5])
    sampler = BucketSampler(Sizes(np.ones(100)), 8, seed=0, classes=classes, balance=1.0)
    orders = []
    for epoch in range(30):
        sampler.begin(epoch)
        orders.append([index for batch in sampler for index in batch])
    times = np.bincount(np.concatenate(orders))
    assert orders[0] != orders[1]
    assert times[95:].sum() == 30 * 50
    assert times[:95].min() >= 5  # 15.8 are expected of each
    assert times[:95].max() <= 28


def test_no_balance_is_the_order_without_classes():
    plain = BucketSampler(Sizes(np.arange(50)), 4, seed=3)
    zero = BucketSampler(Sizes(np.arange(50)), 4, seed=3, classes=np.arange(50) % 3, balance=0.0)
    assert list(plain) == list(zero)


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 4), st.integers(0, 2))
def test_an_epoch_of_several_passes_has_each_clip_as_often(n_clips, batch_size, passes, epoch):
    sampler = BucketSampler(Sizes(np.arange(n_clips)), batch_size, seed=2, passes=passes)
    sampler.begin(epoch)
    cut = list(sampler)
    assert len(cut) == len(sampler)
    a_pass = len(cut) // passes
    for number in range(passes):
        drawn = [index for batch in cut[number * a_pass : (number + 1) * a_pass] for index in batch]
        assert sorted(drawn) == list(range(n_clips))
    sampler.begin(epoch, len(cut) // 2)
    assert list(sampler) == cut[len(cut) // 2 :]


def test_buckets_save_padding():
    n_samples = np.random.default_rng(0).integers(1000, 16000, 2000)

    def padding(cut):
        return sum(max(n_samples[b]) * len(b) - sum(n_samples[b]) for b in cut) / sum(n_samples)

    plain = np.array_split(np.random.default_rng(1).permutation(2000), 2000 // 32)
    assert padding(BucketSampler(Sizes(n_samples), 32, seed=0)) < padding(plain) / 5


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=30))
def test_sixteen_bit_samples_are_unchanged(samples):
    waveform = np.array(samples, np.float32) / FULL_SCALE
    assert quantize(waveform).tolist() == samples


def test_too_loud_samples_are_clipped():
    assert quantize(np.array([1.5, -1.5], np.float32)).tolist() == [32767, -32768]


def test_pad_puts_zeros_after_each_clip():
    samples, n_samples = pad([np.array([1, 2, 3], np.int16), np.array([4], np.int16)])
    assert samples.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert n_samples.tolist() == [3, 1]


def test_a_bad_file_fails_alone(tmp_path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    write_audio(good, np.full(800, 0.25, np.float32))
    bad.write_text("not a sound")
    rows = [Utterance(str(path), "yes") for path in (bad, good, bad)]
    cache = AudioCache(rows, 16_000)
    assert [row.audio for row in cache.utterances] == [str(good)]
    assert [*cache.failures] == [0, 2]
    assert "bad.wav" in cache.failures[0]
    with pytest.raises(DataError, match=r"no clip can be read; the first: .*bad\.wav"):
        AudioCache(rows[:1], 16_000)


@pytest.mark.filterwarnings("error")
def test_case_29_problems_of_a_corpus_are_counted_in_one_line(tmp_path, caplog):
    sounds = {
        "silent": np.zeros(800),
        "off": 0.4 + 0.2 * np.sin(np.arange(800)),
        "off too": 0.3 + 0.2 * np.sin(np.arange(800)),
        "fine": 0.4 * np.sin(np.arange(800)),
    }
    for name, sound in sounds.items():
        write_audio(tmp_path / f"{name}.wav", sound.astype(np.float32))
    rows = [Utterance(str(tmp_path / f"{name}.wav"), "yes") for name in sounds]
    rows.append(Utterance(str(tmp_path / "silent.wav"), "_silence_"))  # is meant to be
    caches = {"train": AudioCache(rows, 16_000), "validation": AudioCache(rows[:1], 16_000)}
    tell_oddities(caches, tmp_path / "audio.csv")
    (line,) = caplog.messages
    assert line == f"2 of 6 clips are silent, 2 have a DC offset: {tmp_path / 'audio.csv'}"
    with (tmp_path / "audio.csv").open(newline="") as file:
        told = [*csv.DictReader(file)]
    assert [(row["split"], Path(row["audio"]).stem) for row in told] == [
        ("train", "silent"),
        ("train", "off"),
        ("train", "off too"),
        ("validation", "silent"),
    ]
    assert told[1]["problem"].startswith("has a DC offset: its mean is")
    tell_oddities({"train": AudioCache(rows[3:4], 16_000)}, tmp_path / "none.csv")
    assert not (tmp_path / "none.csv").exists()


def test_a_gain_of_zero_is_digital_silence(tmp_path):
    write_audio(tmp_path / "a.wav", np.linspace(-0.5, 0.5, 800, dtype=np.float32))
    row = Utterance(str(tmp_path / "a.wav"), "_silence_", duration_seconds=0.01, gain=0.0)
    cache = AudioCache([row], 16_000)
    assert cache[0].tolist() == [0] * 160


def test_batches_carry_clips_and_targets(tmp_path):
    rows = read_manifest(write_corpus(tmp_path))
    rows[3] = replace(rows[3], speaker="")
    cache = AudioCache(rows, 16_000)
    vocabulary = Vocabulary.of(list(TONES_HZ))
    seen = []
    for batch in batches(cache, vocabulary, 8, seed=0):
        seen += batch.indices
        for place, index in enumerate(batch.indices):
            clip = torch.from_numpy(cache[index])
            assert torch.equal(batch.samples[place, : len(clip)], clip)
            assert not batch.samples[place, len(clip) :].any()
            assert batch.targets[place].tolist() == vocabulary.encode(rows[index].text)
            assert batch.talkers[place] == (rows[index].speaker or rows[index].audio)
        assert batch.waveform.abs().max() <= 1
    assert sorted(seen) == list(range(len(rows)))


def test_batches_can_be_balanced(tmp_path):
    rows = read_manifest(write_corpus(tmp_path))
    few = [row for row in rows if row.text != "high" or "_0." in row.audio]
    vocabulary = Vocabulary.of(list(TONES_HZ))
    loader = batches(AudioCache(few, 16_000), vocabulary, 8, seed=0, balance=1.0)
    classes = torch.cat([batch.targets[:, 0] for batch in loader])
    assert len(classes) == len(few)
    assert torch.bincount(classes).float().std() <= 1


@pytest.mark.parametrize("spans", [None, torch.tensor([[[0.0, 3.0]], [[1.0, 2.0]]])])
def test_a_repeated_batch_is_itself_again(spans):
    samples = torch.tensor([[1, 2, 3], [4, 5, 0]], dtype=torch.int16)
    counts = torch.tensor([1, 1])
    targets = torch.tensor([[7], [8]])
    batch = Batch(samples, torch.tensor([3, 2]), targets, counts, [5, 6], spans, ["a", "b"])
    twice = batch.repeated(2)
    assert twice.indices == [5, 6, 5, 6]
    assert twice.talkers == ["a", "b", "a", "b"]
    for name in ("samples", "lengths", "targets", "target_lengths", "spans"):
        one, other = getattr(batch, name), getattr(twice, name)
        assert (other is None) if one is None else torch.equal(other, torch.cat([one, one]))


def test_a_text_outside_the_vocabulary_is_refused(tmp_path):
    cache = AudioCache(read_manifest(write_corpus(tmp_path)), 16_000)
    with pytest.raises(DataError, match="text='middle' is not in the vocabulary"):
        batches(cache, Vocabulary.of(["low", "high"]), 8)


def test_the_hash_is_of_samples_and_texts(tmp_path):
    rows = read_manifest(write_corpus(tmp_path / "a"))
    again = read_manifest(write_corpus(tmp_path / "b"))
    assert AudioCache(rows, 16_000).sha256() == AudioCache(again, 16_000).sha256()
    assert AudioCache(rows[1:], 16_000).sha256() != AudioCache(rows, 16_000).sha256()
