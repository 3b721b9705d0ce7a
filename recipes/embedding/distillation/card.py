"""Write the result: the file of weights, and the card with its training data and figures."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import torch
from safetensors.torch import save

from distillation.corpus import Corpus
from distillation.probe import Figures
from distillation.settings import Settings
from speech_rnn.features.embedding import SETTINGS
from speech_rnn.features.encoder import RecurrentEncoder
from speech_rnn.storage.atomic import write

MOST_BYTES = 1_000_000


def write_weights(
    path: Path, encoder: RecurrentEncoder, settings: Settings, provenance: dict[str, str]
) -> None:
    """Write an encoder in float16, with its arguments and provenance.

    Parameters
    ----------
    provenance : further entries of the file's metadata.
    """
    weights = {name: value.half().contiguous() for name, value in encoder.state_dict().items()}
    content = save(weights, {SETTINGS: json.dumps(settings.encoder), **provenance})
    if len(content) > MOST_BYTES:
        print(f"{path} has {len(content):,} bytes, more than {MOST_BYTES:,}", flush=True)
    write(path, content)


def rounded(encoder: RecurrentEncoder) -> RecurrentEncoder:
    """Round weights to float16, so that the stored weights are the ones that are evaluated."""
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.copy_(parameter.half())
    return encoder


def card(
    encoder: RecurrentEncoder,
    corpus: Corpus,
    figures: Figures,
    settings: Settings,
    provenance: dict[str, str],
) -> str:
    """Return the text of the card: description, training data and figures."""
    return TEXT.format(
        weights=f"{sum(each.numel() for each in encoder.parameters()):,}",
        size=settings.size,
        values=encoder.n_outputs,
        layers=settings.layers,
        ahead=40 * settings.delay,
        sources="\n".join(sources(corpus)),
        words=f"{len(corpus.vocabulary):,}",
        unlabelled=", ".join(settings.unlabelled) or "none",
        rows="\n".join(rows(figures)),
        **provenance,
    )


def sources(corpus: Corpus) -> list[str]:
    """Return a table row for each source, with the number of clips and speakers."""
    clips = Counter(clip.source for clip in corpus.clips)
    speakers = {source: set[str]() for source in clips}
    for clip in corpus.clips:
        speakers[clip.source].add(clip.speaker)
    return [
        f"| {source} | {count:,} | {len(speakers[source]):,} |" for source, count in clips.items()
    ]


def rows(figures: Figures) -> list[str]:
    """Return the rows of the table of figures, without those that could not be measured."""
    known = {
        "ten commands by people, trained on synthetic clips only": figures.from_voices,
        "the same, trained on ten clips of each word by other people": figures.mean_from_ten_clips,
        "words separated from two that were not trained (AUROC)": figures.unknown,
        "digits of a speaker, trained on the other speakers": figures.mean_of_digits,
    }
    return [f"| {what} | {value:.1f} |" for what, value in known.items() if value is not None]


TEXT = """\
# The embedding that comes with the package

{weights} weights: convolutions and {layers} GRU layers of {size} units. The input is the natural
logarithm of 40 mel bands. The output is 25 embeddings of {values} values a second: the states of
all layers. The look-ahead is {ahead} ms. It was distilled from the encoder of Whisper tiny.en (MIT
licence; SHA-256 of the file {teacher}).

| source | clips | speakers or voices |
|---|---|---|
{sources}

It was trained on the labels of {words} words. Clips of these words by people were used without
their labels: {unlabelled}. The teacher, which was trained on synthetic voices and on talk, gave
these clips their labels. The validation and test speakers of Speech Commands, the Free
Spoken Digit Dataset, and recordings of the key phrases were not used.

The figures are from a logistic regression on pooled embeddings. The commands are from the
validation split of Speech Commands:

| task | per cent |
|---|---|
{rows}

Seed {seed}, commit {commit}, {epochs} epochs. `python recipes/embedding/build.py DATA` trains
it again.
"""
