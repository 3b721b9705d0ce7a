import numpy as np
import pytest
from scipy.optimize import check_grad

from speech_rnn.engines.last_layer import LastLayer
from speech_rnn.learning.row import Bag, Examples, Problem, Rivals, Spread

SIZE = 6
CENTRES = 3.0 * np.eye(SIZE)[:4]
"""Of two words that are known, one that is new, and silence."""


def bag(kind, seed, steps=1, spread=0.3):
    random = np.random.default_rng(seed)
    states = CENTRES[kind] + spread * random.standard_normal((steps, SIZE))
    word = ("one", "two", "new", "")[kind]
    return Bag(states.astype(np.float32), word, np.full(steps, True))


def bags(kind, count, first=0, **settings):
    return [bag(kind, 1000 * kind + seed, **settings) for seed in range(first, first + count)]


LAYER = LastLayer(
    (2.0 * np.eye(SIZE)[[3, 0, 1]]).astype(np.float32), np.zeros(3, np.float32)
)  # silence, one, two


def solved(rivals, *, given=3, lasts=True):
    others = [*bags(0, 12), *bags(1, 12), *bags(3, 12)]
    examples = Examples(bags(2, given), [1.0] * given, others)
    return examples.fit(rivals, Spread.within(others), lasts=lasts)


@pytest.mark.parametrize("rejection", [None, 4.0])
def test_a_new_row_has_the_highest_logit_in_its_clips_only(rejection):
    rivals = Rivals(LAYER, rejection)
    row = solved(rivals)
    assert all(row.margin(each, rivals) > 0 for each in bags(2, 40, first=100))
    for kind in (0, 1, 3):
        assert all(row.lead(each, rivals) < 0 for each in bags(kind, 40, first=100))
    if rejection is not None:  # its logit alone is enough evidence
        assert all(row(each.states).max() > rejection for each in bags(2, 40, first=100))


def test_variation_within_words_counts_little():
    """Voices move along one direction; the one teacher of the word stands at one end of it."""
    voice = np.eye(SIZE)[5]

    def spoken(kind, seed, where):
        one = bag(kind, seed)
        return one._replace(states=(one.states + 4 * where * voice).astype(np.float32))

    places = np.linspace(-1, 1, 12)
    others = [spoken(kind, 1000 * kind + n, places[n]) for kind in (0, 1, 3) for n in range(12)]
    given = [spoken(2, 5000 + n, 1.0) for n in range(3)]
    rivals = Rivals(LAYER)
    row = Examples(given, [1.0] * 3, others).fit(rivals, Spread.within(others), lasts=True)
    far = [spoken(2, 6000 + n, -1.0) for n in range(20)]
    assert all(row.margin(each, rivals) > 0 for each in far)


@pytest.mark.parametrize("lasts", [True, False])
def test_one_step_is_enough_for_a_spike_and_not_for_a_word_that_lasts(lasts):
    """In half of the steps of its clips the new word looks like silence."""
    mixed = [
        Bag(
            np.concatenate([bag(2, seed, 2).states, bag(3, 77 + seed, 2).states]),
            "new",
            np.full(4, True),
        )
        for seed in range(3)
    ]
    others = [*bags(0, 12, steps=4), *bags(1, 12, steps=4), *bags(3, 12, steps=4)]
    rivals = Rivals(LAYER)
    spread = Spread.within(others)
    row = Examples(mixed, [1.0] * 3, others).fit(rivals, spread, lasts=lasts)
    of_silence = max(row.lead(each, rivals) for each in bags(3, 20, first=300))
    assert of_silence < 0
    assert all(row.margin(each, rivals) > 0 for each in mixed)


def test_the_gradient_is_that_of_the_loss():
    random = np.random.default_rng(0)
    counts = np.array([1, 3, 2, 4])
    problem = Problem(
        whitened=random.standard_normal((10, 5)),
        offsets=random.standard_normal(10),
        counts=counts,
        signs=np.array([1.0, 1.0, -1.0, -1.0]),
        weights=np.array([1.0, 2.0, 0.5, 3.0]),
        sharpness=np.array([0.3, 2.0, 2.0, 1.0]),
    )
    for _ in range(5):
        values = random.standard_normal(6)
        wrong = check_grad(lambda v: problem(v)[0], lambda v: problem(v)[1], values)
        assert wrong < 1e-5


def test_start_is_where_the_search_begins():
    rivals = Rivals(LAYER)
    first = solved(rivals)
    others = [*bags(0, 12), *bags(1, 12), *bags(3, 12)]
    examples = Examples(bags(2, 3), [1.0] * 3, others)
    again = examples.fit(rivals, Spread.within(others), lasts=True, start=first)
    np.testing.assert_allclose(again.weight, first.weight, atol=0.02)
    assert again.bias == pytest.approx(first.bias, abs=0.05)
