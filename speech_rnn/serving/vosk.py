"""Vosk's dialect on ``/vosk``: its clients work unchanged. One answer to each message."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from starlette.websockets import WebSocket

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.errors import did_you_mean
from speech_rnn.serving.incoming import Samples
from speech_rnn.serving.live import LiveStream
from speech_rnn.serving.refusals import BAD_REQUEST, UNKNOWN_WORD, RefusalError
from speech_rnn.serving.service import Service
from speech_rnn.serving.shelf import Model
from speech_rnn.serving.sockets import Socket, answered, as_rate, loaded_json, opening

RATE = 8000
"""Sample rate of a client that names none, in Hz, as Vosk's server has it."""
PAUSE_SECONDS = 0.6
"""Time in s after the last word at which an utterance ends."""
UNKNOWN = "[unk]"
"""Stands in a list of phrases for all other words."""


class Vosk:
    """The route.

    Parameters
    ----------
    service : the state that all protocols share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, websocket: WebSocket) -> None:
        """Serve one client. The query may hold ``model``."""
        service = self._service
        async with opening(websocket, service, "vosk"):
            model = service.shelf.find(websocket.query_params.get("model"))
            with service.place("vosk"):
                talk = _Talk(service, model)
                await websocket.accept()
                await answered(websocket, service, "vosk", talk.run)


class _Talk:
    """A conversation with one client."""

    def __init__(self, service: Service, model: Model) -> None:
        self._service, self._model = service, model
        self._rate, self._has_words = RATE, True
        self._allowed: set[str] | None = None
        self._reset()

    def _reset(self) -> None:
        self._stream: LiveStream = self._service.stream(self._model, self._rate, "vosk")
        self._samples = Samples()
        self._words: list[Word] = []

    async def run(self, socket: Socket) -> None:
        """Answer each message until the client, or the server, ends."""
        while (message := await socket.receive()) is not None:
            if isinstance(message, bytes):
                await socket.send(await self._answer(message))
                continue
            values = loaded_json(message)
            if "config" in values:
                self._configure(values["config"])
            elif "reset" in values:
                self._reset()
            elif "eof" in values:
                break
            else:
                raise RefusalError(BAD_REQUEST, "a text message must hold config, reset or eof")
        self._take(await self._stream.finish())
        await socket.send(self._result())

    async def _answer(self, content: bytes) -> dict[str, Any]:
        self._take(await self._stream.push(self._samples.push(content)))
        pending = self._permitted(self._stream.pending)
        if self._words and not pending and self._silence() >= PAUSE_SECONDS:
            return self._result()
        return {"partial": " ".join([*(word.word for word in self._words), *pending[:1]])}

    def _silence(self) -> float:
        return self._stream.seconds - self._words[-1].end

    def _take(self, words: Sequence[Word]) -> None:
        self._words += [word for word in words if self._permitted([word.word])]

    def _permitted(self, words: list[str]) -> list[str]:
        return [word for word in words if self._allowed is None or word in self._allowed]

    def _result(self) -> dict[str, Any]:
        """Return the words recognised so far, and begin the next utterance."""
        words, self._words = self._words, []
        result: dict[str, Any] = {"text": " ".join(word.word for word in words)}
        if self._has_words and words:
            timed = [
                {
                    "conf": round(word.confidence, 6),
                    "end": round(word.end, 6),
                    "start": round(word.start, 6),
                    "word": word.word,
                }
                for word in words
            ]
            result = {"result": timed, **result}
        return result

    def _configure(self, config: Any) -> None:
        if not isinstance(config, dict):
            raise RefusalError(BAD_REQUEST, "config must be an object")
        if self._stream.seconds:
            raise RefusalError(BAD_REQUEST, "config must come before the sound")
        self._rate = as_rate(config.get("sample_rate", RATE))
        self._has_words = bool(config.get("words", True))
        phrases = config.get("phrase_list")
        if phrases is not None:
            self._allowed = self._known(phrases)
        self._reset()

    def _known(self, phrases: Any) -> set[str]:
        """Return the words of a list of phrases: each phrase is one, or consists of several."""
        if not isinstance(phrases, list) or not all(isinstance(one, str) for one in phrases):
            raise RefusalError(BAD_REQUEST, "phrase_list must be a list of texts")
        words = self._stream.words
        found: set[str] = set()
        for phrase in phrases:
            parts = [phrase] if phrase in words else phrase.split()
            for part in parts:
                if part != UNKNOWN and part not in words:
                    hint = did_you_mean(part, words)
                    raise RefusalError(UNKNOWN_WORD, f"phrase_list: {part!r} is unknown{hint}")
            found.update(parts)
        return found
