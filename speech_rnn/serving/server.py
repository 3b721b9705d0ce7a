"""A server: its ports, its start, and its end, at which streams end with what was heard."""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from speech_rnn.errors import ConfigurationError
from speech_rnn.serving.logs import log
from speech_rnn.serving.service import Service
from speech_rnn.serving.web import WebServer, application

BACKLOG = 512
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Places:
    """Where a server listens.

    Parameters
    ----------
    host : address of HTTP and the WebSockets.
    port : their port; 0 takes one that is free, None leaves them out.
    token : the token that clients have to send; None needs none.
    origins : other origins whose pages may ask.
    """

    host: str = "127.0.0.1"
    port: int | None = 8000
    token: str | None = None
    origins: tuple[str, ...] = ()


class Server:
    """Serves a `Service` from `start` to `stop`, in the loop that runs.

    Parameters
    ----------
    service : what is served.
    places : where.

    Attributes
    ----------
    addresses : host and port of each protocol that is served, by its name.
    """

    def __init__(self, service: Service, places: Places) -> None:
        self.service, self._places = service, places
        self.addresses: dict[str, tuple[str, int]] = {}
        self._web: WebServer | None = None
        self._scanning: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        ConfigurationError
            for an address that cannot be bound.
        """
        places, service = self._places, self.service
        if places.port is not None:
            listener = self._bound("http", places.host, places.port)
            app = application(
                service,
                token=places.token,
                origins=places.origins,
                is_local=is_loopback(places.host),
            )
            self._web = WebServer(app, listener, service.limits)
        self._scanning = asyncio.ensure_future(service.keep_scanning())

    def _bound(self, name: str, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except (OSError, OverflowError) as error:
            listener.close()
            reason = getattr(error, "strerror", None) or error
            raise ConfigurationError(
                f"{name}: {host}:{port} cannot be used ({reason}); choose another port or address"
            ) from error
        listener.setblocking(False)
        self.addresses[name] = listener.getsockname()[:2]
        return listener

    async def stop(self) -> None:
        """Let the streams end, and close everything."""
        self.service.stop()
        if self._scanning is not None:
            self._scanning.cancel()
            with suppress(asyncio.CancelledError):
                await self._scanning
        end = time.monotonic() + self.service.limits.stop_seconds
        while self.service.capacity.n_open and time.monotonic() < end:
            await asyncio.sleep(POLL_SECONDS)
        if self._web is not None:
            await self._web.stop()
        self.service.close()


async def run(make: Callable[[], Server]) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters
    ----------
    make : returns the server; called within the loop.
    """
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    server = make()
    await server.start()
    for name, (host, port) in server.addresses.items():
        log("listening", protocol=name, host=host, port=port)
    log("ready", models=[model.name for model in server.service.shelf.models])
    try:
        await asked.wait()
        log("stopping")
    finally:
        await server.stop()
    log("stopped")


def is_loopback(host: str) -> bool:
    """Return whether an address is of this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
