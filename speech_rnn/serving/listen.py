"""The WebSocket ``/listen``: raw PCM or a WAV file in, words as JSON out, as they are spoken."""

from __future__ import annotations

from functools import partial
from typing import Any

from starlette.websockets import WebSocket

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.serving.incoming import Incoming, Sound
from speech_rnn.serving.live import LiveStream
from speech_rnn.serving.refusals import BAD_REQUEST, RefusalError
from speech_rnn.serving.service import Service
from speech_rnn.serving.shelf import Model
from speech_rnn.serving.sockets import Socket, answered, as_rate, loaded_json, opening


class Listen:
    """The route.

    A client sends binary messages of sound and, at the end, ``{"type": "finish"}``. It receives
    ``ready``, ``partial`` whenever the words that are being spoken change, ``word`` for each word
    that was found, and ``end``.

    Parameters
    ----------
    service : the state that all protocols share.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def answer(self, websocket: WebSocket) -> None:
        """Serve one client. The query may hold ``model`` and ``sample_rate``."""
        service, query = self._service, websocket.query_params
        async with opening(websocket, service, "listen"):
            model = service.shelf.find(query.get("model"))
            rate = as_rate(query.get("sample_rate", model.recognizer.sample_rate))
            with service.place("listen"):
                stream = service.stream(model, rate, "listen")
                await websocket.accept()
                talk = partial(_Talk(service, model, stream).run, rate=rate)
                await answered(websocket, service, "listen", talk)


class _Talk:
    """A conversation with one client."""

    def __init__(self, service: Service, model: Model, stream: LiveStream) -> None:
        self._service, self._model, self._stream = service, model, stream
        self._pending: list[str] = []

    async def run(self, socket: Socket, rate: int) -> None:
        """Hear the client until it, or the server, ends."""
        await self._ready(socket, rate)
        incoming = Incoming(rate)
        while isinstance(message := await socket.receive(), bytes):
            samples = incoming.push(message)
            if incoming.sample_rate not in (None, rate):  # as the header of a WAV file has it
                rate = incoming.sample_rate or rate
                self._stream = self._service.stream(self._model, rate, "listen")
                await self._ready(socket, rate)
            await self._tell(socket, samples)
        if message is not None and loaded_json(message).get("type") != "finish":
            raise RefusalError(BAD_REQUEST, 'a text message must be {"type": "finish"}')
        await self._tell(socket, incoming.finish())
        seconds = self._stream.seconds
        for word in await self._stream.finish():
            await socket.send(word_event(word))
        await socket.send({"type": "end", "seconds": round(seconds, 4)})

    async def _ready(self, socket: Socket, rate: int) -> None:
        words = self._stream.words
        ready = {"type": "ready", "model": self._model.name, "sample_rate": rate, "words": words}
        await socket.send(ready)

    async def _tell(self, socket: Socket, samples: Sound) -> None:
        if not len(samples):
            return
        for word in await self._stream.push(samples):
            await socket.send(word_event(word))
        if (pending := self._stream.pending) != self._pending:
            self._pending = pending
            await socket.send({"type": "partial", "words": pending})


def word_event(word: Word) -> dict[str, Any]:
    """Return a word that was found as plain values."""
    return {
        "type": "word",
        "word": word.word,
        "start": round(word.start, 4),
        "end": round(word.end, 4),
        "confidence": round(word.confidence, 4),
    }
