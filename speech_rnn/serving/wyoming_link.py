"""A connection of Wyoming within bounds: whatever comes, it is answered or closed."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack, suppress
from typing import cast

import numpy as np
from numpy.typing import NDArray
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong
from wyoming.server import AsyncEventHandler

from speech_rnn.errors import SpeechRnnError
from speech_rnn.serving.limits import Limits
from speech_rnn.serving.logs import log
from speech_rnn.serving.refusals import BAD_REQUEST, TOO_LARGE, TOO_SLOW, RefusalError, refusal_of
from speech_rnn.serving.service import LINGER_SECONDS, Patience, Service, within
from speech_rnn.serving.wyoming_sound import WyomingSound

LOST = (asyncio.IncompleteReadError, ConnectionError, BrokenPipeError)
LINE_BYTES = 64 << 10
"""Bytes of the header of an event, at most."""
MALFORMED = (AttributeError, KeyError, TypeError, ValueError, RecursionError)
"""The errors that the library raises if an event does not follow the protocol."""


class GuardedReader:
    """Reads what the library asks for, but no more and no longer than is allowed.

    Parameters
    ----------
    reader : the connection.
    limits : the bounds.

    Raises
    ------
    RefusalError
        from each read that passes a bound.
    """

    def __init__(self, reader: asyncio.StreamReader, limits: Limits) -> None:
        self._reader, self._limits = reader, limits

    @property
    def is_at_end(self) -> bool:
        """Whether the client has ended the connection."""
        return self._reader.at_eof()

    async def readline(self) -> bytes:
        """Return the header of the next event; it may be long in coming, but not in arriving."""
        first = await self._bounded(self._reader.read(1), self._limits.idle_seconds)
        if not first or first == b"\n":
            return first
        try:
            rest = await self._bounded(self._reader.readline(), self._limits.read_seconds)
        except ValueError as error:
            raise RefusalError(TOO_LARGE, "the header of an event is too long") from error
        return first + rest

    async def readexactly(self, n_bytes: int) -> bytes:
        """Return this number of bytes of the event that has begun."""
        most = self._limits.message_bytes
        if n_bytes > most:
            raise RefusalError(
                TOO_LARGE, f"an event of {n_bytes} bytes is too large; at most {most} are read"
            )
        return await self._bounded(self._reader.readexactly(n_bytes), self._limits.read_seconds)

    async def drop(self) -> None:
        """Read and drop what still comes: a close with bytes unread loses the answer, too."""
        while await self._reader.read(LINE_BYTES):
            pass

    async def _bounded(self, reading: Awaitable[bytes], seconds: float) -> bytes:
        try:
            return await within(seconds, reading)
        except TimeoutError as error:
            raise RefusalError(TOO_SLOW, f"nothing came for {seconds:g} s") from error


class Link(AsyncEventHandler):
    """The connection of one client.

    Parameters
    ----------
    reader, writer : the connection.
    service : the state that all protocols share.
    languages : the languages that the description of the server names.
    """

    protocol = "wyoming"

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        languages: Sequence[str],
    ) -> None:
        self._guarded = GuardedReader(reader, service.limits)
        super().__init__(cast(asyncio.StreamReader, self._guarded), writer)
        self.service, self.languages = service, languages
        self.place = ExitStack()
        self._patience = Patience(service.stopping)
        self._sound: WyomingSound | None = None
        self.release()

    @abstractmethod
    def info(self) -> Info:
        """Return what the server has."""

    @abstractmethod
    def request(self, event: Event) -> None:
        """Take a request; other events are dropped, as the protocol has it."""

    @abstractmethod
    def begin(self, sound: WyomingSound) -> None:
        """Prepare for a sound, and enter its place into `place`."""

    @abstractmethod
    async def hear(self, sound: WyomingSound, samples: NDArray[np.float32]) -> None:
        """Take the next samples of a sound, (n,)."""

    @abstractmethod
    async def answer(self, sound: WyomingSound) -> None:
        """Answer for a sound that has ended, and release it."""

    def release(self) -> None:
        """Forget the sound, and give its place back; there is none at first."""
        self.place.close()
        self._sound = None

    async def handle_event(self, event: Event) -> bool:
        """Take sound or a request."""
        if AudioStart.is_type(event.type):
            self._begin(event)
        elif AudioChunk.is_type(event.type):
            sound = self._sound or self._begin(event)
            await self.hear(sound, sound.push(event))
        elif AudioStop.is_type(event.type):
            await self.end()
        else:
            self.request(event)
        return True

    def _begin(self, event: Event) -> WyomingSound:
        self.release()
        self._sound = WyomingSound(event)
        self.begin(self._sound)
        return self._sound

    async def end(self) -> None:
        """Answer for the sound so far, if there is any."""
        if self._sound is not None:
            await self.answer(self._sound)

    async def disconnect(self) -> None:
        """Give the place of the sound back."""
        self.release()

    async def run(self) -> None:
        """Take events until the client or the server ends."""
        try:
            while (event := await self._next()) is not None:
                if not await self._handled(event):
                    break
            if self.service.stopping.is_set():
                await self.end()
        except LOST:
            pass
        except SpeechRnnError as error:
            await self._refuse(error)
        except MALFORMED as error:
            log("malformed", protocol=self.protocol, reason=f"{type(error).__name__}: {error}")
            await self._refuse(RefusalError(BAD_REQUEST, "an event has not the form of Wyoming"))
        finally:
            self._patience.close()
            await self.disconnect()
            with suppress(*LOST, RuntimeError):
                self.writer.close()

    async def send(self, event: Eventable) -> None:
        """Send an event.

        Raises
        ------
        ConnectionError
            if the client does not read it in time.
        """
        try:
            await within(self.service.limits.write_seconds, self.write_event(event.event()))
        except TimeoutError as error:
            self.writer.transport.abort()
            raise ConnectionAbortedError("the client does not read its answers") from error

    async def _next(self) -> Event | None:
        """Return the next event, or None where the client or the server ends."""
        event = await self._patience.wait(async_read_event(self.reader))
        if event is None and not self.service.stopping.is_set() and not self._guarded.is_at_end:
            raise RefusalError(BAD_REQUEST, "an event begins with a line of JSON")
        return event

    async def _handled(self, event: Event) -> bool:
        if Describe.is_type(event.type):
            await self.send(self.info())
            return True
        if Ping.is_type(event.type):
            await self.send(Pong(text=Ping.from_event(event).text))
            return True
        return await self.handle_event(event)

    async def _refuse(self, error: SpeechRnnError) -> None:
        self.service.refused(self.protocol, error)
        with suppress(*LOST, OSError, TimeoutError):
            await self.send(Error(text=str(error), code=refusal_of(error).kind.code))
            if self.writer.can_write_eof():
                self.writer.write_eof()
            await within(LINGER_SECONDS, self._guarded.drop())
