"""Connections of HTTP with an end: a head that does not arrive in time, and too many of them."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from speech_rnn.serving.limits import Limits


def patient_protocol(limits: Limits) -> type[H11Protocol]:
    """Return a protocol for uvicorn, which has neither bound of its own."""

    class Patient(H11Protocol):
        """Closes a connection whose request head is not whole in time."""

        _timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > limits.connections:
                self._answer(b"503 Service Unavailable")
            else:
                self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.conn.their_state is h11.IDLE:
                self._watch()
            else:
                self._forget()

        def connection_lost(self, exc: Exception | None) -> None:
            self._forget()
            super().connection_lost(exc)

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._forget()
            super().handle_websocket_upgrade(event)

        def _watch(self) -> None:
            if self._timer is None:
                self._timer = self.loop.call_later(limits.read_seconds, self._late)

        def _forget(self) -> None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

        def _late(self) -> None:
            self._timer = None
            if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
                self._answer(b"408 Request Timeout")

        def _answer(self, status: bytes) -> None:
            self.transport.write(
                b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.close()

    return Patient
