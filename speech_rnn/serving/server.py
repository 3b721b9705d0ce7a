"""A server: its ports, its start, and its end, at which streams end with the words so far."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from speech_rnn.errors import ConfigurationError
from speech_rnn.serving.discovery import Discovery
from speech_rnn.serving.logs import log
from speech_rnn.serving.places import Places, is_loopback
from speech_rnn.serving.service import Service
from speech_rnn.serving.studio import Studio
from speech_rnn.serving.web import WebServer, application
from speech_rnn.serving.wyoming_asr import AsrLink
from speech_rnn.serving.wyoming_server import WyomingServer, serve_stdio
from speech_rnn.serving.wyoming_wake import WakeLink

BACKLOG = 512
POLL_SECONDS = 0.02


class Server:
    """Serves a `Service` from `start` to `stop`, in the loop that runs.

    Parameters
    ----------
    service : the service that is served.
    places : the addresses to serve at.
    studio : the folder of the page ``/record``; None turns the page off.

    Attributes
    ----------
    addresses : host and port of each protocol that is served, by its name.
    """

    def __init__(self, service: Service, places: Places, studio: Studio | None = None) -> None:
        self.service, self._places, self._studio = service, places, studio
        self.addresses: dict[str, tuple[str, int]] = {}
        self._web: WebServer | None = None
        self._scanning: asyncio.Future[None] | None = None
        self._wyoming: list[WyomingServer] = []
        self._discovery: Discovery | None = None

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
                self._studio,
                token=places.token,
                origins=places.origins,
                is_local=is_loopback(places.host),
            )
            self._web = WebServer(app, listener, service.limits)
        for name, port, link in (
            ("wake", places.wake_port, WakeLink),
            ("asr", places.asr_port, AsrLink),
        ):
            if port is not None:
                listener = self._bound(name, places.wyoming_host, port)
                factory = partial(link, service=service, languages=places.languages)
                self._wyoming.append(WyomingServer(service, factory))
                await self._wyoming[-1].start(listener)
        if places.is_announced:
            await self._announce()
        self._scanning = asyncio.ensure_future(service.keep_scanning())

    async def _announce(self) -> None:
        found = {name: place for name, place in self.addresses.items() if name != "http"}
        if found:
            self._discovery = Discovery(found)
            await self._discovery.start()

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
        if self._discovery is not None:
            await self._discovery.stop()
        if self._scanning is not None:
            self._scanning.cancel()
            with suppress(asyncio.CancelledError):
                await self._scanning
        if self._studio is not None:
            await self._studio.teaching.stop()
        await asyncio.gather(*(server.stop() for server in self._wyoming))
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


async def run_stdio(make: Callable[[], Service], name: str, languages: tuple[str, ...]) -> None:
    """Serve one client of Wyoming over standard input and output, until its end.

    Parameters
    ----------
    make : returns the service; called within the loop.
    name : ``wake`` or ``asr``.
    languages : languages that are reported to the client.
    """
    service = make()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, service.stop)
    link = {"wake": WakeLink, "asr": AsrLink}[name]
    try:
        await serve_stdio(partial(link, service=service, languages=languages))
    finally:
        service.close()
