"""How fast the beam search is: python -m tests.benchmark_decoding.

1,000 utterances of 60 steps and 11 tokens, beam of 50, one thread, no pruning of tokens, against
flashlight-text through torchaudio. One run, interleaved, so that other work slows both alike.
"""

import statistics
import time

import numpy as np
import torch
from torchaudio.models.decoder import ctc_decoder

from speech_rnn.decoding.beam import BeamSearch
from tests.benchmark_features import processor

CLIPS, STEPS, TOKENS, BEAM, BATCH, ROUNDS = 1000, 60, 11, 50, 100, 5


def main() -> None:
    torch.set_num_threads(1)
    random = np.random.default_rng(0)
    logits = 3 * random.normal(size=(CLIPS, STEPS, TOKENS))
    logits[:, :, 0] += 6  # blanks prevail, as in speech
    log_probs = logits - np.logaddexp.reduce(logits, axis=2, keepdims=True)
    log_probs = log_probs.astype(np.float32)
    flashlight = ctc_decoder(
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
    search = BeamSearch(BEAM)

    def ours() -> None:
        for start in range(0, CLIPS, BATCH):
            search(log_probs[start : start + BATCH], [STEPS] * BATCH)

    contenders = {"speech_rnn": ours, "flashlight": lambda: flashlight(torch.from_numpy(log_probs))}
    took: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(ROUNDS):
        for name, run in contenders.items():
            begun = time.perf_counter()
            run()
            took[name].append(time.perf_counter() - begun)
    seconds = {name: statistics.median(times) for name, times in took.items()}
    print(processor())
    for name, median in seconds.items():
        ratio = seconds["flashlight"] / median
        print(f"{name:12} {median:6.2f} s for {CLIPS} utterances, {ratio:.2f} times flashlight")


if __name__ == "__main__":
    main()
