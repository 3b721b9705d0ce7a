"""A tiny corpus that a tiny model learns in seconds: each word is a tone of its own."""

import numpy as np

from speech_rnn.audio import write_audio
from speech_rnn.data.corpus import Utterance
from speech_rnn.data.manifest import write_manifest

TONES_HZ = {"low": 300, "middle": 900, "high": 2700}


def tone(word, seconds=0.4, seed=0, sample_rate=16_000):
    """A word's tone with a little noise, at a level and pitch that the seed decides."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * sample_rate)) / sample_rate
    pitch = TONES_HZ[word] * random.uniform(0.95, 1.05)
    waveform = random.uniform(0.1, 0.5) * np.sin(2 * np.pi * pitch * time)
    return (waveform + 0.01 * random.standard_normal(len(time))).astype(np.float32)


def write_corpus(folder, clips=(16, 6, 6), speakers=3):
    """Write WAV files and a manifest of (train, validation, test) clips a word; return its path."""
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for word_number, word in enumerate(TONES_HZ):
        for split, n_clips in zip(("train", "validation", "test"), clips, strict=True):
            for number in range(n_clips):
                path = folder / f"{word}_{split}_{number}.wav"
                seed = 1000 * word_number + number + 100 * len(split)
                write_audio(path, tone(word, 0.2 + 0.05 * (number % 5), seed))
                rows.append(Utterance(path.name, word, f"speaker{number % speakers}", split))
    manifest = folder / "rows.jsonl"
    write_manifest(manifest, rows)
    return manifest
