"""Tones in noise, and a small recogniser that streams and has learned them in a few seconds."""

from copy import deepcopy
from functools import cache

import numpy as np
import torch
from torch import nn

from speech_rnn.features import MFCC
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import Vocabulary
from tests.shared import made_once
from tests.tones import TONES_HZ, tone

RATE = 16_000
WORDS = list(TONES_HZ)


def scene(words, gap=0.6, noise=0.003, seed=0):
    """A waveform with words in noise, and the (word, start, end) of each in seconds."""
    random = np.random.default_rng(seed)
    parts, truth, n_samples = [], [], 0
    for number, word in enumerate(words):
        silence = np.zeros(round(random.uniform(0.5, 1.5) * gap * RATE), np.float32)
        clip = tone(word, random.uniform(0.3, 0.4), seed * 100 + number)
        n_samples += len(silence)
        truth.append((word, n_samples / RATE, (n_samples + len(clip)) / RATE))
        n_samples += len(clip)
        parts += [silence, clip]
    waveform = np.concatenate([*parts, np.zeros(RATE, np.float32)])
    return waveform + (noise * random.standard_normal(len(waveform))).astype(np.float32), truth


def train_listener(**layers):
    """Return a CTC recogniser with such layers; it hears each tone of a scene."""
    return deepcopy(_trained(**layers))


@cache
def _trained(**layers):
    torch.manual_seed(0)
    vocabulary = Vocabulary.of(WORDS, "words")
    features = MFCC(n_mels=20, n_mfcc=10)
    model = AcousticModel(
        10, 4, head="ctc", hidden_size=24, n_layers=1, stack=3, dense=None, dropout=0.0,
        **layers,
    )  # fmt: skip

    def make(folder):
        _train(model, features, vocabulary)
        torch.save(model.state_dict(), folder / "weights.pt")

    name = "-".join(["listener", *(f"{name}-{value}" for name, value in sorted(layers.items()))])
    weights = torch.load(made_once(name, make) / "weights.pt", weights_only=True)
    model.load_state_dict(weights)
    return Recognizer.from_modules(features, model, vocabulary)


def _train(model, features, vocabulary):
    random = np.random.default_rng(1)
    clips, truths = [], []
    for seed in range(48):
        words = random.choice(WORDS, size=3).tolist()
        waveform, truth = scene(words, noise=0.02 * random.random(), seed=seed + 1)
        clips.append(torch.from_numpy(waveform))
        truths.append(truth)
    lengths = torch.tensor([len(clip) for clip in clips])
    frames, lengths = features(nn.utils.rnn.pad_sequence(clips, batch_first=True), lengths)
    targets = torch.zeros(len(clips), -(-frames.shape[1] // 3), dtype=torch.long)
    for row, truth in zip(targets, truths, strict=True):
        for word, start, end in truth:  # each step of 30 ms by itself: times are learned, too
            row[round(start / 0.03) : round(end / 0.03)] = vocabulary.encode(word)[0]
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(60):
        logits, _ = model(frames, lengths)
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
