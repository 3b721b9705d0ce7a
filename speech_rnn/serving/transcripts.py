"""A transcript in the shapes that OpenAI's interface has."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple

from speech_rnn.listening.events import Event
from speech_rnn.listening.formats import subrip, webvtt
from speech_rnn.serving.recording import Transcript

LEAST = 1e-9
"""Confidence whose logarithm is still written."""


class Shape(NamedTuple):
    """A format of transcripts: the function that writes one, and its media type."""

    write: Callable[[Transcript, str], str]
    media_type: str


def _text(transcript: Transcript, language: str) -> str:
    return transcript.hypothesis.text + "\n"


def _json(transcript: Transcript, language: str) -> str:
    return json.dumps({"text": transcript.hypothesis.text}, ensure_ascii=False)


def _verbose(transcript: Transcript, language: str) -> str:
    hypothesis = transcript.hypothesis
    words = [
        {
            "word": word.word,
            "start": round(word.start, 4),
            "end": round(word.end, 4),
            "confidence": round(word.confidence, 4),
        }
        for word in hypothesis.words
    ]
    segments: list[dict[str, Any]] = []
    if words:
        log_probability = math.log(max(LEAST, hypothesis.confidence))
        segments.append(
            {
                "id": 0,
                "start": words[0]["start"],
                "end": words[-1]["end"],
                "text": hypothesis.text,
                "avg_logprob": round(log_probability, 4),
            }
        )
    values = {
        "task": "transcribe",
        "language": language,
        "duration": round(transcript.duration, 4),
        "text": hypothesis.text,
        "words": words,
        "segments": segments,
    }
    if hypothesis.reason:
        values["reason"] = hypothesis.reason
    return json.dumps(values, ensure_ascii=False)


def _events(transcript: Transcript) -> list[Event]:
    return [Event.of("", word) for word in transcript.hypothesis.words]


def _srt(transcript: Transcript, language: str) -> str:
    return subrip(_events(transcript), transcript.duration)


def _vtt(transcript: Transcript, language: str) -> str:
    return webvtt(_events(transcript), transcript.duration)


SHAPES = {
    "json": Shape(_json, "application/json"),
    "text": Shape(_text, "text/plain"),
    "srt": Shape(_srt, "application/x-subrip"),
    "verbose_json": Shape(_verbose, "application/json"),
    "vtt": Shape(_vtt, "text/vtt"),
}
"""Shapes by the name that `response_format` has."""
