"""Solve one row of a last layer while all other rows stay as they are.

For a state h, the existing rows give logits z. A new row (w, b) adds one logit, and its posterior
is the logistic function of the margin w · h + b - log Σ exp z. The row is therefore a logistic
regression with an offset. The steps of one clip form a bag of states; its margin should be high
for clips of the word and low for all others.

States are first whitened by their covariance within words, as in linear discriminant analysis.
Directions in which one word varies from voice to voice then count little, so that a few clips of
one person are enough to recognise others. `docs/results/learn.md` has figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from speech_rnn.engines.last_layer import LastLayer

RIDGE = 1.0
"""Weight of the squared norm of the row, in whitened states, relative to the loss of the clips."""
OF_WORD, OF_OTHERS = 10.0, 20.0
"""Total weight of the clips of the word, and of all other clips."""
SHRINKAGE = 0.1
"""Weight of the unit matrix in the correlations within words, which few clips estimate poorly."""
MOST_ROUNDS = 80
SURE = 50.0
"""Margins are clipped here: larger ones do not change the loss, and would overflow `exp`."""
LASTS, FLASHES, ANY_STEP = 0.3, 2.0, 2.0
"""Sharpness of `_pooled`: the higher it is, the more the highest margin of a bag counts relative to
the mean margin. For words whose posterior lasts, for words that are spikes, and for other clips."""

States = NDArray[np.float32]
Numbers = NDArray[np.float64]


class Bag(NamedTuple):
    """States of one clip.

    Parameters
    ----------
    states : (t, H).
    word : the word that is spoken in the clip; empty for no word.
    inside : (t,), whether each step lies within the word.
    """

    states: States
    word: str
    inside: NDArray[np.bool_]


@dataclass(frozen=True)
class Rivals:
    """The outputs that a new word must exceed: the existing rows, and the rejection threshold.

    Parameters
    ----------
    layer : the last layer without the word.
    rejection : evidence below which no word is reported, see `Calibration`; None rejects nothing.
    """

    layer: LastLayer
    rejection: float | None = None

    def total(self, states: States) -> Numbers:
        """Return the logarithm of the sum of the rivals' exponentials, (N,)."""
        logits = self.layer(states).astype(np.float64)
        highest = logits.max(axis=1)
        total = highest + np.log(np.exp(logits - highest[:, None]).sum(axis=1))
        return total if self.rejection is None else np.logaddexp(total, self.rejection)

    def best(self, states: States) -> Numbers:
        """Return the highest logit of the rows, (N,)."""
        return np.asarray(self.layer(states).max(axis=1), np.float64)


class Row(NamedTuple):
    """Weights (H,) and bias of an output."""

    weight: Numbers
    bias: float

    def margin(self, bag: Bag, rivals: Rivals) -> float:
        """Return the highest margin of the bag's steps; above 0 the posterior is above one half."""
        return float((self(bag.states) - rivals.total(bag.states)).max())

    def lead(self, bag: Bag, rivals: Rivals) -> float:
        """Return the row's logit minus the best other output, at the bag's best step."""
        return float((self(bag.states) - rivals.best(bag.states)).max())

    def __call__(self, states: States) -> Numbers:
        """Map states (N, H) to logits (N,)."""
        return np.asarray(states @ self.weight + self.bias)


@dataclass(frozen=True)
class Spread:
    """A linear map after which the covariance within words is the unit matrix.

    Parameters
    ----------
    mean : mean of all states, (H,).
    whitening : (H, H); ``(h - mean) @ whitening`` are whitened states.
    """

    mean: Numbers
    whitening: Numbers

    @classmethod
    def within(cls, bags: Sequence[Bag]) -> Spread:
        """Return the map for the covariance around each word's mean; no word counts as a word."""
        states = np.concatenate([bag.states for bag in bags]).astype(np.float64)
        words = np.concatenate([np.where(bag.inside, bag.word, "") for bag in bags])
        _, number = np.unique(words, return_inverse=True)
        sums = np.zeros((number.max() + 1, states.shape[1]))
        np.add.at(sums, number, states)
        apart = states - (sums / np.bincount(number)[:, None])[number]
        covariance = apart.T @ apart / len(apart)
        scale = np.sqrt(np.diag(covariance)) + 1e-6
        correlation = covariance / scale / scale[:, None] + SHRINKAGE * np.eye(len(scale))
        values, vectors = np.linalg.eigh(correlation)
        whitening = (vectors / np.sqrt(values)) @ vectors.T / scale[:, None]
        return cls(states.mean(axis=0), whitening)


