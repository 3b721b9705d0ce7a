"""Check who may ask: the token of a client, and the origin of a web page."""

from __future__ import annotations

import hmac
import time
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit

from starlette.datastructures import Headers, QueryParams
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from speech_rnn.serving.logs import log
from speech_rnn.serving.refusals import TOO_SLOW, WRONG_ORIGIN, WRONG_TOKEN, RefusalError
from speech_rnn.serving.service import LINGER_SECONDS, Service, within

LOOPBACK = ("127.0.0.1", "::1", "localhost")
BEARER = b"bearer "
RECORD = "/record"
"""Path of the page for recordings, and beginning of the paths below it."""


class Guard:
    """Stands before all of HTTP and the WebSockets: checks, counts and logs.

    Parameters
    ----------
    app : the application that is guarded.
    service : counts.
    paths : the paths that there are, for the metrics.
    open_paths : paths that need no token.
    token : the token that a client has to send; None lets all in.
    origins : the origins of pages, such as ``https://home.example``, whose scripts may ask, beside
        the server's own.
    is_local : whether the server is bound to this machine alone. Then its own name is this
        machine's: a page of another name that leads here (DNS rebinding) is not its own.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        service: Service,
        paths: Sequence[str],
        open_paths: Sequence[str],
        token: str | None = None,
        origins: Sequence[str] = (),
        is_local: bool = True,
    ) -> None:
        self._app, self._service = app, service
        self._paths, self._open_paths = frozenset(paths), frozenset(open_paths)
        self._token = token.encode() if token else None
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._is_local = is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the app answer."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            self._check(scope)
            await self._app(scope, receive, noted)
        except RefusalError as error:
            self._service.refused(scope["type"], error)
            await ErrorResponse(error)(scope, receive, noted)
        finally:
            if scope["type"] == "http":
                self._count(scope, status, time.perf_counter() - begin)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        if (origin := headers.get("origin")) and not self._is_known(origin, headers):
            raise RefusalError(
                WRONG_ORIGIN,
                f"origin={origin[:100]!r} may not ask; the server needs --origin for it",
            )
        if scope["path"].startswith(RECORD) and not self._is_own(headers.get("host", "")):
            raise RefusalError(
                WRONG_ORIGIN,
                f"host={headers.get('host', '')[:100]!r} is not a name of this machine; use "
                "localhost, or start the server with --origin",
            )
        if self._token is None or scope["path"] in self._open_paths:
            return
        given = headers.get("authorization", "").encode("latin-1")  # as Starlette decodes it
        token = given[len(BEARER) :] if given.lower().startswith(BEARER) else b""
        if scope["type"] == "websocket":  # browsers cannot send the header there
            token = token or QueryParams(scope["query_string"]).get("token", "").encode()
        if not hmac.compare_digest(token, self._token):
            raise RefusalError(
                WRONG_TOKEN, "the token is missing or wrong; send the header Authorization: Bearer"
            )

    def _is_known(self, origin: str, headers: Headers) -> bool:
        if origin.rstrip("/").lower() in self._origins:
            return True
        try:
            parts = urlsplit(origin.lower())
        except ValueError:
            return False
        if self._is_local and parts.hostname not in LOOPBACK:
            return False
        return bool(parts.netloc) and parts.netloc == headers.get("host", "").lower()

    def _is_own(self, host: str) -> bool:
        """Return whether a request names this server by a name of its own.

        A page of another name that leads here sends no origin when it only reads.
        """
        host = host.lower()
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        known = {urlsplit(origin).netloc for origin in self._origins}
        return not self._is_local or name in LOOPBACK or host in known

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        path = scope["path"] if scope["path"] in self._paths else "other"
        self._service.metrics.requests.labels(path, str(status)).inc()
        log("request", method=scope["method"], path=path, status=status, seconds=round(seconds, 4))


class ErrorResponse(JSONResponse):
    """A refusal in OpenAI's shape; before a WebSocket is accepted, it answers that too.

    What the client still sends is read and dropped for a while: a connection that is closed with
    bytes unread loses the answer, too.

    Parameters
    ----------
    error : the refusal.
    """

    def __init__(self, error: RefusalError) -> None:
        kind = error.kind
        body = {
            "error": {
                "message": str(error),
                "type": "invalid_request_error" if kind.status < 500 else "server_error",
                "param": None,
                "code": kind.code,
            }
        }
        headers = {"WWW-Authenticate": "Bearer"} if kind is WRONG_TOKEN else {}
        if kind.status in (429, 503):
            headers["Retry-After"] = "1"
        self._lingers = kind is not TOO_SLOW
        super().__init__(body, kind.status, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if scope["type"] == "websocket" or not self._lingers:
            await super().__call__(scope, receive, send)
            return
        start = {"type": "http.response.start", "status": self.status_code}
        await send(start | {"headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        with suppress(TimeoutError):
            await within(LINGER_SECONDS, _drained(receive))
        await send({"type": "http.response.body", "body": b""})


async def _drained(receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
