"""The prefix beam search compared with flashlight-text's (through torchaudio), without pruning."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from speech_rnn.benchmarking.results import Section
from speech_rnn.benchmarking.settings import Settings
from speech_rnn.benchmarking.timing import Candidates, Contender
from speech_rnn.decoding.beam import BeamSearch

STEPS, TOKENS, BEAM, BATCH = 60, 11, 50, 100


def of_utterances(settings: Settings) -> Section:
    """Time the search over many utterances."""
    n = 20 if settings.quick else 1000
    log_probs = random_log_probs(n, TOKENS)
    found = Candidates()
    found.add("speech_rnn", lambda: searched(log_probs))
    found.add("flashlight-text", lambda: _flashlight(log_probs))
    title = f"{n} utterances of {STEPS} steps, {TOKENS} tokens, a beam of {BEAM}"
    return Section("decoding", title, found.rows(settings.n_rounds))


def random_log_probs(n: int, n_tokens: int) -> NDArray[np.float32]:
    """Return log-probabilities (n, T, C) in which most steps are blank, as in speech."""
    logits = 3 * np.random.default_rng(0).normal(size=(n, STEPS, n_tokens))
    logits[:, :, 0] += 6
    log_probs: NDArray[np.float64] = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    return log_probs.astype(np.float32)


def searched(log_probs: NDArray[np.float32]) -> Contender:
    """Return this package's search over log-probabilities (n, T, C)."""
    search = BeamSearch(BEAM)

    def run() -> None:
        for start in range(0, len(log_probs), BATCH):
            some = log_probs[start : start + BATCH]
            search(some, [some.shape[1]] * len(some))

    return run


def _flashlight(log_probs: NDArray[np.float32]) -> Contender:
    from torchaudio.models.decoder import ctc_decoder

    decoder = ctc_decoder(
        lexicon=None,
        tokens=["-", "|", *"abcdefghi"],
        beam_size=BEAM,
        beam_size_token=TOKENS,
        beam_threshold=1e9,
        lm_weight=0,
        log_add=True,
        blank_token="-",
        sil_token="|",
    )
    return partial(decoder, torch.from_numpy(log_probs))
