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
        heard="\n".join(heard(corpus)),
        words=f"{len(corpus.vocabulary):,}",
        unlabelled=", ".join(settings.unlabelled) or "none",
        rows="\n".join(rows(figures)),
        **provenance,
    )


def heard(corpus: Corpus) -> list[str]:
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
        "ten commands of people, learnt from synthetic clips alone": figures.from_voices,
        "the same, learnt from ten clips a word of other people": figures.mean_from_ten_clips,
        "words told from two that were not learnt (AUROC)": figures.unknown,
        "digits of a speaker, learnt from the others": figures.mean_of_digits,
    }
    return [f"| {what} | {value:.1f} |" for what, value in known.items() if value is not None]


TEXT = """\
# The embedding that comes with the package

{weights} weights: convolutions, and {layers} GRU layers of {size} units, which read natural log
mels of 40 bands and give 25 embeddings of {values} values a second, the states of all layers. An
embedding has a look-ahead of {ahead} ms. It was distilled from the encoder of Whisper tiny.en (MIT
licence; SHA-256 of the file {teacher}).

| source | clips | speakers or voices |
|---|---|---|
{heard}

It has learnt {words} words by their labels. Labels of these words of people's clips were not used,
but the clips were: {unlabelled}. Such clips were named by the teacher, which had learnt the words
from synthetic voices and from talk. Nothing was learnt from the validation and testing speakers of
Speech Commands, from the Free Spoken Digit Dataset, or from recordings of the key phrases.

Measured with a logistic regression on pooled embeddings; commands are of the validation split of
Speech Commands:

| what | per cent |
|---|---|
{rows}

Seed {seed}, commit {commit}, {epochs} epochs. `python recipes/embedding/build.py DATA` makes it
anew.
"""