@dataclass(frozen=True)
class Examples:
    """Weighted clips of the word, and clips of everything else."""

    of_word: Sequence[Bag]
    weights: Sequence[float]
    others: Sequence[Bag]

    def fit(self, rivals: Rivals, spread: Spread, *, lasts: bool, start: Row | None = None) -> Row:
        """Solve the row.

        Parameters
        ----------
        rivals : the outputs that the word must exceed.
        spread : the whitening of the states.
        lasts : whether the posterior should last as long as the word, rather than be a spike.
        start : row from which the optimisation starts; None starts at zero.
        """
        bags = [*self.of_word, *self.others]
        states = np.concatenate([bag.states for bag in bags])
        counts = np.array([len(bag.states) for bag in bags])
        is_word = np.arange(len(bags)) < len(self.of_word)
        weights = np.asarray(self.weights, np.float64)
        problem = Problem(
            whitened=(states - spread.mean) @ spread.whitening,
            offsets=rivals.total(states),
            counts=counts,
            signs=np.where(is_word, 1.0, -1.0),
            weights=np.concatenate(
                [
                    OF_WORD * weights / weights.sum(),
                    np.full(len(self.others), OF_OTHERS / max(1, len(self.others))),
                ]
            ),
            sharpness=np.where(is_word, LASTS if lasts else FLASHES, ANY_STEP),
        )
        begin = np.zeros(len(spread.mean) + 1)
        if start is not None:
            begin[:-1] = np.linalg.solve(spread.whitening, start.weight)
            begin[-1] = start.bias + start.weight @ spread.mean
        options = {"maxiter": MOST_ROUNDS}
        found = minimize(problem, begin, jac=True, method="L-BFGS-B", options=options).x
        weight = spread.whitening @ found[:-1]
        return Row(weight, float(found[-1] - weight @ spread.mean))


@dataclass(frozen=True)
class Problem:
    """The loss of a row and its gradient; the states of all bags are concatenated."""

    whitened: Numbers
    offsets: Numbers
    counts: NDArray[np.intp]
    signs: Numbers
    weights: Numbers
    sharpness: Numbers

    def __call__(self, values: Numbers) -> tuple[float, Numbers]:
        """Return the loss and the gradient of the row ``values[:-1]`` with bias ``values[-1]``."""
        row, bias = values[:-1], values[-1]
        margins, shares = self._pooled(self.whitened @ row + bias - self.offsets)
        signed = self.signs * margins
        loss = (self.weights * np.logaddexp(0, -signed)).sum() + RIDGE / 2 * row @ row
        slope = -self.signs * self.weights / (1 + np.exp(np.minimum(signed, SURE)))
        of_steps = np.repeat(slope, self.counts) * shares
        gradient = np.append(self.whitened.T @ of_steps + RIDGE * row, of_steps.sum())
        return float(loss), gradient

    def _pooled(self, margins: Numbers) -> tuple[Numbers, Numbers]:
        """Return the margin of each bag, log Σ exp(s m) / s, and each step's share of it.

        The word's bags use the mean in place of the sum, so that long clips have no advantage.
        """
        starts = np.concatenate([[0], np.cumsum(self.counts)[:-1]])
        sharp = np.repeat(self.sharpness, self.counts)
        highest = np.maximum.reduceat(margins, starts)
        powers = np.exp(sharp * (margins - np.repeat(highest, self.counts)))
        sums = np.add.reduceat(powers, starts)
        means = np.where(self.signs > 0, sums / self.counts, sums)
        pooled = highest + np.log(means) / self.sharpness
        return pooled, powers / np.repeat(sums, self.counts)
