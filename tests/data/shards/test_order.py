from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_rnn.data import parts
from speech_rnn.data.parts import Parts
from speech_rnn.data.shards import order
from speech_rnn.data.shards.order import ShardOrder
from speech_rnn.errors import ConfigurationError


def clips(sizes, buffer=20):
    """Clips of shards of these sizes, of which only the lengths matter."""
    bounds = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    n_samples = np.random.default_rng(0).integers(10, 99, int(bounds[-1]))

    class Clips:
        utterances = SimpleNamespace(bounds=bounds, buffer=buffer)

        def __len__(self):
            return len(n_samples)

    found = Clips()
    found.n_samples = n_samples
    return found


def epoch(sampler, number, start=0):
    sampler.begin(number, start)
    return list(sampler)


shards = st.lists(st.integers(1, 40), min_size=1, max_size=12)


@given(shards, st.integers(1, 9), st.integers(1, 5), st.one_of(st.none(), st.integers(0, 3)))
def test_processes_share_the_clips_of_each_batch(sizes, batch_size, processes, seed):
    shares = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(order, "CHUNK", 7)
        alone = epoch(ShardOrder(clips(sizes), batch_size, seed=seed), 2)
        assert sorted(index for batch in alone for index in batch) == list(range(sum(sizes)))
        for process in range(processes):
            for module in (order, parts):
                patch.setattr(module, "process_of", lambda own=process: (own, processes))
            if processes > len(sizes):
                with pytest.raises(ConfigurationError, match=f"cannot share {len(sizes)} shards"):
                    ShardOrder(clips(sizes), batch_size, seed=seed)
                return
            sampler = ShardOrder(clips(sizes), batch_size, seed=seed)
            sampler.begin(2)
            shares.append(list(Parts(sampler)))
    for batch, *own in zip(alone, *shares, strict=True):
        assert all(part.batch == batch for part in own)
        counted = [index for part in own if part.counts for index in part.indices]
        assert sorted(counted) == sorted(batch)
        sizes_of_parts = [len(part.indices) for part in own]
        assert max(sizes_of_parts) - min(sizes_of_parts) <= 1


def test_a_process_reads_few_of_the_shards():
    sampler = ShardOrder(clips([100] * 8, buffer=800), 40, seed=0)
    sampler.begin(0)
    first = [sampler.split(batch, 4)[0] for batch in sampler]
    shards_of_first = np.concatenate(first) // 100
    assert np.mean(shards_of_first <= 2) > 0.95


@given(st.integers(0, 3), st.integers(0, 20))
def test_an_epoch_can_begin_with_any_batch(seed, start):
    sampler = ShardOrder(clips([30, 11, 25]), 4, seed=seed)
    whole = epoch(sampler, 1)
    assert epoch(sampler, 1, start) == whole[start:]
    assert list(sampler) == whole  # the next iteration begins at the start


def test_seed_and_epoch_decide_the_order():
    def drawn(seed, number):
        return epoch(ShardOrder(clips([40] * 5), 4, seed=seed), number)

    assert drawn(1, 2) == drawn(1, 2)
    assert drawn(1, 2) != drawn(1, 3)
    assert drawn(1, 2) != drawn(2, 2)


def test_each_shard_is_read_in_sequence(monkeypatch):
    monkeypatch.setattr(order, "CHUNK", 5)
    monkeypatch.setattr(order, "OPEN_SHARDS", 3)
    buffer = 30
    batches = epoch(ShardOrder(clips([100] * 10, buffer), 5, seed=1), 0)
    drawn = np.concatenate(batches)
    for shard in range(10):
        own = drawn[drawn // 100 == shard]
        furthest = np.maximum.accumulate(own)
        assert (furthest - own).max() <= buffer  # nothing lies further back than a buffer
    first = drawn[:buffer] // 100
    assert len(set(first)) == 3  # a pool is made of several shards


def test_a_pool_is_sorted_by_length():
    sampler = ShardOrder(clips([4000], buffer=1000), 20, seed=0)
    spread = [np.ptp(sampler.clips.n_samples[batch]) for batch in epoch(sampler, 0)]
    assert np.mean(spread) < 89 / 20
