"""Words of running talk with their times, as transcribed by Whisper itself."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distillation.teacher import model_folder
from distillation.vocabulary import HELD_OUT
from speech_rnn.audio import load_audio
from speech_rnn.storage.atomic import write_json

LEAST_PROBABILITY = 0.7
SHORTEST_SECONDS, LONGEST_SECONDS = 0.15, 1.2


@dataclass(frozen=True)
class Word:
    """A word that is spoken in a file, with start and end."""

    file: str
    text: str
    start_seconds: float
    end_seconds: float
    probability: float


def can_transcribe() -> bool:
    """Return whether faster-whisper is installed."""
    return find_spec("faster_whisper") is not None


def transcribed(files: Sequence[Path], folder: Path, threads: int) -> list[Word]:
    """Return the words of sound files; the words of each file are kept in `folder`."""
    model: Any = None
    words: list[Word] = []
    for file in files:
        name = hashlib.sha256(f"{file}/{file.stat().st_size}".encode()).hexdigest()[:16]
        kept = folder / f"{name}.json"
        if not kept.is_file():
            model = model or _whisper(threads)
            folder.mkdir(parents=True, exist_ok=True)
            write_json(kept, [asdict(word) for word in _heard(model, file)])
        words += [Word(**row) for row in json.loads(kept.read_text())]
    return words


def clear(words: Iterable[Word]) -> list[Word]:
    """Keep words with high confidence that are neither short nor long, in lower case."""
    kept = []
    for word in words:
        seconds = word.end_seconds - word.start_seconds
        text = re.sub(r"[^a-z']", "", word.text.lower())
        is_sure = word.probability >= LEAST_PROBABILITY
        if text and is_sure and SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
            kept.append(Word(**{**asdict(word), "text": text}))
    return [word for word in kept if word.text not in HELD_OUT]


def _whisper(threads: int) -> Any:
    from faster_whisper import WhisperModel

    return WhisperModel(
        str(model_folder()), device="cpu", cpu_threads=threads, compute_type="float32"
    )


def _heard(model: Any, file: Path) -> list[Word]:
    segments, _ = model.transcribe(
        load_audio(file, check=False),
        language="en",
        beam_size=1,
        word_timestamps=True,
        condition_on_previous_text=False,
    )
    return [
        Word(str(file), word.word.strip(), word.start, word.end, word.probability)
        for segment in segments
        for word in segment.words or []
    ]
