"""A small classifier of tones that rejects, and a new tone that it can learn."""

from copy import deepcopy
from functools import cache

import numpy as np
import torch
from torch import nn

from speech_rnn.decoding.confidence import Calibration
from speech_rnn.features import MFCC
from speech_rnn.learning.sounds import Background
from speech_rnn.model import AcousticModel
from speech_rnn.recognizer import Recognizer
from speech_rnn.vocabulary import UNKNOWN, Vocabulary
from tests.tones import TONES_HZ, tone

RATE = 16_000
NEW_HZ = 1700


def new_tone(seed, seconds=0.4):
    """A clip of the tone between those that are known."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = NEW_HZ * random.uniform(0.97, 1.03)
    waveform = random.uniform(0.1, 0.5) * np.sin(2 * np.pi * pitch * time)
    return (waveform + 0.01 * random.standard_normal(len(time))).astype(np.float32)


def framed(clip, seed, silence=0.3):
    """A clip between two stretches of quiet noise."""
    random = np.random.default_rng(seed)
    edge = np.zeros(round(silence * RATE), np.float32)
    waveform = np.concatenate([edge, clip, edge])
    return waveform + (0.003 * random.standard_normal(len(waveform))).astype(np.float32)


def room(seeds):
    """A background in which the known tones sound, and the new one does not."""
    clips = [framed(tone(word, 0.35, seed), seed, 0.2) for seed in seeds for word in TONES_HZ]
    return Background(clips[::2], clips[1::2], RATE)


def train_classifier():
    """Return a classifier of the tones with ``_unknown_``: noise and other tones."""
    return deepcopy(_trained())


@cache
def _trained():
    torch.manual_seed(0)
    vocabulary = Vocabulary((UNKNOWN, *TONES_HZ))
    features = MFCC(n_mels=20, n_mfcc=10)
    model = AcousticModel(
        10, 4, hidden_size=16, n_layers=1, pooling="attention", n_heads=1, dense=None, dropout=0.0
    )
    clips = [framed(tone(word, 0.4, seed), seed) for seed in range(40) for word in TONES_HZ]
    targets = [vocabulary.encode(word)[0] for _ in range(40) for word in TONES_HZ]
    random = np.random.default_rng(1)
    for _ in range(40):
        noise = random.uniform(0.002, 0.2) * random.standard_normal(len(clips[0]))
        clips.append(noise.astype(np.float32))
        targets.append(0)
    waveform = torch.from_numpy(np.stack(clips))
    lengths = torch.full((len(clips),), waveform.shape[1])
    frames, lengths = features(waveform, lengths)
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(40):
        logits, _ = model(frames, lengths)
        loss = nn.functional.cross_entropy(logits[:, 0], torch.tensor(targets))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    calibration = Calibration(1.0, 0.0, dict.fromkeys(TONES_HZ, 0.5))
    return Recognizer.from_modules(features, model, vocabulary, calibration=calibration)
