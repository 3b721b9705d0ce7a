"""HTTP and WebSockets, run by uvicorn within the loop of the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp

from speech_rnn.errors import SpeechRnnError
from speech_rnn.serving.connections import patient_protocol
from speech_rnn.serving.guard import ErrorResponse, Guard
from speech_rnn.serving.http import HEALTH, Http
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.listen import Listen
from speech_rnn.serving.pages import Pages
from speech_rnn.serving.record import Record
from speech_rnn.serving.refusals import refusal_of
from speech_rnn.serving.service import Service
from speech_rnn.serving.studio import Studio
from speech_rnn.serving.vosk import Vosk

HEAD_BYTES = 16 << 10
"""Bytes of the head of a request."""
PING_SECONDS = 20.0
"""Time between pings of a WebSocket, which keep it open in routers. No answer is awaited: it would
wait behind the sound that a client has sent ahead. One that vanished is found by its silence."""


def application(
    service: Service,
    studio: Studio | None,
    *,
    token: str | None,
    origins: Sequence[str],
    is_local: bool,
) -> ASGIApp:
    """Return all of HTTP and the WebSockets behind the guard; see `Guard` and `Record`."""
    pages, record = Pages(service), Record(service, studio)
    routes: list[BaseRoute] = [
        *pages.routes,
        *record.routes,
        *Http(service).routes,
        WebSocketRoute("/listen", Listen(service).answer),
        WebSocketRoute("/vosk", Vosk(service).answer),
    ]
    paths = [route.path for route in routes if isinstance(route, (Route, WebSocketRoute))]

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, SpeechRnnError)
        service.refused("http", error)
        return ErrorResponse(refusal_of(error))

    middleware = []
    if origins:
        middleware.append(
            Middleware(CORSMiddleware, allow_origins=[*origins], allow_headers=["Authorization"])
        )
    app = Starlette(
        routes=routes, middleware=middleware, exception_handlers={SpeechRnnError: refuse}
    )
    return Guard(
        app,
        service=service,
        paths=paths,
        open_paths=(HEALTH, *pages.open_paths, *record.open_paths),
        token=token,
        origins=origins,
        is_local=is_local,
    )


class WebServer:
    """Serves an application on a socket.

    Parameters
    ----------
    app : the application.
    listener : a bound socket.
    limits : the bounds.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket, limits: Limits) -> None:
        config = uvicorn.Config(
            app,
            http=patient_protocol(limits),
            ws="websockets-sansio",
            ws_max_size=limits.message_bytes,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=None,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=HEAD_BYTES,
            timeout_graceful_shutdown=max(1, round(limits.stop_seconds)),
            lifespan="off",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
        )
        self._server = _Server(config)
        self._task = asyncio.ensure_future(self._server.serve(sockets=[listener]))

    async def stop(self) -> None:
        """Take no more connections, and end those that are left."""
        self._server.should_exit = True
        with suppress(asyncio.CancelledError):
            await self._task


class _Server(uvicorn.Server):
    """Leaves the signals to the program."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
