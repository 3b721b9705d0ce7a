"""Parts of batches count as much as their clips."""

import numpy as np
import pytest

from speech_rnn.data import parts
from speech_rnn.data.batching import BucketSampler
from speech_rnn.data.parts import Part, Parts


class Clips:
    n_samples = np.arange(1, 24)

    def __len__(self):
        return len(self.n_samples)

    def set_epoch(self, epoch):
        pass


def parts_of(monkeypatch, batch_size, processes, turns):
    """Return the parts of an epoch, process by process."""
    found = []
    for process in range(processes):
        monkeypatch.setattr(parts, "process_of", lambda own=process: (own, processes))
        order = BucketSampler(Clips(), batch_size, seed=1)
        order.begin(3)
        found.append(list(Parts(order, turns)))
        assert len(found[-1]) == len(Parts(order, turns))
    return found


@pytest.mark.parametrize(("processes", "turns"), [(1, 1), (2, 1), (1, 3), (2, 2), (5, 1)])
@pytest.mark.parametrize("batch_size", [1, 4, 10])
def test_the_mean_of_the_parts_is_that_of_the_batch(monkeypatch, processes, turns, batch_size):
    values = np.random.default_rng(0).random(len(Clips()))
    whole = BucketSampler(Clips(), batch_size, seed=1)
    whole.begin(3)
    found = parts_of(monkeypatch, batch_size, processes, turns)
    for number, batch in enumerate(whole):
        own = [part for each in found for part in each[number * turns : (number + 1) * turns]]
        means = [values[p.indices].mean() * p.weight(len(p.indices), len(batch)) for p in own]
        assert np.mean(means) == pytest.approx(values[batch].mean())
        counted = [index for part in own if part.counts for index in part.indices]
        assert sorted(counted) == sorted(batch)
        assert len({part.seed for part in own}) == processes * turns


def test_a_whole_batch_has_no_seed_of_its_own():
    assert Part.whole([3, 1]).seed == ()
    assert Part.whole([3, 1]).weight(2, 2) == 1.0
