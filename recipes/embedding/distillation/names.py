"""Names (pseudo-labels) for unlabelled clips of people, from the teacher.

A classifier on the teacher's pooled states is trained on synthetic voices and on single words of
talk, and names the clips that people have recorded. It uses no label of these recordings. For each
source it knows the published list of words that people were asked to say, but not which clip says
which word.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import cos, pi

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from distillation.corpus import Corpus, is_of_people
from distillation.pooling import N_POOLED, parts_of, pooled
from distillation.settings import Settings
from distillation.teacher import SIZE, bfloat16_where_fast
from distillation.windows import N_STEPS, Clip

KEPT = 16
"""Number of most likely words that are kept for each clip."""
HIDDEN = 512
RATE, DECAY, DROPOUT, JITTER, SMOOTHING = 1e-3, 0.02, 0.4, 0.2, 0.1
BATCH, AT_ONCE = 512, 1024
SHARPNESS = 2.0
"""Exponent of the shares, because label smoothing makes the classifier underconfident."""


@dataclass(frozen=True)
class Names:
    """The most likely words of each clip (N, 16) and their shares (N, 16), zero without names."""

    words: NDArray[np.int16]
    shares: NDArray[np.float16]


def name_clips(corpus: Corpus, settings: Settings) -> Names:
    """Name the clips of Speech Commands, and other clips of people without usable labels."""
    nameless = [is_nameless(clip, settings) for clip in corpus.clips]
    words = np.zeros((len(nameless), KEPT), np.int16)
    shares = np.zeros((len(nameless), KEPT), np.float16)
    taught = teaching_rows(corpus, settings)
    if any(nameless) and len(taught) and len(corpus.vocabulary) >= KEPT:
        torch.manual_seed(settings.seed)
        vectors = pooled_targets(corpus)
        classifier = fitted(vectors, taught, corpus, settings)
        sources = np.array([clip.source for clip in corpus.clips])
        for source in np.unique(sources[nameless]).tolist():
            rows = np.flatnonzero((sources == source) & nameless)
            said = said_in(source, corpus)
            if said.any():
                words[rows], shares[rows] = likeliest(classifier, vectors, rows, said)
    return Names(words, shares)


def said_in(source: str, corpus: Corpus) -> Tensor:
    """Return True for the words of the vocabulary that people say in a source, (V,)."""
    texts = {clip.text for clip in corpus.clips if clip.source == source}
    return torch.tensor([word in texts for word in corpus.vocabulary])


def is_nameless(clip: Clip, settings: Settings) -> bool:
    """Return whether a clip needs a name."""
    is_hidden = is_of_people(clip) and clip.text in settings.unlabelled
    return is_hidden or clip.source == "speech_commands"


def teaching_rows(corpus: Corpus, settings: Settings) -> NDArray[np.int64]:
    """List the labelled clips that are not recordings of single words, few of each word of talk.

    With many short words of fluent talk, which has people's voices, recordings would be named as
    these.
    """
    seen: Counter[str] = Counter()
    rows = []
    for row, clip in enumerate(corpus.clips):
        if corpus.labels[row] < 0 or is_of_people(clip):
            continue
        if clip.source == "talk_words":
            seen[clip.text] += 1
            if seen[clip.text] > settings.talk_clips:
                continue
        rows.append(row)
    return np.array(rows, np.int64)


def pooled_targets(corpus: Corpus) -> Tensor:
    """Pool the teacher's standardised states of all clips, (N, 6 × 384) in bfloat16."""
    starts, sizes = torch.from_numpy(corpus.starts), torch.from_numpy(corpus.sizes)
    vectors = torch.empty(len(starts), N_POOLED * SIZE, dtype=torch.bfloat16)
    for rows in torch.arange(len(starts)).split(AT_ONCE):
        none = torch.zeros(len(rows), dtype=torch.int64)
        states = corpus.targets.cut(rows.numpy(), none.numpy(), N_STEPS)
        states = corpus.scale.standardised(states, none)
        vectors[rows] = pooled(states, parts_of(starts[rows], sizes[rows], N_STEPS)).bfloat16()
    return vectors


def fitted(
    vectors: Tensor, rows: NDArray[np.int64], corpus: Corpus, settings: Settings
) -> nn.Sequential:
    """Fit a classifier of words with one hidden layer and a cosine schedule."""
    n_inputs, labels = vectors.shape[1], torch.from_numpy(corpus.labels)
    classifier = nn.Sequential(
        nn.BatchNorm1d(n_inputs, affine=False),
        nn.Dropout(DROPOUT),
        nn.Linear(n_inputs, HIDDEN),
        nn.ReLU(),
        nn.Dropout(DROPOUT),
        nn.Linear(HIDDEN, len(corpus.vocabulary)),
    )
    optimizer = torch.optim.AdamW(classifier.parameters(), RATE, weight_decay=DECAY)
    rng = np.random.default_rng(settings.seed)
    n_batches = max(1, len(rows) // BATCH)
    n_steps = settings.naming_epochs * n_batches
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + cos(pi * min(1.0, step / n_steps)))
    )
    for _ in range(settings.naming_epochs):
        for batch in np.array_split(rng.permutation(rows), n_batches):
            heard = vectors[batch].float()
            with bfloat16_where_fast():
                scores = classifier(heard + JITTER * torch.randn_like(heard)).float()
            loss = F.cross_entropy(scores, labels[batch], label_smoothing=SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


@torch.inference_mode()
def likeliest(
    classifier: nn.Sequential, vectors: Tensor, rows: NDArray[np.int64], is_said: Tensor
) -> tuple[NDArray[np.int16], NDArray[np.float16]]:
    """Return the most likely words of clips (n, 16) and their shares, which sum to 1.

    `is_said` is True for the words to choose from, (V,).
    """
    words, shares = [], []
    for some in torch.from_numpy(rows).split(AT_ONCE):
        with bfloat16_where_fast():
            scores = classifier(vectors[some].float()).float()
        scores = scores.masked_fill(~is_said, -torch.inf) * SHARPNESS
        best = scores.softmax(1).topk(KEPT, 1)
        words.append(best.indices)
        shares.append(best.values / best.values.sum(1, keepdim=True))
    return torch.cat(words).numpy().astype(np.int16), torch.cat(shares).numpy().astype(np.float16)
