"""A WebSocket within bounds: each wait has an end, and each end a close code."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from speech_rnn.errors import SpeechRnnError
from speech_rnn.serving.guard import ErrorResponse
from speech_rnn.serving.logs import log
from speech_rnn.serving.refusals import BAD_REQUEST, STOPPING, TOO_SLOW, RefusalError, refusal_of
from speech_rnn.serving.service import Patience, Service, within

GOOD_BYE = 1000
MOST_REASON = 120
"""Bytes of the reason of a close, at most, as the protocol has it."""


class SocketClosed(Exception):  # noqa: N818
    """The client closed the connection, or it was lost."""


class Socket:
    """The connection of one client.

    Parameters
    ----------
    websocket : the connection.
    service : has the bounds.
    """

    def __init__(self, websocket: WebSocket, service: Service) -> None:
        self._websocket, self._limits = websocket, service.limits
        self._patience = Patience(service.stopping)

    async def receive(self) -> str | bytes | None:
        """Return the next message, or None when the server stops.

        Raises
        ------
        SocketClosed
            when the client is gone.
        RefusalError
            when it was silent for too long.
        """
        idle = self._limits.idle_seconds
        try:
            message = await self._patience.wait(self._websocket.receive(), idle)
        except TimeoutError as error:
            raise RefusalError(TOO_SLOW, f"nothing came for {idle:g} s") from error
        if message is None:
            return None
        if message["type"] == "websocket.disconnect":
            raise SocketClosed
        text = message.get("text")
        return text if text is not None else bytes(message.get("bytes") or b"")

    async def send(self, values: dict[str, Any]) -> None:
        """Send plain values as JSON.

        Raises
        ------
        SocketClosed
            when the client is gone, or does not read.
        """
        try:
            text = json.dumps(values, ensure_ascii=False)
            await within(self._limits.write_seconds, self._websocket.send_text(text))
        except (TimeoutError, WebSocketDisconnect, RuntimeError) as error:
            raise SocketClosed from error

    async def close(self, code: int, reason: str = "") -> None:
        """Close the connection."""
        short = reason.encode()[:MOST_REASON].decode(errors="ignore")
        with suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            await within(self._limits.write_seconds, self._websocket.close(code, short))

    def release(self) -> None:
        """Wait for nothing any more."""
        self._patience.close()


def loaded_json(text: str) -> dict[str, Any]:
    """Return the object that a text message holds.

    Raises
    ------
    RefusalError
        for a text that is no object of JSON.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RefusalError(BAD_REQUEST, "a text message must be an object of JSON") from error
    if not isinstance(values, dict):
        raise RefusalError(BAD_REQUEST, "a text message must be an object of JSON")
    return values


def as_rate(value: Any) -> int:
    """Return a sample rate that a client gave, in Hz.

    Raises
    ------
    RefusalError
        for what is no number.
    """
    try:
        return round(float(value))
    except (TypeError, ValueError, OverflowError) as error:
        raise RefusalError(BAD_REQUEST, f"sample_rate={value!r:.40} must be a number") from error


async def answered(
    websocket: WebSocket,
    service: Service,
    protocol: str,
    conversation: Callable[[Socket], Awaitable[None]],
) -> None:
    """Have a conversation with a client, and close it by the code that fits its end.

    Parameters
    ----------
    websocket : the connection, accepted.
    service : counts refusals.
    protocol : name of the protocol in the metrics.
    conversation : returns at the end of the conversation.
    """
    socket = Socket(websocket, service)
    code, reason = GOOD_BYE, ""
    log("opened", protocol=protocol)
    try:
        await conversation(socket)
        if service.stopping.is_set():
            code, reason = STOPPING.close_code, "the server stops"
    except SocketClosed:
        pass
    except SpeechRnnError as error:
        refusal = refusal_of(error)
        service.refused(protocol, refusal)
        code, reason = refusal.kind.close_code, str(error)
        with suppress(SocketClosed):
            await socket.send({"error": str(error), "code": refusal.kind.code})
    finally:
        socket.release()
        await socket.close(code, reason)
        log("closed", protocol=protocol, code=code)


@asynccontextmanager
async def opening(websocket: WebSocket, service: Service, protocol: str) -> AsyncIterator[None]:
    """Answer an error before the connection is accepted with the status of a refusal."""
    try:
        yield
    except SpeechRnnError as error:
        service.refused(protocol, error)
        await websocket.send_denial_response(ErrorResponse(refusal_of(error)))
