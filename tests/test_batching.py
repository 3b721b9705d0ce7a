import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.audio import write_audio
from speech_rnn.data.batching import FULL_SCALE, AudioCache, BucketSampler, batches, pad, quantize
from speech_rnn.data.manifest import Utterance, read_manifest
from speech_rnn.errors import DataError
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
    sampler.set_epoch(epoch)
    cut = list(sampler)
    assert sorted(index for batch in cut for index in batch) == list(range(len(n_samples)))
    assert all(len(batch) <= batch_size for batch in cut)
    assert len(cut) == len(sampler)


def test_seed_and_epoch_decide_the_order():
    n_samples = np.arange(100)

    def order(seed, epoch):
        sampler = BucketSampler(Sizes(n_samples), 4, seed=seed)
        sampler.set_epoch(epoch)
        return list(sampler)

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)


def test_buckets_save_padding():
    n_samples = np.random.default_rng(0).integers(1000, 16000, 2000)

    def padding(cut):
        return sum(max(n_samples[b]) * len(b) - sum(n_samples[b]) for b in cut) / sum(n_samples)

    plain = np.array_split(np.random.default_rng(1).permutation(2000), 2000 // 32)
    assert padding(BucketSampler(Sizes(n_samples), 32, seed=0)) < padding(plain) / 5


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=30))
def test_sixteen_bits_stay_what_they_are(samples):
    waveform = np.array(samples, np.float32) / FULL_SCALE
    assert quantize(waveform).tolist() == samples


def test_what_is_too_loud_is_clipped():
    assert quantize(np.array([1.5, -1.5], np.float32)).tolist() == [32767, -32768]


def test_pad_puts_zeros_after_each_clip():
    samples, n_samples = pad([np.array([1, 2, 3], np.int16), np.array([4], np.int16)])
    assert samples.tolist() == [[1, 2, 3], [4, 0, 0]]
    assert n_samples.tolist() == [3, 1]


def test_a_bad_file_costs_itself_alone(tmp_path):
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    write_audio(good, np.full(800, 0.25, np.float32))
    bad.write_text("not a sound")
    rows = [Utterance(str(path), "yes") for path in (bad, good, bad)]
    with pytest.warns(UserWarning, match=r"good\.wav"):  # a constant is a DC offset
        cache = AudioCache(rows, 16_000)
    assert [row.audio for row in cache.utterances] == [str(good)]
    assert [failure.utterance.audio for failure in cache.failures] == [str(bad)] * 2
    assert "bad.wav" in cache.failures[0].error
    with pytest.raises(DataError, match=r"no clip can be read; the first: .*bad\.wav"):
        AudioCache(rows[:1], 16_000)


def test_a_gain_of_zero_is_digital_silence(tmp_path):
    write_audio(tmp_path / "a.wav", np.linspace(-0.5, 0.5, 800, dtype=np.float32))
    row = Utterance(str(tmp_path / "a.wav"), "_silence_", duration_seconds=0.01, gain=0.0)
    cache = AudioCache([row], 16_000)
    assert cache[0].tolist() == [0] * 160


def test_batches_carry_clips_and_targets(tmp_path):
    rows = read_manifest(write_corpus(tmp_path))
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
        assert batch.waveform.abs().max() <= 1
    assert sorted(seen) == list(range(len(rows)))


def test_a_text_outside_the_vocabulary_is_refused(tmp_path):
    cache = AudioCache(read_manifest(write_corpus(tmp_path)), 16_000)
    with pytest.raises(DataError, match="text='middle' is not in the vocabulary"):
        batches(cache, Vocabulary.of(["low", "high"]), 8)


def test_the_hash_is_of_samples_and_texts(tmp_path):
    rows = read_manifest(write_corpus(tmp_path / "a"))
    again = read_manifest(write_corpus(tmp_path / "b"))
    assert AudioCache(rows, 16_000).sha256() == AudioCache(again, 16_000).sha256()
    assert AudioCache(rows[1:], 16_000).sha256() != AudioCache(rows, 16_000).sha256()
