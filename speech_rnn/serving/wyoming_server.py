"""Wyoming over TCP, and over standard input and output."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

from wyoming.event import async_get_stdin, async_get_stdout

from speech_rnn.serving.logs import log
from speech_rnn.serving.service import Service
from speech_rnn.serving.wyoming_link import LINE_BYTES, Link

Factory = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Link]


class WyomingServer:
    """Serves Wyoming on a socket, each client by a `Link` of its own.

    Parameters
    ----------
    service : has the bounds.
    factory : makes the link of a connection.
    """

    def __init__(self, service: Service, factory: Factory) -> None:
        self._service, self._factory = service, factory
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self, listener: socket.socket) -> None:
        """Listen on a bound socket."""
        self._server = await asyncio.start_server(self._connected, sock=listener, limit=LINE_BYTES)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= self._service.limits.connections:
            log("refused", protocol="wyoming", reason="connections")
            writer.close()
            return
        task = asyncio.ensure_future(self._factory(reader, writer).run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Take no more connections, and wait a while for those that end."""
        if self._server is not None:
            self._server.close()
        if self._tasks:
            _, left = await asyncio.wait(self._tasks, timeout=self._service.limits.stop_seconds)
            for task in left:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task


async def serve_stdio(factory: Factory) -> None:
    """Serve one client over standard input and output, until its end."""
    link = factory(await async_get_stdin(), await async_get_stdout())
    await link.run()
