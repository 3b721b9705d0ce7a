"""Wyoming's wake words: each word is reported as it is said, with its score."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import ExitStack

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Info
from wyoming.wake import Detect, Detection, NotDetected

from speech_rnn.decoding.hypothesis import Word
from speech_rnn.serving.live import LiveStream
from speech_rnn.serving.refusals import BAD_REQUEST, RefusalError
from speech_rnn.serving.service import Service
from speech_rnn.serving.wyoming_info import wake_info, wanted_words
from speech_rnn.serving.wyoming_link import Link
from speech_rnn.serving.wyoming_sound import WyomingSound


class WakeLink(Link):
    """The connection of a client that waits for words.

    Parameters
    ----------
    reader, writer : the connection.
    service : the state that all protocols share.
    languages : the languages of the words.
    """

    protocol = "wake"

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        languages: Sequence[str],
    ) -> None:
        super().__init__(reader, writer, service, languages)
        self._names: list[str] | None = None
        self._sound: WyomingSound | None = None
        self._streams: list[tuple[LiveStream, dict[str, str]]] = []
        self._place = ExitStack()
        self._has_found = False

    def info(self) -> Info:
        """Return the words."""
        return wake_info(self.service.shelf.models, self.languages)

    async def handle_event(self, event: Event) -> bool:
        """Take a request or sound; other events are dropped, as the protocol has it."""
        if Detect.is_type(event.type):
            names = Detect.from_event(event).names
            if names is not None and not isinstance(names, list):
                raise RefusalError(BAD_REQUEST, "names must be a list")
            wanted_words(self.service.shelf.models, names)  # an unknown one is told at once
            self._names = names
        elif AudioStart.is_type(event.type):
            self._begin(event)
        elif AudioChunk.is_type(event.type):
            sound = self._sound or self._begin(event)
            samples = sound.push(event)
            await self._tell([stream.push(samples) for stream, _ in self._streams])
        elif AudioStop.is_type(event.type):
            await self.end()
        return True

    def _begin(self, event: Event) -> WyomingSound:
        self._release()
        wanted = wanted_words(self.service.shelf.models, self._names)
        self._sound = WyomingSound(event)
        self._place.enter_context(self.service.place(self.protocol, len(wanted)))
        self._streams = [
            (self.service.stream(model, self._sound.sample_rate, self.protocol), names)
            for model, names in wanted
        ]
        return self._sound

    async def end(self) -> None:
        """Report the words that were under way, or that there was none."""
        if self._sound is None:
            return
        await self._tell([stream.finish() for stream, _ in self._streams])
        if not self._has_found:
            await self.send(NotDetected())
        self._release()

    async def _tell(self, working: Sequence[Awaitable[list[Word]]]) -> None:
        """Send the words that the streams found, in their order."""
        assert self._sound is not None
        found = await asyncio.gather(*working)
        for words, (_, names) in zip(found, self._streams, strict=True):
            for word in words:
                if word.word in names:
                    self._has_found = True
                    await self.send(_detection(names[word.word], word, self._sound.begin))

    def _release(self) -> None:
        self._place.close()
        self._sound, self._streams, self._has_found = None, [], False

    async def disconnect(self) -> None:
        """Give the place of the streams back."""
        self._release()


def _detection(name: str, word: Word, begin: int) -> Detection:
    score = {
        "score": round(word.confidence, 4),
        "start": round(word.start, 4),
        "end": round(word.end, 4),
    }
    return Detection(name=name, timestamp=begin + round(1000 * word.end), context=score)
